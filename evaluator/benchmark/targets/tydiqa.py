"""TyDiQA-GoldP: questions written in 9 languages; the published numbers are of the dev files, which stand as test.

The train files of the other languages stand as `dev`: zero-shot transfer never trains on them.
"""

from evaluator.benchmark.files import squad, writers
from evaluator.benchmark.metrics.answers import score_squad
from evaluator.benchmark.target import HubFile, facts
from synthgen.text.languages import language


def _hub_file(path: str, split: str, code: str) -> HubFile:
    prefix = language(code).name.lower()  # question ids start with the language's name
    repository = "google-research-datasets/tydiqa"
    return HubFile(path.format(language=code), repository, "secondary_task", split, writers.squad_of(prefix), code)


TARGET = squad.span_target(
    __file__,
    score_squad,
    *(
        _hub_file("tydiqa/dev/tydiqa.goldp.{language}.dev.json", "validation", code)
        for code in facts(__file__)["languages"]
    ),
    _hub_file("tydiqa/train/tydiqa.goldp.{language}.train.json", "train", "en"),
)
