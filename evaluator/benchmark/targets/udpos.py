"""UD-POS: universal part-of-speech tags in 38 languages, all English treebanks for training."""

from __future__ import annotations

from functools import partial

from evaluator.benchmark.files.predictions import tag_lines
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import HubFile, Target, facts, one_file
from synthgen.corpora.readers.tagged import UPOS

_FACTS = facts(__file__)
_read = partial(tagged_split, labels=UPOS)
_TAGGED = tagged("tokens", "pos_tags", UPOS)

TARGET = Target(
    **_FACTS,
    labels=UPOS,
    read=one_file(_read, _FACTS["sources"]),
    train=lambda root: _read(root.find(_FACTS["train_sources"][0]), "en"),
    score=score_tags,
    parse=tag_lines(UPOS),
    hub_files=(
        HubFile("udpos/test-{language}.tsv", "google/xtreme", "udpos.{name}", "test", _TAGGED),
        HubFile("udpos/dev-en.tsv", "google/xtreme", "udpos.English", "validation", _TAGGED, language="en"),
        HubFile("udpos/train-en.tsv", "google/xtreme", "udpos.English", "train", _TAGGED, language="en"),
    ),
)
