"""PAN-X (WikiANN): named entities in 48 languages, 20,000 English sentences for training."""

from __future__ import annotations

from functools import partial

from evaluator.benchmark.files.predictions import tag_lines
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import DataSource, HubFile, Target, codes, one_file
from synthgen.corpora.readers.tagged import NER_TAGS

_ORIGIN = "WikiANN (Rahimi et al. 2019) as converted by XTREME's preprocess_panx, or the hub"
_TRAIN = DataSource(("panx/train-en.tsv",), _ORIGIN)

_read = partial(tagged_split, labels=NER_TAGS)
_SOURCES = {split: (DataSource((f"panx/{split}-{{language}}.tsv",), _ORIGIN),) for split in ("test", "dev")}
_HUB = "unimelb-nlp/wikiann"
_TAGGED = tagged("tokens", "ner_tags", NER_TAGS)

TARGET = Target(
    name="panx",
    title="WikiANN-NER",
    head="tags",
    languages=codes(
        "af ar az bg bn de el en es et eu fa fi fr gu he hi hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu ro",
        "ru sw ta te th tl tr uk ur vi yo zh",
    ),
    labels=NER_TAGS,
    metrics=("f1", "token_accuracy"),
    train_source="WikiANN, 20,000 English sentences",
    hub=_HUB,
    licence="CC BY-SA (text), ODC-BY (annotation)",
    citation="Pan et al., Cross-lingual Name Tagging and Linking for 282 Languages, ACL 2017; Rahimi et al., ACL 2019",
    is_parallel=False,
    sources=_SOURCES,
    train_sources=(_TRAIN,),
    read=one_file(_read, _SOURCES),
    train=lambda root: _read(root.find(_TRAIN), "en"),
    score=score_tags,
    parse=tag_lines(NER_TAGS),
    new_in_xtreme_r=codes("az gu lt pa pl qu ro uk"),
    hub_files=(
        HubFile("panx/test-{language}.tsv", _HUB, "{language}", "test", _TAGGED),
        HubFile("panx/dev-{language}.tsv", _HUB, "{language}", "validation", _TAGGED),
        HubFile("panx/train-en.tsv", _HUB, "en", "train", _TAGGED, language="en"),
    ),
)
