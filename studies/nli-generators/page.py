"""Write the numbers of docs/studies/nli-generators.md and the README from the committed results.

    python studies/nli-generators/page.py

`tests/test_study.py` compares the page with what this writes.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs/studies/nli-generators.md"
README = HERE.parents[1] / "README.md"
VERDICTS = {
    "a": "{a} better",
    "b": "{b} better",
    "a within margin": "{a} better, within the margin",
    "b within margin": "{b} better, within the margin",
    "equivalent": "equivalent",
    "unresolved": "no difference detected",
}


def tables() -> dict[str, str]:
    """Return the parts of the page that hold numbers, by name."""
    first, second = (
        json.loads((HERE / name / "comparison.json").read_text(encoding="utf-8")) for name in ("", "second")
    )
    answer = {"answer": _answer(_by_names(first)), "second-answer": _second_answer(_by_names(second))}
    return answer | _of_piece(first, "") | _of_piece(second, "second-") | {"sets": _sets()}


def _of_piece(comparison: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return the tables of one comparison: over both targets, of each, and its scores."""
    scopes = {"comparisons": "all", "xnli": "target:xnli", "tatoeba": "target:tatoeba"}
    pairs = comparison["pairs"]
    return {
        f"{prefix}{name}": _table(_HEAD, (_pair_row(pair) for pair in pairs if pair["scope"] == scope))
        for name, scope in scopes.items()
    } | {f"{prefix}scores": _scores(comparison)}


def _by_names(comparison: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {(pair["a"], pair["b"], pair["scope"]): pair for pair in comparison["pairs"]}


def _words(pair: dict[str, Any]) -> str:
    low, high = map(_number, pair["ci95"])
    return f"{_number(pair['difference'])} points, {low} to {high}, {_p_words(pair['p_holm'])}"


def _answer(pairs: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """Return the answer of the first part, in words."""
    nli, other = "target:xnli", "target:tatoeba"
    return f"""\
- **4,500 real pairs help on NLI in other languages and harm sentence retrieval.** Compared with no intermediate data,
  XNLI rises ({_words(pairs["real", "none", nli])}) and Tatoeba falls
  ({_words(pairs["real", "none", other])}). For the mean of both, a primary comparison,
  no difference was detected with three seeds ({_words(pairs["real", "none", "all"])}).
- **FewGen's pairs do not replace them.** Compared with real pairs, scores are lower on XNLI
  ({_words(pairs["fewgen", "real", nli])}) and for the mean of both targets
  ({_words(pairs["fewgen", "real", "all"])}). On Tatoeba they harm about as much
  (compared with none {_words(pairs["fewgen", "none", other])}).
- **WANLI's pairs: no difference detected.** Compared with real pairs {_words(pairs["wanli", "real", nli])} on XNLI,
  {_words(pairs["wanli", "real", "all"])} for the mean of both. They may be as much worse as FewGen's;
  a fourth seed would detect a difference of this size.
- For the mean of both targets, no difference was detected between either generated set and no intermediate data.

The values are difference, 95 % confidence interval over seeds and test items, p after Holm's correction."""


def _second_answer(pairs: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """Return the answer of the second part, in words."""
    nli, other = "target:xnli", "target:tatoeba"
    return f"""\
- **SNLI, real pairs of another domain, is as much below MNLI as WANLI is; no difference detected.** On XNLI
  {_words(pairs["snli", "real", nli])}. XNLI's test pairs are from MNLI's domains, so a
  good part of the difference between a set and MNLI may come from the domain and not from who wrote it.
- **INLI (Gemini): no difference detected.** Compared with real pairs on XNLI {_words(pairs["inli", "real", nli])}:
  the three seeds vary too much. Compared with SNLI {_words(pairs["inli", "snli", nli])}.
- **Other real NLI data lower Tatoeba too**: SNLI compared with none {_words(pairs["snli", "none", other])}."""


_HEAD = ("comparison", "difference (points)", "95 % CI", "minimum detectable effect", "p (Holm)", "verdict")


def _pair_row(pair: dict[str, Any]) -> tuple[str, ...]:
    low, high = pair["ci95"] or (None, None)
    interval = "" if low is None else f"{_number(low)} to {_number(high)}"
    name = f"{pair['a']} − {pair['b']}"
    named = f"**{name}**" if pair["primary"] else name
    return (
        named, _number(pair["difference"]), interval, _number(pair["mde80"]), _p(pair["p_holm"]),
        VERDICTS[pair["verdict"]].format(**pair),
    )  # fmt: skip


def _scores(comparison: dict[str, Any]) -> str:
    """Return mean accuracies of each arm by target and language."""
    cells = comparison["cells"]
    columns = list(dict.fromkeys((cell["target"], cell["language"]) for cell in cells))
    of = {(cell["arm"], cell["target"], cell["language"]): cell["mean"] for cell in cells}
    rows = (
        (arm, *(_number(of.get((arm, *column))) for column in columns))
        for arm in dict.fromkeys(cell["arm"] for cell in cells)
    )
    return _table(("arm", *(f"{target} {language}" for target, language in columns)), rows)


def _sets() -> str:
    """Return the shares of each set's labels that checkpoints of people's sets and hypotheses alone give."""
    figures = json.loads((HERE / "sets.json").read_text(encoding="utf-8"))
    names = list(figures["artefacts"])
    alone = (_number(figures["artefacts"][name]["hypothesis-only"]["accuracy"]) for name in names)
    rows = [
        (f"checkpoints of {name}", *(_mean_and_range(shares[other]) for other in names))
        for name, shares in figures["accuracy"].items()
    ]
    head = ("labels given by", *names)
    return _table(head, iter([*rows, ("words of the hypothesis alone", *alone)]))


def _mean_and_range(values: list[float]) -> str:
    return f"{_number(sum(values) / len(values))} ({_number(min(values))}–{_number(max(values))})"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---", *("--:" for _ in head[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}".replace("-", "−")


def _p(value: float | None) -> str:
    return "" if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _p_words(value: float) -> str:
    return f"p {text}" if (text := _p(value)).startswith("<") else f"p = {text}"


def filled(text: str) -> str:
    """Return a page with the tables between its marks."""
    for name, table in tables().items():
        text = re.sub(
            rf"(?s)(?<=<!-- study:{name} -->\n).*?(?=<!-- study:end -->)",
            f"{table}\n".replace("\\", r"\\"),
            text,
            count=1,
        )
    return text


if __name__ == "__main__":
    for page in (PAGE, README):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
