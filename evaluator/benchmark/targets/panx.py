"""PAN-X (WikiANN): named entities in 48 languages, 20,000 English sentences for training."""

from evaluator.benchmark.files.tagged import tag_target
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.target import HubFile
from synthgen.corpora.readers.tagged import NER_TAGS

_HUB = "unimelb-nlp/wikiann"
_TAGGED = tagged("tokens", "ner_tags", NER_TAGS)

TARGET = tag_target(
    __file__,
    NER_TAGS,
    HubFile("panx/test-{language}.tsv", _HUB, "{language}", "test", _TAGGED),
    HubFile("panx/dev-{language}.tsv", _HUB, "{language}", "validation", _TAGGED),
    HubFile("panx/train-en.tsv", _HUB, "en", "train", _TAGGED, language="en"),
)
