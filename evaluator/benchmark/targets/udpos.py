"""UD-POS: universal part-of-speech tags in 38 languages, all English treebanks for training."""

from evaluator.benchmark.files.tagged import tag_target
from evaluator.benchmark.files.writers import tagged
from evaluator.benchmark.target import HubFile
from synthgen.corpora.readers.tagged import UPOS

_TAGGED = tagged("tokens", "pos_tags", UPOS)

TARGET = tag_target(
    __file__,
    UPOS,
    HubFile("udpos/test-{language}.tsv", "google/xtreme", "udpos.{name}", "test", _TAGGED),
    HubFile("udpos/dev-en.tsv", "google/xtreme", "udpos.English", "validation", _TAGGED, language="en"),
    HubFile("udpos/train-en.tsv", "google/xtreme", "udpos.English", "train", _TAGGED, language="en"),
)
