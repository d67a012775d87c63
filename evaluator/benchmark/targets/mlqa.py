"""MLQA: questions in 7 languages with the context in the same language, trained on SQuAD v1.1."""

from __future__ import annotations

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.metrics.answers import score_mlqa
from evaluator.benchmark.target import DataSource, HubFile, Target, codes, one_file

_ORIGIN = "MLQA v1 (https://dl.fbaipublicfiles.com/MLQA/MLQA_V1.zip), or the hub"
_TEST = DataSource(("mlqa/test/test-context-{language}-question-{language}.json",), _ORIGIN)
_DEV = DataSource(("mlqa/dev/dev-context-{language}-question-{language}.json",), _ORIGIN)


_SOURCES = {"test": (_TEST,), "dev": (_DEV,)}

TARGET = Target(
    name="mlqa",
    title="MLQA",
    head="span",
    languages=codes("ar de en es hi vi zh"),
    metrics=("f1", "em"),
    train_source="SQuAD v1.1, 87,599 English questions",
    hub="facebook/mlqa",
    licence="CC BY-SA 3.0",
    citation="Lewis et al., MLQA: Evaluating Cross-lingual Extractive Question Answering, ACL 2020",
    is_parallel=False,
    sources=_SOURCES,
    train_sources=(squad.TRAIN,),
    read=one_file(squad.read_questions, _SOURCES),
    train=squad.train,
    score=score_mlqa,
    parse=answers_by_id,
    scores_missing=True,
    hub_files=(
        HubFile(_TEST.paths[0], "google/xtreme", "MLQA.{language}.{language}", "test", writers.squad),
        HubFile(_DEV.paths[0], "google/xtreme", "MLQA.{language}.{language}", "validation", writers.squad),
        squad.TRAIN_FROM_HUB,
    ),
)
