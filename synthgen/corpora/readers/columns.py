"""Which columns of other people's files are a task's, and which of their labels are its labels.

Both are stated by options, or known by their names; what is only likely by its values is proposed, never taken.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from synthgen.errors import UserError, unknown
from synthgen.formats import Format
from synthgen.formats.base import Row
from synthgen.text.digits import whole_number

Names = Mapping[str, str]
TEXT_A = ("premise", "sentence1", "context", "question1", "text_a", "text1", "premise_text", "sent1", "sentence_a")
TEXT_B = ("hypothesis", "sentence2", "question2", "text_b", "text2", "hypo", "sent2", "sentence_b")
LABEL = ("gold_label", "label", "is_duplicate", "gold", "labels", "label_text", "class", "target", "answer")
ABSENT = (None, "", "-", "-1", -1, "hidden", "nan", "NaN", "null")
"""How releases say that a row has no gold label (SNLI: "-" in its files, -1 on the hub), and programs that it has no
value.
"""
OTHER_NAMES = {"contradictory": "contradiction", "e": "entailment", "n": "neutral", "c": "contradiction"}
"""XTREME's raw XNLI and ANLI's files name the same labels otherwise."""
ANSWER, ANSWER_START = "answer", "answer_start"
_SPAN = {
    "context": ("context", "document", "passage", "paragraph", "article"),
    "question": ("question", "query"),
    "answers": ("answers",),
    ANSWER: ("answer", "answer_text", "answers_text"),
    ANSWER_START: ("answer_start", "answerstart", "answers_answer_start"),
    "title": ("title",),
    "id": ("id",),
}
_TAGS = ("tags", "ner_tags", "pos_tags", "upos", "labels", "supertags")
_NEEDED = {"span": ("context", "question")}
_IMPOSSIBLE = "is_impossible"
_OPTIONAL = ("id", "ctx", "ctx_b", "question_concept", "answerKey")
"""Columns that may be missing: test releases have no key."""
DROPPED = "-"
"""What `--labels` maps a value to whose rows are to go."""
_WHOLE = re.compile(r"(-?\d+)[.,]0+")
_FEW = 12
"""A column with more values is no column of labels."""
_OFTEN = 10
"""A text that stands so often, on average, is a category; a premise stands in several rows."""


class HypothesisColumns(NamedTuple):
    """Columns that hold hypotheses of one label, a row using one of them in turn."""

    columns: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What the user says of the records: {our column: theirs}, {their label: ours}, the columns of hypotheses with
    their label (of several joined by `/` a row gives one in turn), and the values that columns must have. `faults` says
    what of it cannot be; it is told together with what the file lacks.
    """

    columns: Names = field(default_factory=dict)
    labels: Names = field(default_factory=dict)
    hypotheses: tuple[HypothesisColumns, ...] = ()
    where: Names = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything was said."""
        return bool(self.columns or self.labels or self.hypotheses or self.where)

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of the options that were given."""
        hypotheses = {"/".join(columns): label for columns, label in self.hypotheses}
        facts = {"labels": dict(self.labels), "hypotheses": hypotheses, "where": dict(self.where)}
        return {name: value for name, value in facts.items() if value}


def record_options(
    format_: Format, columns: Sequence[str], labels: Sequence[str], hypotheses: Sequence[str], where: Sequence[str]
) -> RecordOptions:
    """Return the options; names that the task's format does not have are among their `faults`."""
    named, values = _pairs("--columns", columns, "="), _pairs("--labels", labels, "=")
    wide, known_labels = _pairs("--hypotheses", hypotheses, ":"), (*format_.labels, DROPPED)
    faults = (
        *_unknown_names("column", named, _roles(format_), "--columns"),
        *_unknown_names("label", values.values(), known_labels, "--labels"),
        *_unknown_names("label", wide.values(), known_labels, "--hypotheses"),
    )
    if wide and (format_.name != "pair" or format_.columns[1] in named or "label" in named):
        raise UserError("--hypotheses is for tasks of two texts, in place of the second text and the label")
    of_labels = tuple(HypothesisColumns(tuple(each.split("/")), label) for each, label in wide.items())
    return RecordOptions(named, values, of_labels, _pairs("--where", where, "="), faults)


