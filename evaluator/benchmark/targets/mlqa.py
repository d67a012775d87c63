"""MLQA: questions in 7 languages with the context in the same language, trained on SQuAD v1.1."""

from __future__ import annotations

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.metrics.answers import score_mlqa
from evaluator.benchmark.target import HubFile, Target, facts, one_file

_FACTS = facts(__file__)
_CONFIG = "MLQA.{language}.{language}"
_NAME = "context-{language}-question-{language}.json"

TARGET = Target(
    **_FACTS,
    train_sources=(squad.TRAIN,),
    read=one_file(squad.read_questions, _FACTS["sources"]),
    train=squad.train,
    score=score_mlqa,
    parse=answers_by_id,
    hub_files=(
        HubFile(f"mlqa/test/test-{_NAME}", "google/xtreme", _CONFIG, "test", writers.squad),
        HubFile(f"mlqa/dev/dev-{_NAME}", "google/xtreme", _CONFIG, "validation", writers.squad),
        squad.TRAIN_FROM_HUB,
    ),
)
