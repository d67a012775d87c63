"""UD-POS: universal part-of-speech tags in 38 languages, all English treebanks for training."""

from __future__ import annotations

from functools import partial

from evaluator.benchmark.files.predictions import tag_lines
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import DataSource, HubFile, Target, codes, one_file
from synthgen.corpora.readers.tagged import UPOS

_UD = "Universal Dependencies 2.5 (2.7 for lt pl uk wo ro) as converted by XTREME's download_data.sh, or the hub"
_TRAIN = DataSource(("udpos/train-en.tsv",), _UD)

_read = partial(tagged_split, labels=UPOS)
_SOURCES = {split: (DataSource((f"udpos/{split}-{{language}}.tsv",), _UD),) for split in ("test", "dev")}
_TAGGED = tagged("tokens", "pos_tags", UPOS)

TARGET = Target(
    name="udpos",
    title="UD-POS",
    head="tags",
    languages=codes(
        "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko lt mr nl pl pt ro ru ta te th tl tr uk ur vi",
        "wo yo zh",
    ),
    labels=UPOS,
    metrics=("f1", "token_accuracy"),
    train_source="Universal Dependencies, 21,253 English sentences",
    hub="google/xtreme udpos.*",
    licence="per treebank, CC BY-SA to CC BY-NC-SA",
    citation="de Marneffe et al., Universal Dependencies, Computational Linguistics 2021",
    is_parallel=False,
    sources=_SOURCES,
    train_sources=(_TRAIN,),
    read=one_file(_read, _SOURCES),
    train=lambda root: _read(root.find(_TRAIN), "en"),
    score=score_tags,
    parse=tag_lines(UPOS),
    new_in_xtreme_r=codes("lt pl ro uk wo"),
    hub_files=(
        HubFile("udpos/test-{language}.tsv", "google/xtreme", "udpos.{name}", "test", _TAGGED),
        HubFile("udpos/dev-en.tsv", "google/xtreme", "udpos.English", "validation", _TAGGED, language="en"),
        HubFile("udpos/train-en.tsv", "google/xtreme", "udpos.English", "train", _TAGGED, language="en"),
    ),
)
