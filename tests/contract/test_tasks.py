"""What every prompt file promises: it renders, a scripted engine fills it to exactly n, its texts make its rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest

from synthgen.corpora.catalogue import SOURCES
from synthgen.dataset import Manifest, dataset_format, read_rows, scale_counts
from synthgen.engines import Request
from synthgen.formats import FORMATS
from synthgen.formats.choice import ChoiceFormat
from synthgen.generation.prompt_chain import PromptChain
from synthgen.generation.run import open_chain
from synthgen.generation.slots import Slot
from synthgen.task.own_task import new_task
from synthgen.task.registry import load_task, prompts_folder, task_names
from tests.synthgen.conftest import make_scripted

NINE = ["anli_plus", "mnli", "qqp", "squad_v2", "squad_v1", "hellaswag", "ccg", "cosmosqa", "commonsenseqa"]
WRITTEN = [name for name in task_names() if load_task(name).format.name != "tags"]
_WORDS = ["river", "museum", "garden", "council", "winter", "doctor", "bridge", "station", "lawyer", "window", "market"]


def words(request: Request, part: str, count: int) -> str:
    draw = Random(repr((request.nonce, request.tag[1], part)))
    return " ".join(f"{draw.choice(_WORDS)}{draw.randrange(99)}" for _ in range(count))


def answer(task: str, request: Request) -> str:
    """Return a reply of the right shape, plain or JSON; an answer is copied from the passage shown last."""
    fields = request_fields(task, request)
    if fields == {"answer": ""}:
        passage = request.prompt.split("Answer with JSON")[0].rsplit("Passage: ", 1)[1]
        texts = {"answer": " ".join(passage.split()[2:4])}
    elif "question2" in fields:
        question = request.prompt.rsplit("Question A: ", 1)[1].split("\n")[0]
        texts = {"question2": f"{question} {words(request, 'more', 3)}"}
    else:
        texts = {name: words(request, name, 28 if name == "context" else 7) for name in fields}
    if request.sampling.schema is not None:
        return json.dumps(texts)
    markers = [f"{marker}: " if marker and number else "" for number, marker in enumerate(fields.values())]
    return "\n".join(marker + text for marker, text in zip(markers, texts.values(), strict=True))


def request_fields(task: str, request: Request) -> dict[str, str]:
    """Return the texts a request asks for; which step it is shows in what its prompt ends with."""
    steps = load_task(task).steps
    if request.sampling.schema is not None:
        asked = list(json.loads(request.sampling.schema)["properties"])
        return next(step.fields for step in steps if list(step.fields) == asked)
    limits = [step for step in steps if step.max_tokens == request.sampling.max_tokens]
    last = request.prompt.rstrip().rsplit("\n", 1)[-1]
    if len(limits) == 1:
        return limits[0].fields
    return limits[-1 if last in ("Question B:", "Question:") else 0].fields


def generate(task: str, model: str, tmp_path: Path, *, decoding: str = "plain") -> Manifest:
    out = tmp_path / f"{task}-{decoding}"
    return make_scripted(model, out, partial(answer, task), task=task, n=18, decoding=decoding)


def test_the_nine_tasks_are_there() -> None:
    assert task_names()[:9] == NINE


@pytest.mark.parametrize("name", task_names())
def test_a_prompt_file_agrees_with_the_real_set(name: str) -> None:
    task = load_task(name)
    assert sum(task.label_counts.values()) == task.real_size
    assert name in SOURCES or name not in NINE
    for source in SOURCES.get(name, ())[:1]:
        assert task.format.columns == source.format.columns
        assert task.format.labels == source.format.labels


@pytest.mark.parametrize(
    ("name", "decoding"), [*((name, "plain") for name in WRITTEN), ("qqp", "json"), ("squad_v2", "json")]
)
def test_a_scripted_engine_makes_exactly_n_balanced_rows(
    name: str, decoding: str, tiny_model: str, tmp_path: Path
) -> None:
    manifest = generate(name, tiny_model, tmp_path, decoding=decoding)
    rows, format_ = list(read_rows(tmp_path / f"{name}-{decoding}")), dataset_format(manifest)
    assert len(rows) == len({row["id"] for row in rows}) == 18
    assert Counter(format_.cell(row) for row in rows) == +Counter(scale_counts(load_task(name).label_counts, 18))
    assert [format_.check(row) for row in rows] == [None] * 18
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed


@pytest.mark.parametrize("name", task_names())
def test_the_static_part_of_a_prompt_comes_first(name: str) -> None:
    task = load_task(name)
    for cell in task.label_counts:
        for number, step in enumerate(task.steps_of(cell)):
            prompts = [
                rendered(PromptChain(task, seed=0, structured=False), cell, number, context) for context in range(40)
            ]
            shared = max(common_start(prompts[0], other) for other in prompts[1:])
            assert shared > 0.5 * len(prompts[0]), f"{name} {step.name}: {shared} of {len(prompts[0])} characters"


def rendered(chain: PromptChain, cell: str, step: int, context: int) -> str:
    texts = {name: f"{name} {context}" for each in chain.task.steps for name in each.fields}
    return chain.request(Slot(context, cell, context, texts, step)).prompt


def common_start(first: str, second: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


@pytest.mark.parametrize("name", WRITTEN)
def test_no_text_that_several_labels_share_tells_the_label(name: str) -> None:
    task = load_task(name)
    if isinstance(task.format, ChoiceFormat):
        prompts = {
            cell: rendered(PromptChain(task, seed=0, structured=False), cell, 0, 5) for cell in task.label_counts
        }
        assert len(set(prompts.values())) == 1, "the position of the answer must not be known while it is written"
    else:
        assert set(task.per_stem) == set(task.label_counts)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_example_rows_of_a_prompt_pass_its_own_conditions(name: str) -> None:
    task = load_task(name)
    for label, shots in task.shots.items():
        cell = next(iter(task.label_counts)) if label == "any" else label
        for shot in shots:
            row = task.format.assemble(shot, cell)
            task.conditions.check_texts({key: text for key, text in shot.items() if key in task.conditions.max_words})
            task.conditions.check_row(task.format, row)
            assert task.format.check(row) is None


def test_ccg_without_a_teacher_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="ccg needs --teacher CKPT"):
        open_chain("ccg", seed=0, structured=False)
    with pytest.raises(ValueError, match="mnli takes no --teacher"):
        open_chain("mnli", seed=0, structured=False, teacher=Path("x"))


@pytest.mark.slow
def test_a_new_prompt_file_and_the_four_skeletons_are_tasks_that_these_checks_run_on(tmp_path: Path) -> None:
    shutil.copy(prompts_folder() / "mnli.md", tmp_path / "zebra_nli.md")
    for format_ in FORMATS:
        new_task(format_, tmp_path / f"zebra_{format_}.md")
    command = [sys.executable, "-m", "pytest", __file__, "-k", "zebra and not skeletons", "-n", "0", "-rA"]
    environment = os.environ | {"SYNTHGEN_TASKS": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], env=environment
    )
    assert done.returncode == 0, done.stdout
    assert "::test_a_scripted_engine_makes_exactly_n_balanced_rows[zebra_nli-plain]" in done.stdout
    assert "22 passed" in done.stdout


def test_two_prompt_files_of_one_task_are_named(tmp_path: Path) -> None:
    shutil.copy(prompts_folder() / "mnli.md", tmp_path)
    code = "import sys; from synthgen.cli.commands import main; sys.argv = ['synthgen', 'tasks']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"SYNTHGEN_TASKS": str(tmp_path)}
    )
    assert done.returncode == 2
    assert "mnli.md defines the task 'mnli' already; rename one of the two" in " ".join(done.stderr.split())