def _unknown_names(kind: str, names: Iterable[str], known: Collection[str], where: str) -> list[str]:
    """Return what is said of the names that are not known, in one text; none where there are none."""
    unknown_names = [name for name in dict.fromkeys(names) if name not in known]
    return [str(unknown(kind, unknown_names, known, where=where))] if unknown_names else []


def _pairs(flag: str, entries: Sequence[str], sign: str) -> dict[str, str]:
    """Return {left: right} of `left=right` entries; UserError for an entry that is none, or one given twice."""
    pairs = dict[str, str]()
    split = str.rpartition if flag in ("--labels", "--hypotheses") else str.partition
    for entry in entries:
        left, separator, right = split(entry, sign)
        left, right = left.strip(), right.strip()
        if not separator or not right or (not left and flag != "--labels"):
            raise UserError(f"{flag}: '{entry}' is not NAME{sign}NAME")
        if left in pairs:
            raise UserError(f"{flag} gives '{left}' twice")
        pairs[left] = right
    return pairs


def _roles(format_: Format) -> tuple[str, ...]:
    """Return what of a format's rows a column can give."""
    if format_.name == "span":
        return tuple(_SPAN)
    return tuple(dict.fromkeys((*format_.columns, "id")))


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """The columns of one file: {ours: theirs}; the names that the file itself gives label numbers; the options."""

    columns: Names
    options: RecordOptions
    class_names: tuple[str, ...] = ()

    def read(self) -> tuple[str, ...]:
        """Return the names of the columns that are read, of those in objects the object's too."""
        wide = [name for names, _ in self.options.hypotheses for name in names]
        names = (*self.columns.values(), *wide, *self.options.where, _IMPOSSIBLE)
        return tuple(dict.fromkeys((*names, *(name.partition(".")[0] for name in names if "." in name))))

    def other_names(self) -> dict[str, str]:
        """Return {our column: theirs} where that differs."""
        return {ours: theirs for ours, theirs in self.columns.items() if ours != theirs}


def plan_columns(
    format_: Format,
    rows: Sequence[Row],
    options: RecordOptions,
    class_names: Mapping[str, Sequence[str]],
    where: str,
    *,
    has_names: bool = True,
) -> ColumnPlan:
    """Return the columns of a file whose first rows are these; UserError says what is missing, and proposes it.

    A table without names has the task's columns in order, when it has as many.
    """
    present = list(dict.fromkeys(name for row in rows for name in row))
    objects = {name: value for row in rows for name, value in row.items() if isinstance(value, dict)}
    available = [*map(str, present), *(f"{name}.{key}" for name, value in objects.items() for key in value)]
    wide = [name for names, _ in options.hypotheses for name in names]
    requested = (*options.columns.values(), *wide, *options.where)
    if faults := [*options.faults, *_unknown_names("column", requested, available, where)]:
        raise UserError("; ".join(faults))
    in_order = not has_names and not options and len(present) == len(format_.columns)
    columns = dict(zip(format_.columns, present, strict=True)) if in_order else dict(options.columns)
    known, needed = _known_names(format_), _needed(format_, rows, options)
    optional = [name for name in known if name not in needed and not options.hypotheses]
    for ours in (*needed, *optional):
        if ours not in columns and (theirs := _by_name(ours, known[ours], present, columns.values())):
            columns[ours] = theirs
    missing = [name for name in needed if name not in columns]
    if format_.name == "span" and not {"answers", ANSWER} & columns.keys():
        missing.append("answers")
    if missing:
        where = where if has_names else f"{where} names no columns in its first row, and so"
        raise UserError(_missing_columns(missing, columns, present, rows, format_, where))
    _refuse_objects(format_, columns, objects, where)
    label = columns.get(format_.columns[-1], "")
    return ColumnPlan(columns, options, tuple(map(str, class_names.get(label, ()))))


