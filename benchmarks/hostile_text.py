"""Milliseconds a row whose every text is 100,000 characters of one kind; the most that one may take is 50.

    python benchmarks/hostile_text.py [--characters 100000] [--only NAME,...]

Kinds are each ASCII character, short strings that patterns begin with, and mixed scripts. Printed are the slowest
kinds with their CPU time, the least of seven runs, and its growth: the time for all characters divided by that for a
quarter of them (4 is linear). First comes the time of a loop of a million passes, 15 to 20 ms on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from itertools import count
from pathlib import Path

from tokenizers import Tokenizer

from synthgen.analysis import artefacts, bow_classifier, inspect, similarity_to_real, text_statistics
from synthgen.cards.charts import bars
from synthgen.console import one_line
from synthgen.engines.base import Reply
from synthgen.filters.base import Filter, FilterContext, FilterSpec
from synthgen.filters.registry import ORDER
from synthgen.formats.base import Row, clean_text
from synthgen.formats.pair import PairFormat
from synthgen.formats.span import SpanFormat
from synthgen.formats.tags import TagsFormat
from synthgen.text import language_id, sentences, words
from synthgen.translation.answers import candidates
from synthgen.translation.backends.llm import read_reply

KINDS = [
    *map(chr, range(128)), "ab", ". ", "<", "{{", "a.", "A. ", "a-", "a'", "n't ", "1.", "1,", "1 ", "{a", "${a", "<|a",
    "[your ", "<your ", "I cannot ", "sorry ", "a@", "x@a.", "here is a ", "language model ", "premise: ",
    "-----BEGIN A", "A1 ", "eyJaaaaaaaaaaa.", "+1 ", "1:", '."', "e.g. ", "é", "東", "東。", "ก", "ش", "😀", "a東",
    "东 a", "\u0301", "\u00ad", "a\u6771\u0434\u0e01\u05d0 .\u0915",
]  # fmt: skip
PROMPT = "A prompt of eight words that nobody would repeat."
PAIR = PairFormat(("premise", "hypothesis"), ("entailment", "neutral", "contradiction"))
SPAN, TAGS = SpanFormat(("answerable",)), TagsFormat(("tokens", "ner_tags"), ("O", "B-PER"))
Subject = Callable[[str], object]


def pair(text: str) -> Row:
    return {"premise": text, "hypothesis": text, "label": 0}


def filtered(spec: FilterSpec, against: Path) -> Callable[[], Subject]:
    """Return what makes a filter that has kept a row; it checks another, in both of whose fields the text stands."""
    context = FilterContext(PAIR, prompt=PROMPT, against=(against,) if spec.runs == "against" else ())
    numbers = count()

    def built() -> Subject:
        judged = spec.build(context, spec.settings())
        judged.add_kept("a", pair("A row of other words."))

        def check(text: str) -> None:
            row = pair(f"{text}{next(numbers)}")
            judged.check("b", row)
            judged.add_kept("b", row)

        return check

    return built if type(spec.build(context, spec.settings())).add_kept is not Filter.add_kept else cache(built)


def span(text: str) -> object:
    answers = {"text": [text[:20]], "answer_start": [0]}
    return SPAN.check({"id": "a", "context": text, "question": text, "answers": answers})


def subjects(against: Path) -> Mapping[str, Callable[[], Subject]]:
    """Return what makes each subject, beside the time that is taken."""
    alone = [spec for spec in ORDER if spec.name not in ("semantic", "verify", "judge", "rebalance")]
    filters = {f"filter {spec.name}": filtered(spec, against) for spec in alone}
    plain: dict[str, Subject] = {
        "format pair": lambda text: PAIR.check(pair(text)),
        "format span": span,
        "format tags": lambda text: TAGS.check({"tokens": text.split(), "ner_tags": [0] * len(text.split())}),
        "clean text": lambda text: clean_text(f"a{text}"),
        **{f"tokeniser {each.__name__}": each for each in TOKENISERS},
        "tokeniser word_hashes": lambda text: words.word_hashes([text]),
        "sentences": sentences.sentences,
        "sentences, whole": sentences.whole_sentences,
        "pieces": lambda text: sentences.pieces(text, len, 400),
        "packed": lambda text: sentences.packed(text, len, 800),
        "words of a language": language_id.count_words,
        "likely language": language_id.likely_language,
        "best guess": language_id.best_guess,
        "search of an answer": lambda text: candidates.search(text, (0, len(text)), "Rome"),
        "reply of a translator": lambda text: read_reply(Reply((0, 0), "ok", text), ("A text.",)),
        "card: statistics": lambda text: _statistics(pair(text)),
        "card: tokens": lambda text: text_statistics.count_tokens([text]),
        "card: tokens, the library alone": lambda text: library().encode_batch_fast([text], add_special_tokens=False),
        "card: words that tell": lambda text: artefacts.count_words(PAIR, [pair(text)]),
        "card: label from a part": lambda text: bow_classifier.featurise([text]),
        "card: diversity": lambda text: similarity_to_real.diversity(PAIR, [pair(text)]),
        "card: chart": lambda text: bars("labels", [(text, 1, text), ("b", 2, "b")]),
        "page: nearest rows": lambda text: inspect.nearest(PAIR, [pair(text) | {"id": "a"}, pair(text) | {"id": "b"}]),
        "console": one_line,
    }
    return filters | {name: partial(lambda each: each, each) for name, each in plain.items()}


TOKENISERS: tuple[Subject, ...] = (
    words.words, words.bare_words, words.words_and_letters, words.letter_runs, words.lower_case_words, words.tokens,
    words.treebank_tokens,
)  # fmt: skip


def _statistics(row: Row) -> None:
    text_statistics.self_bleu([row["premise"], row["hypothesis"]])
    text_statistics.word_overlap([row], "premise", "hypothesis")


def milliseconds(build: Callable[[], Subject], text: str, runs: int = 2) -> float:
    times = []
    for _ in range(runs):
        subject = build()
        start = time.process_time()
        with suppress(ValueError):  # a text that a format refuses
            subject(text)
        times.append(time.process_time() - start)
    return 1000 * min(times)


@cache
def library() -> Tokenizer:
    return Tokenizer.from_file(str(text_statistics.xlmr_tokenizer()))


def loop(_text: str) -> None:
    for _ in range(1_000_000):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=100_000)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print(f"{'':30} {'ms a row':>9} {'growth':>7}  slowest kinds")
    against = Path(tempfile.mkdtemp()) / "items.jsonl"
    against.write_text("".join(json.dumps({"text": f"An item of words and {kind * 2000}"}) + "\n" for kind in KINDS))

    def texts(kind: str) -> tuple[str, str]:
        text = (kind * (arguments.characters // len(kind) + 1))[: arguments.characters]
        return text, text[: len(text) // 4]

    print(f"{'a loop of a million passes':30} {milliseconds(lambda: loop, '', 9):9.1f}")
    for name, subject in subjects(against).items():
        if arguments.only and not any(part in name for part in arguments.only.split(",")):
            continue
        milliseconds(subject, "A first text, which loads what is loaded once.")
        found = {}
        for kind in KINDS:
            whole, quarter = texts(kind)
            least = milliseconds(subject, quarter)
            found[kind] = (milliseconds(subject, whole) if least < 1000 else 99_999.0, least)
        slowest = sorted(found, key=lambda kind: found[kind], reverse=True)[:4]
        again = {kind: tuple(milliseconds(subject, text, 7) for text in texts(kind)) for kind in slowest}
        slowest.sort(key=lambda kind: again[kind], reverse=True)
        most, least = again[slowest[0]]
        kinds = ", ".join(f"{kind!r} {again[kind][0]:.0f}" for kind in slowest)
        print(f"{name:30} {most:9.1f} {most / max(least, 0.01):7.1f}  {kinds}", flush=True)


if __name__ == "__main__":
    main()
