"""How many planted faults do the row filters find, and how many real rows do they drop without cause?

    python benchmarks/filters_planted.py DATA_ROOT [--rows 20000] [--planted 200] [--show]

20,000 real English rows (SNLI, MNLI, QQP), in which one text of 200 rows a kind is replaced by a fault: sentences of
each XTREME-R language there is a file for (five words or more, ten letters where a script has no spaces), personal
data, refusals, rests of prompts. For the languages also the reverse: English sentences among those of another one. The
goal: 98 % found, less than 0.1 % of the clean rows dropped. `--show` prints the clean rows that were dropped.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from synthgen.filters.base import Filter
from synthgen.filters.rows.language import Language
from synthgen.filters.rows.personal import PersonalData, is_card, is_iban
from synthgen.filters.rows.residue import Residue
from synthgen.filters.rows.shape import Shape
from synthgen.formats.base import Row
from synthgen.formats.pair import PairFormat
from synthgen.text.language_id import count_words, is_known
from synthgen.text.languages import LANGUAGES

FORMAT = PairFormat(("premise", "hypothesis"), ("a", "b", "c"))
TATOEBA = {
    "ara": "ar", "ben": "bn", "bul": "bg", "cmn": "zh", "deu": "de", "ell": "el", "est": "et", "fin": "fi", "fra": "fr",
    "heb": "he", "hin": "hi", "ind": "id", "ita": "it", "jpn": "ja", "kat": "ka", "kor": "ko", "mar": "mr", "pes": "fa",
    "rus": "ru", "spa": "es", "swh": "sw", "tam": "ta", "tgl": "tl", "tha": "th", "tur": "tr", "urd": "ur", "vie": "vi",
}  # fmt: skip
SHORTEST = 5


def english_rows(root: Path, count: int) -> list[Row]:
    """Return real rows of SNLI, MNLI and QQP in a fixed random order."""
    rows = []
    for name in ("snli", "mnli", "qqp"):
        items = json.loads((root / name / "train_9k.json").read_text(encoding="utf-8")).values()
        rows += [{"premise": item["text_a"], "hypothesis": item["text_b"], "label": 0} for item in items]
    random.Random(0).shuffle(rows)
    return rows[:count]


def sentences(root: Path) -> dict[str, list[str]]:
    """Return sentences of every language with a sentence file, long enough to be judged."""
    found: dict[str, set[str]] = {}
    for path in sorted((root / "tatoeba").glob("tatoeba.*-eng.*")):
        if (code := TATOEBA.get(path.suffix[1:])) is not None:
            found.setdefault(code, set()).update(path.read_text(encoding="utf-8").split("\n"))
    for path in sorted((root / "xnli").glob("dev-*.tsv")):
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
        found.setdefault(path.stem[4:], set()).update(cell for line in lines for cell in line[:2])
    for path in sorted((root / "udpos").glob("test-*.tsv")):
        blocks = path.read_text(encoding="utf-8").split("\n\n")
        tagged = {" ".join(line.split("\t")[0] for line in block.split("\n")).strip() for block in blocks}
        found.setdefault(path.stem[5:], set()).update(tagged)
    found.pop("en")
    long = {code: sorted(text for text in texts if count_words(text) >= SHORTEST) for code, texts in found.items()}
    return {code: random.Random(0).sample(texts, len(texts)) for code, texts in sorted(long.items())}


def personal(rng: random.Random) -> Iterator[str]:
    """Yield sentences with made-up personal data; numbers have right checksums."""

    def drawn(pattern: str) -> str:
        """Fill in a pattern: 9 is a digit, # a capital, * a letter or digit."""
        letters = {"9": string.digits, "#": string.ascii_uppercase, "*": string.ascii_letters + string.digits}
        return "".join(rng.choice(letters[sign]) if sign in letters else sign for sign in pattern)

    phones = (
        "(299) 999-9999",
        "399-999-9999",
        "+1 499 999 9999",
        "+44 20 7999 9999",
        "+49 30 999999",
        "+91 98999 99999",
    )
    keys = ("AKIA" + "#" * 16, "ghp_" + "*" * 36, "sk-" + "*" * 40, "hf_" + "*" * 34, "xoxb-999999999999-" + "*" * 20)
    ibans = ("DE" + "9" * 18, "GBNWBK" + "9" * 14, "FR" + "9" * 23, "NLABNA" + "9" * 10, "ES" + "9" * 20)
    cards = ("4" + "9" * 14, "51" + "9" * 13, "37" + "9" * 12)
    while True:
        yield f"You can write to {drawn('ann.k99')}@{rng.choice(['gmail.com', 'mail.uni-bonn.de', 'corp.co.uk'])} now."
        plain = drawn(rng.choice(ibans))
        iban = next(text for n in range(2, 99) if is_iban(text := f"{plain[:2]}{n:02d}{plain[2:]}"))
        yield f"Transfer the money to {rng.choice([iban, spaced(iban)])} before Friday."
        stem = drawn(rng.choice(cards))
        card = next(text for last in string.digits if is_card(text := stem + last))
        yield f"He paid with the card {rng.choice([card, spaced(card)])} last week."
        yield f"Her number is {drawn(rng.choice(phones))} now."
        yield f"The server at {rng.choice([81, 93, 142, 178])}.{rng.randint(1, 254)}.{rng.randint(1, 254)}.7 is down."
        yield f"Its address is {drawn('2a02:999:8109:9999::99')} in the log."
        yield f"The key is {drawn(rng.choice(keys))} in the file."


