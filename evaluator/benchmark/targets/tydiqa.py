"""TyDiQA-GoldP: questions written in 9 languages; the published numbers are of the dev files, which stand as test.

The train files of the other languages stand as `dev`: zero-shot transfer never trains on them.
"""

from __future__ import annotations

from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.files.squad import read_questions
from evaluator.benchmark.files.writers import squad_of
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import DataSource, HubFile, Target, codes, one_file
from synthgen.text.languages import language

_ORIGIN = "TyDiQA-GoldP v1.1 (https://github.com/google-research-datasets/tydiqa) split by language, or the hub"
_TEST = DataSource(
    ("tydiqa/dev/tydiqa.goldp.{language}.dev.json", "tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.{language}.dev.json"), _ORIGIN
)
_DEV = DataSource(
    (
        "tydiqa/train/tydiqa.goldp.{language}.train.json",
        "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.{language}.train.json",
    ),
    f"{_ORIGIN}; the English train file is trained on",
    not_for=("en",),
)
_TRAIN = DataSource(
    ("tydiqa/train/tydiqa.goldp.en.train.json", "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.en.train.json"), _ORIGIN
)


_SOURCES = {"test": (_TEST,), "dev": (_DEV,)}
_HUB = "google-research-datasets/tydiqa"
_LANGUAGES = codes("ar bn en fi id ko ru sw te")

TARGET = Target(
    name="tydiqa",
    title="TyDiQA-GoldP",
    head="span",
    languages=_LANGUAGES,
    metrics=("f1", "em"),
    train_source="TyDiQA-GoldP, 3,696 English questions",
    hub="google-research-datasets/tydiqa secondary_task",
    licence="Apache-2.0",
    citation="Clark et al., TyDi QA, TACL 2020",
    is_parallel=False,
    sources=_SOURCES,
    train_sources=(_TRAIN,),
    read=one_file(read_questions, _SOURCES),
    train=lambda root: read_questions(root.find(_TRAIN), "en"),
    score=score_squad,
    parse=answers_by_id,
    scores_missing=True,
    hub_files=(
        *(
            HubFile(
                _TEST.paths[0].format(language=code),
                _HUB,
                "secondary_task",
                "validation",
                squad_of(language(code).name.lower()),  # question ids start with the language's name
                code,
            )
            for code in _LANGUAGES
        ),
        HubFile(_TRAIN.paths[0], _HUB, "secondary_task", "train", squad_of("english"), "en"),
    ),
)
