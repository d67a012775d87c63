"""The words of texts of any characters and any length."""

from synthgen.text.words import with_pairs_of_letters, words


def test_the_words_of_a_long_text_are_those_of_its_lines() -> None:
    lines = [f"a{''.join(map(chr, range(first, min(first + 100, 0x110000))))}a" for first in range(0, 0x110000, 100)]
    assert words("\n".join(lines)) == " ".join(map(words, lines))


def test_pairs_are_the_same_however_often_a_text_repeats_its_letters() -> None:
    parts = ["東", "京", "a", "東", "京", "都", "b", "กิ", "c"]
    once, often = with_pairs_of_letters(parts), with_pairs_of_letters(parts * 200)
    assert once == {"東京": 2, "京都": 1, "a": 1, "b": 1, "กิ": 1, "c": 1}
    assert often == {word: 200 * count for word, count in once.items()}