def spaced(number: str) -> str:
    """Return a number in groups of four."""
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


TOPICS = (
    "violence", "this person", "medical advice", "explicit content", "hate speech", "a real company", "that topic",
    "illegal activities", "private individuals", "political opinions",
)  # fmt: skip
# The published strings (GCG test prefixes, Qi et al. keyword list, garak mitigation list) in the sentences they head.
REFUSALS = (
    "I'm sorry, but I cannot assist with that request.", "I’m sorry, but I can’t help with that.",
    "I apologize, but I cannot provide information about {}.", "As an AI language model, I do not have opinions on {}.",
    "As an AI, I cannot write about {}.", "I cannot fulfill your request because it involves {}.",
    "I'm just an AI, so I cannot comment on {}.", "I am an AI language model and do not write about {}.",
    "Unfortunately, I cannot provide a sentence about {}.", "I'm afraid I cannot create content about {}.",
    "I am unable to assist with that request about {}.", "It is against my programming to write about {}.",
    "Sorry, as an AI assistant I must not discuss {}.", "My apologies, but I am not able to generate text on {}.",
    "I can't assist with this request.", "I'm not able to help with content on {}.",
    "As a large language model, I write about {} in general.", "I can't write about {}, as I am a language model.",
    "I cannot generate harmful content such as {}.", "This goes against my guidelines on {}.",
    "I must follow my ethical guidelines on {}.", "I cannot engage in discussions about {}.",
    "I'm sorry, I cannot generate a hypothesis about {}.", "I'm sorry, but as a language model I don't know {}.",
    "I cannot provide guidance on {}.", "As a responsible AI, I would advise against {}.",
    "I am not able to provide any information about {}.", "Your prompt about {} violates OpenAI's content policy.",
    "I'm an AI and have no view on {}.", "I apologize, but I can't write a sentence on {}.",
)  # fmt: skip
RESIDUES = (
    "Hypothesis: {}", "Premise: {}", "Sentence B: {}", "{} Label: entailment", "Question 1: {}", "{{{{ premise }}}} {}",
    "Here is a hypothesis: {}", "Sure! Here is a sentence: {}", "{} <|im_end|>", "[INST] {} [/INST]", "{}</s>",
    "[Insert name] {}", "{} {{topic}}", "Assistant: {}", "Answer: {}", '{{"hypothesis": "{}"}}', "Output: {}",
    "**Hypothesis:** {}", "### Response: {}", "{} (entailment)", "Certainly! Here's one: {}", "The ____ said: {}",
    "Sentence 2: {}", "Example 3: {}", "<start_of_turn>model {}", "Context: {}", "```{}```", "Explanation: {}",
    "{} Hypothesis: it is so.", "Here's a neutral sentence: {}",
)  # fmt: skip


