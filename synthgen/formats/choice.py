"""A question with several options of which one is right: sentence completion and multiple-choice reading."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from synthgen.formats.base import (
    Features,
    ParseError,
    Row,
    class_label,
    clean_text,
    integer,
    listed,
    string,
    text_fault,
)

ANSWER = "answer"
"""Name of the generated text that is the right option; the wrong ones are `distractor1`, `distractor2`, …"""

_OPTION_COLUMN = re.compile(r"(answer|choice)[0-9A-Z]")
_TEXTS_BEFORE_OPTIONS = ("ctx_a", "premise", "context"), ("ctx_b", "question")


@dataclass(frozen=True, slots=True)
class Choice:
    """One example, e.g. `Choice("Rain began.", "What did she open?", ("an umbrella", "a shop"), label=0)`.

    `context` or `question` is empty where the task has none; for sentence completion `question` is the beginning of
    the sentence that the options end.
    """

    context: str
    question: str
    options: tuple[str, ...]
    label: int


@dataclass(frozen=True, slots=True)
class ChoiceFormat:
    """The columns of a multiple-choice task: names of its texts and layout of its options, as in the real set.

    Options are a list column (`endings`), columns of their own (`answer0`, `answer1`, …) or a struct of letters and
    texts (`choices`). The last column is the answer; `labels` are its names in the order of the options, and they are
    the quota cells: the position of the right option.

    >>> cosmos = ChoiceFormat(("context", "question", "answer0", "answer1", "label"), ("0", "1"))
    >>> cosmos.to_row(Choice("It rained.", "Why?", ("clouds", "sun"), 0))
    {'context': 'It rained.', 'question': 'Why?', 'answer0': 'clouds', 'answer1': 'sun', 'label': 0}
    >>> swag = ChoiceFormat(("ctx_a", "ctx_b", "ctx", "endings", "label"), ("0", "1"))
    >>> swag.assemble({"ctx_a": "It rained.", "ctx_b": "She", "answer": "got wet.", "distractor1": "flew."}, "1")
    {'ctx_a': 'It rained.', 'ctx_b': 'She', 'ctx': 'It rained. She', 'endings': ['flew.', 'got wet.'], 'label': '1'}
    """

    VERSION: ClassVar[int] = 1

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    name: str = "choice"

    @property
    def option_columns(self) -> tuple[str, ...]:
        """The columns that hold one option each; empty where one column holds all options."""
        return tuple(column for column in self.columns if _OPTION_COLUMN.fullmatch(column))

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that hold running text as one string: what is filtered and counted. See `translatable` for all."""
        packed = ("ctx", "endings", "choices", self.columns[-1])
        return tuple(column for column in self.columns if column not in packed)

    @property
    def generated_texts(self) -> tuple[str, ...]:
        """Names of the texts `assemble` needs: the columns before the options, the answer, the distractors."""
        before = tuple(column for column in self.text_columns if column not in self.option_columns)
        return (*before, ANSWER, *(f"distractor{number}" for number in range(1, len(self.labels))))

    def features(self) -> Features:
        """Return the Hugging Face features of a row, with the label's type of the real set."""
        features = {column: string() for column in self.columns}
        if "endings" in features:
            features["endings"] = listed(string())
        if "choices" in features:
            features["choices"] = {"label": listed(string()), "text": listed(string())}
        return features | {self.columns[-1]: self._label_feature()}

    def to_row(self, record: Choice) -> Row:
        """Return the row that the real set would have for this record; columns the record lacks stay empty."""
        contexts, questions = _TEXTS_BEFORE_OPTIONS
        row: Row = dict.fromkeys(self.columns, "")
        row |= {column: record.context for column in contexts if column in row}
        row |= {column: record.question for column in questions if column in row}
        row |= dict(zip(self.option_columns, record.options, strict=False))
        if "ctx" in row:
            row["ctx"] = f"{record.context} {record.question}".strip()
        if "endings" in row:
            row["endings"] = list(record.options)
        if "choices" in row:
            row["choices"] = {"label": list(self.labels), "text": list(record.options)}
        has_name = self._label_feature() == string()
        return row | {self.columns[-1]: self.labels[record.label] if has_name else record.label}

    def from_row(self, row: Mapping[str, Any]) -> Choice:
        """Return the record of a row; a missing column raises KeyError with its name."""
        contexts, questions = _TEXTS_BEFORE_OPTIONS
        return Choice(
            context=" ".join(row[column] for column in contexts if column in self.columns),
            question=" ".join(row[column] for column in questions if column in self.columns),
            options=self.options(row),
            label=self.labels.index(self.cell(row)),
        )

    def options(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the options of a row in order."""
        if self.option_columns:
            return tuple(row[column] for column in self.option_columns)
        return tuple(row["endings"] if "endings" in self.columns else row["choices"]["text"])

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the name of the quota cell a row belongs to: the position of its right option."""
        value = row[self.columns[-1]]
        return self.labels[value] if isinstance(value, int) else str(value)

    def assemble(self, texts: Mapping[str, str], cell: str) -> Row:
        """Return the row made of the `generated_texts`, the right option at the position `cell`; ParseError if not."""
        cleaned = {name: clean_text(texts.get(name, "")) for name in self.generated_texts}
        options = [text for name, text in cleaned.items() if name.startswith("distractor")]
        position = self.labels.index(cell)
        options.insert(position, cleaned[ANSWER])
        row = self.to_row(Choice("", "", tuple(options), position))
        row |= {column: text for column, text in cleaned.items() if column in self.columns}
        if "ctx" in row:
            row["ctx"] = f"{row['ctx_a']} {row['ctx_b']}"
        if reason := self.check(row):
            raise ParseError(reason)
        return row

    def texts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the `generated_texts` of a row: the right option as `answer`, the others as distractors in order."""
        options = list(self.options(row))
        answer = options.pop(self.labels.index(self.cell(row)))
        before = {name: row[name] for name in self.generated_texts if name in row}
        return before | {ANSWER: answer} | {f"distractor{i}": text for i, text in enumerate(options, start=1)}

    def check(self, row: Mapping[str, Any]) -> str | None:
        """Return the first reason that a row breaks the format, None when it is well-formed."""
        return next(self.faults(row), None)

    def faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        """Yield every reason that a row breaks the format."""
        options = self.options(row)
        if len(options) != len(self.labels):
            yield f"{len(options)} options"
        faults = list(filter(None, (text_fault(option, "option") for option in options)))
        yield from dict.fromkeys(faults)
        if not faults and len({option.casefold().strip() for option in options}) < len(options):
            yield "two options equal"
        value = row[self.columns[-1]]
        if value not in (range(len(self.labels)) if isinstance(value, int) else self.labels):
            yield "label out of range"
        names = [column for columns in _TEXTS_BEFORE_OPTIONS for column in columns if column in self.columns]
        yield from (fault for name in names if (fault := text_fault(row[name], name)) and not fault.startswith("empty"))
        if not any(isinstance(row[name], str) and row[name].strip() for name in names):
            yield "empty question"

    def translatable(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return the texts a translation replaces, by path, e.g. `{"ctx_a": …, "endings.2": …}`; `ctx` is rebuilt."""
        texts = {column: row[column] for column in self.text_columns if row[column].strip()}
        if "endings" in self.columns:
            texts |= {f"endings.{index}": text for index, text in enumerate(row["endings"])}
        if "choices" in self.columns:
            texts |= {f"choices.text.{index}": text for index, text in enumerate(row["choices"]["text"])}
        return texts

    def _label_feature(self) -> Features:
        """Letters and HellaSwag's digits are strings, option names (`choice1`) a ClassLabel, plain positions int32."""
        if self.labels == self.option_columns:
            return class_label(self.labels)
        positions = tuple(str(index) for index in range(len(self.labels)))
        return integer() if self.option_columns and self.labels == positions else string()