def _refuse_objects(format_: Format, columns: Names, objects: Mapping[str, Row], where: str) -> None:
    """Raise UserError for a text or a label that is an object; CommonsenseQA's question holds its choices."""
    label = (format_.columns[-1],) if format_.name in ("pair", "choice") else ()
    for ours in (*format_.text_columns, *label):
        theirs = columns.get(ours, "")
        if (value := objects.get(theirs)) is not None and "stem" not in value:
            keys = list(map(str, value))[:8]
            named = f"'{theirs}' holds objects of {', '.join(keys)}" if keys else f"'{theirs}' holds empty objects"
            example = f"{ours}={theirs}.{keys[0] if keys else '…'}"
            raise UserError(f"{where}: {named}; say which is meant, e.g. --columns {example}")


def _needed(format_: Format, rows: Sequence[Row], options: RecordOptions) -> list[str]:
    """Return what of a format's rows the columns have to give."""
    if options.hypotheses:
        return [format_.columns[0]]
    needed = [name for name in (_NEEDED.get(format_.name) or format_.columns) if name not in _OPTIONAL]
    if any(isinstance(row.get("question"), dict) for row in rows):  # CommonsenseQA's, which holds its choices
        needed = [name for name in needed if name != "choices"]
    return needed


def _known_names(format_: Format) -> dict[str, tuple[str, ...]]:
    """Return {our column: the names it goes by}, its own first."""
    if format_.name == "span":
        return dict(_SPAN)
    if format_.name == "pair":
        known = dict(zip(format_.columns, (TEXT_A, TEXT_B, LABEL), strict=True))
    elif format_.name == "tags":
        known = {format_.columns[0]: ("tokens", "words"), format_.columns[1]: _TAGS}
    else:
        known = {name: (name,) for name in format_.columns} | {format_.columns[-1]: LABEL, "id": ("id",)}
        known |= {
            name: (name, "alternative" + name[-1], "option" + name[-1]) for name in format_.labels if name in known
        }
    return {ours: (ours, *(name for name in names if name != ours)) for ours, names in known.items()}


def _by_name(ours: str, known: Sequence[str], present: Sequence[str], taken: Collection[str]) -> str:
    """Return the column that is called so, whatever its case and signs; an empty string for none."""
    free = {re.sub(r"[\W_]", "", str(name).casefold()): name for name in reversed(present) if name not in taken}
    if ours == "label" and "gold_label" in free.values():
        return "gold_label"
    return next((free[key] for name in known if (key := name.replace("_", "").casefold()) in free), "")


def _missing_columns(
    missing: Sequence[str], columns: Names, present: Sequence[str], rows: Sequence[Row], format_: Format, where: str
) -> str:
    """Return what to say of columns that are not found: what there is, and which those may be by their values."""
    descriptions = [_described(name, next((row[name] for row in rows if row.get(name)), None)) for name in present[:20]]
    line = f"{where} has no {', '.join(missing)}; it has {', '.join(descriptions) or 'no columns'}"
    free = [name for name in present if name not in columns.values()]
    labels = [name for name in free if _may_be_labels([row.get(name) for row in rows], format_)]
    texts = [name for name in free if name not in labels and _may_be_texts([row.get(name) for row in rows])]
    needs_label = format_.columns[-1] in missing and format_.name in ("pair", "choice")
    wanted = [name for name in missing if not needs_label or name != format_.columns[-1]]
    if len(texts) == len(wanted) and (not needs_label or len(labels) == 1):
        wanted = [name.replace("answers", ANSWER) for name in wanted]
        proposed = dict(columns) | dict(zip(wanted, texts, strict=True))
        proposed |= {format_.columns[-1]: labels[0]} if needs_label else {}
        pairs = ",".join(f"{ours}={theirs}" for ours, theirs in proposed.items())
        return f"{line}. By their values they may be --columns '{pairs}': give that if it is right"
    return f"{line}. Say which they are: --columns {','.join(f'{name}=…' for name in missing)}"