def faults(texts: list[str], rng: random.Random) -> dict[str, list[str]]:
    """Return planted texts by kind."""
    made = personal(rng)
    return {
        "personal": [next(made) for _ in texts],
        "refusal": [REFUSALS[i % len(REFUSALS)].format(rng.choice(TOPICS)) for i in range(len(texts))],
        "template residue": [RESIDUES[i % len(RESIDUES)].format(text) for i, text in enumerate(texts)],
    }


def dropped(judge: Filter, rows: list[Row]) -> list[Row]:
    """Return the rows that a filter drops, each with its verdict."""
    verdicts = ((row, judge.check(str(i), row)) for i, row in enumerate(rows))
    return [row | {"verdict": verdict} for row, verdict in verdicts if verdict is not None]


def plant(rows: list[Row], texts: list[str]) -> list[Row]:
    """Return rows whose second text is a planted one."""
    return [row | {"hypothesis": text} for row, text in zip(rows, texts, strict=False)]


def language_table(root: Path, rows: list[Row], count: int) -> None:
    """Print, for each language, foreign texts found among English ones and the other way round."""
    known = sentences(root)
    print(f"{'language':9} {'planted':>8} {'found':>7} {'own dropped':>12} {'English found':>14}")
    for code, texts in known.items():
        planted = plant(rows, texts[:count])
        found = len(dropped(Language(FORMAT, "en"), planted)) / len(planted)
        own = [{"premise": a, "hypothesis": b} for a, b in zip(texts[::2], texts[1::2], strict=False)][:1000]
        english = [row["hypothesis"] for row in rows if count_words(row["hypothesis"]) >= SHORTEST]
        mixed = plant(own[:count], english)
        lost = len(dropped(Language(FORMAT, code), own)) / len(own)
        back = len(dropped(Language(FORMAT, code), mixed)) / len(mixed)
        print(f"{code:9} {len(planted):8} {found:7.3f} {lost:12.4f} {back:14.3f}")
    rest = [code for code in LANGUAGES if code not in known and code != "en"]
    print("not known to the models:", [code for code in LANGUAGES if not is_known(code)])
    print("no sentences at hand:", rest)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    rows = english_rows(options.data_root, options.rows)
    makers: dict[str, Callable[[], Filter]] = {
        "shape": lambda: Shape(FORMAT),
        "language": lambda: Language(FORMAT, "en"),
        "personal": lambda: PersonalData(FORMAT),
        "residue": lambda: Residue(FORMAT),
    }
    print(f"{len(rows)} real rows\n{'filter':10} {'dropped':>8} {'share':>8} {'rows/s':>8}")
    for name, make in makers.items():
        began = time.perf_counter()
        lost = dropped(make(), rows)
        print(f"{name:10} {len(lost):8} {len(lost) / len(rows):8.5f} {len(rows) / (time.perf_counter() - began):8.0f}")
        for row in lost if options.show else []:
            print("   ", row["verdict"], "|", row["premise"][:150], "|", row["hypothesis"][:150])
    texts = [row["hypothesis"] for row in rows[: options.planted]]
    print(f"{'planted':17} {'found':>7}")
    for kind, planted in faults(texts, random.Random(0)).items():
        judge = makers["personal" if kind == "personal" else "residue"]()
        given = plant(rows, planted)
        found = dropped(judge, given)
        print(f"{kind:17} {len(found) / len(given):7.3f}")
        texts_found = {row["hypothesis"] for row in found}
        for text in dict.fromkeys(planted) if options.show else []:
            if text not in texts_found:
                print("    missed:", text)
    language_table(options.data_root, rows, options.planted)


if __name__ == "__main__":
    main()
