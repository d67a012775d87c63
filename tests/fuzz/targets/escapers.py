"""Texts in a line of the terminal, in Markdown and in cells."""

from pathlib import Path

from markdown_it import MarkdownIt

from synthgen.text.escape import code, html_text, markdown, one_line

SEEDS = [
    b"a_b *c* `d` [e](f) <g> | ![h](i)",
    b"1. x ~~y~~ &amp; http://x.example",
    "a\u202eb\x1b[2J".encode(),
    b"- x\n# y\n\n---",
]
PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special", "code_inline", "entity"}
_RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def read(data: bytes, _: Path) -> None:
    text = data.decode("utf-8", "replace")[:3000]
    assert "\n" not in one_line(text) + markdown(text) + code(text)
    assert "<" not in html_text(text)
    for place in (markdown(text), code(text)):
        parsed = [inner for token in _RENDERER.parse(place) for inner in [token, *(token.children or ())]]
        assert {token.type for token in parsed} <= PLAIN, place
