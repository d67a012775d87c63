"""XQuAD: 1,190 parallel SQuAD questions in 12 languages, trained on SQuAD v1.1."""

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import HubFile

TARGET = squad.span_target(
    __file__,
    score_squad,
    HubFile("xquad/xquad.{language}.json", "google/xquad", "xquad.{language}", "validation", writers.squad),
    squad.TRAIN_FROM_HUB,
)
