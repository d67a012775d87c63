"""XQuAD: 1,190 parallel SQuAD questions in 12 languages, trained on SQuAD v1.1."""

from __future__ import annotations

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import DataSource, HubFile, Target, codes, one_file

_SOURCES = {
    "test": (DataSource(("xquad/xquad.{language}.json",), "https://github.com/google-deepmind/xquad, or the hub"),)
}

TARGET = Target(
    name="xquad",
    title="XQuAD",
    head="span",
    languages=codes("ar de el en es hi ro ru th tr vi zh"),
    metrics=("f1", "em"),
    train_source="SQuAD v1.1, 87,599 English questions",
    hub="google/xquad",
    licence="CC BY-SA 4.0",
    citation="Artetxe et al., On the Cross-lingual Transferability of Monolingual Representations, ACL 2020",
    is_parallel=True,
    sources=_SOURCES,
    train_sources=(squad.TRAIN,),
    read=one_file(squad.read_questions, _SOURCES),
    train=squad.train,
    score=score_squad,
    parse=answers_by_id,
    new_in_xtreme_r=("ro",),
    scores_missing=True,
    hub_files=(
        HubFile("xquad/xquad.{language}.json", "google/xquad", "xquad.{language}", "validation", writers.squad),
        squad.TRAIN_FROM_HUB,
    ),
)
