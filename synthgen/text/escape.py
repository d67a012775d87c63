"""Text from outside in what others read as markup: one escaper each for terminal, Markdown, HTML and spreadsheets.

Pages are templates that Jinja escapes; `shown_in_pages` is what it gets first.
"""

import html
import json
import re
from functools import cache
from typing import Any

MOST_OF_A_LINE = 4000
"""Characters of a line that are shown."""
_INVISIBLE = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ufff9-\\ufffb\\ud800-\\udfff\\U000e0000-\\U000e007f"
)
"""Control characters, half characters, and those that only turn the direction of writing or show nothing."""
UNPRINTABLE, _OUTSIDE_A_LINE = re.compile(f"[{_INVISIBLE}]"), re.compile(f"[\\t\\n{_INVISIBLE}]")
_MARKUP = re.compile(
    r"[`*\[\]<>|~$]|\\(?=[!-/:-@\[-`{-~]|$)|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])"
    r"|(?<=http):|(?<=https):|(?<=ftp):|(?<=www)\.|@",
    re.IGNORECASE,
)
_UNSEEN = r"[\s\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
_FORMULA = re.compile(rf"'*([\t\r\n]|{_UNSEEN}*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Beginnings of a spreadsheet formula, also after invisible characters; and of such a cell already protected."""


def visible(text: str) -> str:
    r"""Return a text with its control characters and the like spelled out; line ends and tabs stay.

    >>> visible("a\x1b[2Jb\u202e c\n")
    'a\\x1b[2Jb\\u202e c\n'
    """
    return text if text.isascii() and text.isprintable() else UNPRINTABLE.sub(_spelled, text)


def one_line(text: object, most: int = MOST_OF_A_LINE) -> str:
    r"""Return a text as one visible line that says how much of it is left out.

    >>> one_line("a\nb"), one_line("abcdefgh" * 9, most=40)
    ('a\\nb', 'abcdefghabcdefghab… (54 more characters)')
    """
    shown = str(text)
    if len(shown) > most:
        kept = max(1, most - 22)
        shown = f"{shown[:kept]}… ({len(shown) - kept:,} more characters)"
    return _OUTSIDE_A_LINE.sub(_spelled, shown)


def visible_json(value: Any, *, ensure_ascii: bool = False, indent: int | None = None) -> str:  # noqa: ANN401 - any
    r"""Return a value as JSON, which is YAML too, with control characters and the like spelled out.

    >>> print(visible_json({"a": "\x9b2J é"}))
    {"a": "\u009b2J é"}
    """
    return UNPRINTABLE.sub(_as_json, json.dumps(value, ensure_ascii=ensure_ascii, indent=indent))


def _as_json(character: re.Match[str]) -> str:
    number = ord(character[0])
    return f"\\u{number:04x}" if number < 0x10000 else json.dumps(character[0])[1:-1]


def _spelled(character: re.Match[str]) -> str:
    return _spelling(character[0])


@cache
def _spelling(character: str) -> str:
    return character.encode("unicode_escape").decode()


def markdown(text: object) -> str:
    r"""Return a text as one line of Markdown, also in a table's cell, in which nothing is markup, HTML or a link.

    >>> print(markdown("a_b *c* [d](e) <f> | not_duplicate https://x.example"))
    a_b \*c\* \[d\](e) \<f\> \| not_duplicate https\://x.example
    >>> print(markdown("- a"), markdown("1. b"))
    \- a 1\. b
    """
    line = _MARKUP.sub(r"\\\g<0>", one_line(text).strip())
    starts = re.match(r"[-+=#]|\d{1,9}(?=[.)](\s|$))", line)
    if not starts:
        return line
    at = 0 if not starts[0].isdigit() else starts.end()
    return f"{line[:at]}\\{line[at:]}"


def code(text: object) -> str:
    r"""Return a text as a code span of Markdown, also in a table's cell, whatever backticks and bars it has.

    >>> print(code("owner/name"), code("a`|b"))
    `owner/name` ``a`\|b``
    """
    line = one_line(text).strip().replace("|", "\\|") or "-"
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def block(text: str) -> str:
    """Return a text as a fenced block of Markdown that no line of it ends."""
    fence = "~" * max(4, max(map(len, re.findall("~+", text)), default=0) + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


def html_text(text: object) -> str:
    r"""Return a text for HTML or SVG, in an element or an attribute.

    >>> html_text("<a> & \x1b")
    '&lt;a&gt; &amp; \\x1b'
    """
    return html.escape(visible(str(text)), quote=True)


def shown_in_pages(value: object) -> object:
    """Return a value of a Jinja template with a plain text made visible: the `finalize` of an environment."""
    return visible(value) if type(value) is str else value


def spreadsheet_cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula: with an apostrophe where it begins like one.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("1+1")
    ("'=1+1", '1+1')
    """
    return f"'{text}" if _FORMULA.match(text) else text
