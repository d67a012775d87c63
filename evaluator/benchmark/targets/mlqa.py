"""MLQA: questions in 7 languages with the context in the same language, trained on SQuAD v1.1."""

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.metrics.answers import score_mlqa
from evaluator.benchmark.target import HubFile

_CONFIG = "MLQA.{language}.{language}"
_NAME = "context-{language}-question-{language}.json"

TARGET = squad.span_target(
    __file__,
    score_mlqa,
    HubFile(f"mlqa/test/test-{_NAME}", "google/xtreme", _CONFIG, "test", writers.squad),
    HubFile(f"mlqa/dev/dev-{_NAME}", "google/xtreme", _CONFIG, "validation", writers.squad),
    squad.TRAIN_FROM_HUB,
)
