"""A task tried on rows: its texts make rows, its examples keep its own conditions, its templates can be rendered."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError

from synthgen.errors import listed, unknown
from synthgen.formats.base import ParseError
from synthgen.formats.choice import ChoiceFormat
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import ANSWERABLE
from synthgen.formats.tags import SENTENCE
from synthgen.task.definition import Step, Task
from synthgen.task.validation import section_place
from synthgen.text.toml_text import Finding


def trial_faults(task: Task, faulty: Collection[str] = ()) -> list[Finding]:
    """Return what would fail when the task is generated, though each of its entries is in order.

    `faulty` are keys and sections that are known to be wrong: nothing more is said of them.
    """
    examples = () if {"shots", "attributes"} & set(faulty) else _example_faults(task)
    prompts = () if {"attributes", "definitions"} & set(faulty) else _prompt_faults(task, faulty)
    of_steps = () if "steps" in faulty else (*_text_faults(task), *_condition_faults(task))
    return [*of_steps, *examples, *prompts]


def needed_texts(task: Task, label: str) -> tuple[str, ...]:
    """Return the names of the texts that make a row of a label."""
    if isinstance(task.format, PairFormat):
        return task.format.fields
    if isinstance(task.format, ChoiceFormat):
        return task.format.generated_texts
    if task.format.name == "tags":
        return (SENTENCE,)
    return ("context", "question", *(("answer",) if label == ANSWERABLE else ()))


def _text_faults(task: Task) -> Iterator[Finding]:
    if not task.steps:
        return
    lacking: dict[str, list[str]] = {}
    for label in task.label_counts:
        own = {*task.attributes, *(name for step in task.steps_of(label) for name in step.fields)}
        for name in needed_texts(task, label):
            if name not in own:
                lacking.setdefault(name, []).append(label)
    names = list(dict.fromkeys(name for step in task.steps for name in step.fields))
    for name, labels in lacking.items():
        yield ("steps",), f"no step gives '{name}' to {listed(labels)}; steps give {listed(names) or 'nothing'}"


def _condition_faults(task: Task) -> Iterator[Finding]:
    conditions, is_pair = task.conditions, isinstance(task.format, PairFormat)
    texts = sorted({name for step in task.steps for name in step.fields})
    entries = [(key, name) for key in ("min_words", "max_words") for name in getattr(conditions, key)]
    for key, name in entries:
        if name not in texts:
            yield ("conditions", key, name), f"condition {key}: {unknown('text', name, texts)}"
    for name, least in conditions.min_words.items():
        if least > (most := conditions.max_words.get(name, least)):
            yield ("conditions", "min_words", name), f"condition min_words: {name} from {least}, but {most} at most"
    for label in conditions.min_word_overlap:
        if not is_pair or label not in task.label_counts:
            fault = unknown("label", label, task.label_counts) if is_pair else "only the format pair has it"
            yield ("conditions", "min_word_overlap", label), f"condition min_word_overlap: {fault}"
    if conditions.max_option_ratio and not isinstance(task.format, ChoiceFormat):
        yield ("conditions", "max_option_ratio"), "condition max_option_ratio: only the format choice has it"


def _example_faults(task: Task) -> Iterator[Finding]:
    for label, examples in task.shots.items():
        cell = next(iter(task.label_counts)) if label == "any" else label
        for number, example in enumerate(examples):
            for fault in _faults_of(task, example, cell):
                yield ("shots", label, str(number)), f"example {number + 1} of {label}: {fault}"


def _faults_of(task: Task, example: Mapping[str, str], cell: str) -> list[str]:
    """Return why an example is none of its label."""
    needed = needed_texts(task, cell)
    known = sorted({*needed, *task.attributes, *task.format.text_columns, *(n for s in task.steps for n in s.fields)})
    known += ["title"] if task.format.name == "span" else []
    wrong = [str(unknown("text", name, known)) for name in example if name not in known]
    wrong += [f"no text '{name}'" for name in needed if name not in example and name not in task.attributes]
    if wrong or task.format.name == "tags":
        return wrong
    try:
        task.conditions.check_texts(example)
        row = task.format.assemble({**dict.fromkeys(task.attributes, "x"), **example}, cell)
        task.conditions.check_row(task.format, row)
    except (ParseError, KeyError) as error:
        return [str(error)]
    return list(task.format.faults(row))


def _prompt_faults(task: Task, faulty: Collection[str]) -> Iterator[Finding]:
    labels: dict[tuple[str, str], list[str]] = {}
    real_stems = [row for rows in task.shots.values() for row in rows]
    for label in task.label_counts:
        texts: dict[str, str] = {}
        for step in task.steps_of(label):
            if step.template and section_place(step.name)[0] not in faulty:
                for rows in ([], real_stems):
                    if fault := _prompt_fault(task, label, {**texts, "real_stems": rows}, step):
                        labels.setdefault((step.name, fault), []).append(label)
            texts |= dict.fromkeys(step.fields, "text")
    for (name, fault), of_labels in labels.items():
        of = listed(dict.fromkeys(of_labels))
        yield section_place(name), f"template of '{name}' for {of}: {fault}"


def _prompt_fault(task: Task, label: str, others: Mapping[str, Any], step: Step) -> str:
    """Return why the prompt of a step cannot be rendered, or that it is empty; an empty text for one that can."""
    variables = {key: attribute.values[0] for key, attribute in task.attributes.items()}
    try:
        return "" if step.render({**variables, **task.label_variables(label), **others}) else "the prompt is empty"
    except TemplateError as error:
        return error.message or type(error).__name__
    except Exception as error:  # a template is a program of the user's: 1 / 0, or a text used as a number
        return f"{type(error).__name__}: {error}"
