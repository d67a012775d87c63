"""XQuAD: 1,190 parallel SQuAD questions in 12 languages, trained on SQuAD v1.1."""

from __future__ import annotations

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import HubFile, Target, facts, one_file

_FACTS = facts(__file__)

TARGET = Target(
    **_FACTS,
    train_sources=(squad.TRAIN,),
    read=one_file(squad.read_questions, _FACTS["sources"]),
    train=squad.train,
    score=score_squad,
    parse=answers_by_id,
    hub_files=(
        HubFile("xquad/xquad.{language}.json", "google/xquad", "xquad.{language}", "validation", writers.squad),
        squad.TRAIN_FROM_HUB,
    ),
)
