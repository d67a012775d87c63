"""TyDiQA-GoldP: questions written in 9 languages; the published numbers are of the dev files, which stand as test.

The train files of the other languages stand as `dev`: zero-shot transfer never trains on them.
"""

from __future__ import annotations

from evaluator.benchmark.files.predictions import answers_by_id
from evaluator.benchmark.files.squad import read_questions
from evaluator.benchmark.files.writers import squad_of
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import HubFile, Target, facts, one_file
from synthgen.text.languages import language

_FACTS = facts(__file__)
_HUB = "google-research-datasets/tydiqa"

TARGET = Target(
    **_FACTS,
    read=one_file(read_questions, _FACTS["sources"]),
    train=lambda root: read_questions(root.find(_FACTS["train_sources"][0]), "en"),
    score=score_squad,
    parse=answers_by_id,
    hub_files=(
        *(
            HubFile(
                f"tydiqa/dev/tydiqa.goldp.{code}.dev.json",
                _HUB,
                "secondary_task",
                "validation",
                squad_of(language(code).name.lower()),  # question ids start with the language's name
                code,
            )
            for code in _FACTS["languages"]
        ),
        HubFile("tydiqa/train/tydiqa.goldp.en.train.json", _HUB, "secondary_task", "train", squad_of("english"), "en"),
    ),
)
