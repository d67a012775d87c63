"""PAN-X (WikiANN): named entities in 48 languages, 20,000 English sentences for training."""

from __future__ import annotations

from functools import partial

from evaluator.benchmark.files.predictions import tag_lines
from evaluator.benchmark.files.tagged import tagged_split
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.metrics.tags import score_tags
from evaluator.benchmark.target import HubFile, Target, facts, one_file
from synthgen.corpora.readers.tagged import NER_TAGS

_FACTS = facts(__file__)
_read = partial(tagged_split, labels=NER_TAGS)
_HUB = "unimelb-nlp/wikiann"
_TAGGED = tagged("tokens", "ner_tags", NER_TAGS)

TARGET = Target(
    **_FACTS,
    labels=NER_TAGS,
    read=one_file(_read, _FACTS["sources"]),
    train=lambda root: _read(root.find(_FACTS["train_sources"][0]), "en"),
    score=score_tags,
    parse=tag_lines(NER_TAGS),
    hub_files=(
        HubFile("panx/test-{language}.tsv", _HUB, "{language}", "test", _TAGGED),
        HubFile("panx/dev-{language}.tsv", _HUB, "{language}", "validation", _TAGGED),
        HubFile("panx/train-en.tsv", _HUB, "en", "train", _TAGGED, language="en"),
    ),
)
