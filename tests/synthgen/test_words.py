"""The words of texts of any characters and any length."""

from synthgen.text.words import words


def test_the_words_of_a_long_text_are_those_of_its_lines() -> None:
    lines = [f"a{''.join(map(chr, range(first, min(first + 100, 0x110000))))}a" for first in range(0, 0x110000, 100)]
    assert words("\n".join(lines)) == " ".join(map(words, lines))
