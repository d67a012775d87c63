"""Files of multiple choice that are no plain records: HellaSwag's as text, SocialIQA's with labels beside it."""

import re
from collections.abc import Iterator
from pathlib import Path

from synthgen.corpora.readers.item import UNLABELLED, Item, is_labelled
from synthgen.corpora.readers.text import read_json_lines, read_lines, require
from synthgen.errors import UserError, shorten
from synthgen.formats.choice import Choice, ChoiceFormat
from synthgen.text.digits import whole_number

HELLASWAG_LINES = 6
_LAST_SENTENCE_END = re.compile(r".*[.!?][\"')\]]*\s+(?=\S)", re.DOTALL)


def read_hellaswag_text(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield the items of a text file of six lines each: "activity: context", label, four endings.

    The release's split into `ctx_a` and `ctx_b` is not in such a file; the sentence begun at the end of the context is
    taken for `ctx_b`, so that `ctx_a`, `ctx_b` and an ending still read in a row.
    """
    lines = [line for line in read_lines(path) if line]
    if len(lines) % HELLASWAG_LINES:
        raise UserError(f"{path} has {len(lines)} lines; six lines an item are expected")
    for start in range(0, len(lines), HELLASWAG_LINES):
        heading, label, *endings = lines[start : start + HELLASWAG_LINES]
        context = heading.partition(": ")[2]
        if (number := whole_number(label)) is None or number >= len(endings):
            allowed = f"expected 0 to {len(endings) - 1}"
            raise UserError(f"{path}: label '{shorten(label)}' after '{heading[:40]}…'; {allowed}")
        row = format_.to_row(Choice(*split_begun_sentence(context), tuple(endings), number))
        yield Item(row | {"ctx": context})


def split_begun_sentence(context: str) -> tuple[str, str]:
    """Return the finished sentences of a context and the one it breaks off in, which may be empty.

    >>> split_begun_sentence("A man sits on a roof. he")
    ('A man sits on a roof.', 'he')
    >>> split_begun_sentence("[header] How to swim [title] Breathe. [step] Breathe in.")
    ('[header] How to swim [title] Breathe. [step] Breathe in.', '')
    """
    match = _LAST_SENTENCE_END.match(context)
    if match is None or context.startswith("[header]") or context.rstrip().endswith((".", "!", "?")):
        return context, ""
    return match.group().rstrip(), context[match.end() :]


def read_socialiqa_jsonl(path: Path, format_: ChoiceFormat) -> Iterator[Item]:
    """Yield SocialIQA's items: answerA … answerC with labels 1 to 3 in `<name>-labels.lst` as released, or `options`
    with the right one repeated in `answer`.
    """
    beside = path.with_name(f"{path.stem}-labels.lst")
    labels = list(read_lines(beside)) if beside.is_file() else None
    number = 0
    for number, values in enumerate(read_json_lines(path, ("context", "question")), start=1):
        label = labels[number - 1] if labels and number <= len(labels) else str(values.get("label", ""))
        if "options" in values:
            options, answer = values["options"], values.get("answer")
            options = options if isinstance(options, list) else []
            label = format_.labels[options.index(answer)] if answer in options[: len(format_.labels)] else ""
        else:
            require(values, format_.option_columns, str(path))
            options = [values[column] for column in format_.option_columns]
        row = format_.to_row(Choice(values["context"], values["question"], tuple(options), 0))
        yield _labelled(Item(row | {"label": label.strip()}), format_)
    if labels is not None and len(labels) != number:
        raise UserError(f"{beside} has {len(labels)} labels for the {number} rows of {path.name}")


def _labelled(item: Item, format_: ChoiceFormat) -> Item:
    """Return the item, marked unlabelled when its answer is none of the format's labels."""
    return item if is_labelled(item.row, format_) else Item(item.row, item.id, fault=UNLABELLED)