def _described(name: str, value: object) -> str:
    """Return a column's name, and of one of objects the names of what they hold."""
    return f"{name} (of {', '.join(f'{name}.{key}' for key in list(value)[:8])})" if isinstance(value, dict) else name


def value_of(record: Row, name: str) -> Any:  # noqa: ANN401 - any value of a record
    """Return a value of a record by its column, or by `column.key` of an object in one; None where there is none.

    >>> value_of({"text": {"en": "Tea"}}, "text.en"), value_of({"a.b": 1, "a": {"b": 2}}, "a.b")
    ('Tea', 1)
    """
    if name in record or "." not in name:
        return record.get(name)
    column, _, key = name.partition(".")
    holder = record.get(column)
    return holder.get(key) if isinstance(holder, dict) else None


def names_both(format_: Format, names: Sequence[str]) -> bool:
    """Say whether each of a format's columns is among the names, as its own or another of those it goes by."""
    return all(_by_name(ours, known, names, ()) for ours, known in _known_names(format_).items())


def _may_be_labels(values: Sequence[object], format_: Format) -> bool:
    distinct = {str(value) for value in values if value not in ABSENT}
    known = {name.casefold() for name in (*format_.labels, *OTHER_NAMES)} | set(map(str, range(len(format_.labels))))
    return 0 < len(distinct) <= _FEW and all(value.casefold() in known for value in distinct)


def _may_be_texts(values: Sequence[object]) -> bool:
    texts = [value for value in values if isinstance(value, str) and value.strip()]
    running = sum(" " in text.strip() or (len(text) > 3 and not text.isascii()) for text in texts)
    return bool(texts) and running * 2 > len(texts) and len(set(texts)) * _OFTEN > len(texts)


class LabelMap:
    """The labels of a file as positions of the task's: by `--labels`, by name, by the file's own order, by number."""

    def __init__(self, labels: Sequence[str], plan: ColumnPlan) -> None:
        self._labels, self._user_labels, self._names = tuple(labels), plan.options.labels, plan.class_names
        self._by_name = {_folded(name): index for index, name in enumerate(labels)}
        self.numbers: set[int] = set()
        """The numbers that were taken as positions, for want of a name."""

    def index(self, value: object) -> int | None:
        """Return the position of a label, None where there is none, -1 for one that is not known."""
        text = label_text(value)
        names = (name for spelling, name in self._user_labels.items() if is_value(value, spelling))
        if name := self._user_labels.get(text) or next(names, None):
            return None if name == DROPPED else self._labels.index(name)
        if value in ABSENT or text in ABSENT:
            return None
        if isinstance(value, bool) and len(self._labels) != 2:
            return -1  # yes and no are no first and second of more
        if (number := whole_number(text)) is not None and number < len(self._names):
            text = self._names[number]
        for name in (text, OTHER_NAMES.get(text.casefold(), text)):
            if (index := self._by_name.get(_folded(name))) is not None:
                return index
        if self._user_labels or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) >= len(self._labels):
            return -1
        self.numbers.add(int(text))
        return int(text)


def label_text(value: object) -> str:
    """Return a label as text: a whole number without its point, whether a number or a text, yes and no as 1 and 0.

    >>> [label_text(value) for value in (1, 2.0, "1,0", True, " neutral ", None)]
    ['1', '2', '1', '1', 'neutral', '']
    """
    if value is None:
        return ""
    text = str(int(value)) if isinstance(value, bool) else str(value).strip()
    match = _WHOLE.fullmatch(text)
    return match[1] if match else text


def is_value(value: object, spelling: str) -> bool:
    """Say whether a value is what the user calls so: yes and no by their names or as 1 and 0.

    >>> is_value(True, "true"), is_value(1.0, "1"), is_value("Yes ", "yes"), is_value(None, "None")
    (True, True, True, False)
    """
    texts = [label_text(value), *([str(value)] if isinstance(value, bool) else [])]
    return _folded(spelling) in map(_folded, texts)


def _folded(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().casefold())
