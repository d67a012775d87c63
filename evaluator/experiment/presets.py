"""Presets: experiments of many arms from a few datasets, by name. What they expand to, `plan` prints.

- `phang2020`: the paper's recipe, choice of checkpoints and targets, unless others are given; none; each real
  intermediate task given; all of them at once (`multi`); with `mlm=mlm:CORPUS` each of these again with masked
  language modelling mixed in; and every `TASK.translated=DATASET` given
- `synthetic-vs-real`: from datasets `real=` and `synthetic=` (and `translated=`): none, real, synthetic at the same
  size and at ten times the size, translated, over sizes up to the real one
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evaluator.benchmark.splits import EN_DEV
from evaluator.experiment.arms import FULL, Arm
from synthgen.console import note
from synthgen.errors import UserError, unknown

PHANG_TASKS = ("anli_plus", "mnli", "qqp", "squad_v2", "squad_v1", "hellaswag", "ccg", "cosmosqa", "commonsenseqa")
"""The nine real intermediate tasks of Phang et al. 2020, Table 1."""

TRANSLATED = ".translated"
SYNTHETIC_TIMES = 10
SIZE_STEPS = (64, 16, 4, 1)
"""`synthetic-vs-real` without --sizes: the real size divided by these."""


def expand(preset: str, datasets: Sequence[Arm], sizes: Sequence[int]) -> tuple[tuple[Arm, ...], tuple[int, ...]]:
    """Return the arms and sizes of a preset made from the named datasets; UserError for a name it has no use for."""
    return PRESETS[preset]({arm.name: arm for arm in datasets}, tuple(sizes))


def _phang2020(datasets: dict[str, Arm], sizes: tuple[int, ...]) -> tuple[tuple[Arm, ...], tuple[int, ...]]:
    _check_names("phang2020", datasets, [*PHANG_TASKS, *(task + TRANSLATED for task in PHANG_TASKS), "mlm"])
    tasks = [datasets[task] for task in PHANG_TASKS if task in datasets]
    if not tasks:
        raise UserError(f"preset phang2020 needs at least one TASK=DATASET of {', '.join(PHANG_TASKS)}")
    if absent := [task for task in PHANG_TASKS if task not in datasets]:
        note(f"preset phang2020 without {', '.join(absent)}: no dataset given")
    arms = list(tasks)
    if len(tasks) > 1:
        arms.append(Arm("multi", tuple(part for arm in tasks for part in arm.parts)))
    if "mlm" in datasets:
        arms += [replace(arm, name=f"{arm.name}+mlm", corpora=datasets["mlm"].corpora) for arm in arms]
    arms += [arm for name, arm in datasets.items() if name.endswith(TRANSLATED)]
    return (Arm("none"), *arms), sizes


def _synthetic_vs_real(datasets: dict[str, Arm], sizes: tuple[int, ...]) -> tuple[tuple[Arm, ...], tuple[int, ...]]:
    _check_names("synthetic-vs-real", datasets, ("real", "synthetic", "translated"))
    for name in ("real", "synthetic"):
        if name not in datasets:
            raise UserError(f"preset synthetic-vs-real needs {name}=DATASET")
    real, synthetic = datasets["real"], datasets["synthetic"]
    tenfold = replace(synthetic, name=f"synthetic-{SYNTHETIC_TIMES}x", factor=SYNTHETIC_TIMES)
    if sizes == (FULL,):
        sizes = tuple(dict.fromkeys(max(1, real.rows // step) for step in SIZE_STEPS))
    translated = [datasets["translated"]] if "translated" in datasets else []
    return (Arm("none"), real, synthetic, tenfold, *translated), sizes


def _check_names(preset: str, datasets: dict[str, Arm], allowed: Sequence[str]) -> None:
    for name, arm in datasets.items():
        if name not in allowed:
            raise unknown("dataset name", name, allowed, where=f"preset {preset}")
        if not (arm.corpora if name == "mlm" else arm.parts):
            raise UserError(f"preset {preset}: {name} must be {'mlm:CORPUS' if name == 'mlm' else 'a dataset folder'}")


SETTINGS: dict[str, dict[str, Any]] = {
    # Best of the English development items every 1,000 updates: jiant's e_run_models.sh and metarunner.
    "phang2020": {"recipe": "phang2020", "select": EN_DEV, "targets": ("xtreme9",)},
}
"""What a preset sets where the command does not."""

PRESETS = {"phang2020": _phang2020, "synthetic-vs-real": _synthetic_vs_real}
