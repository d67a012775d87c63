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
    first, second, third, fourth = (
        json.loads((HERE / name / "comparison.json").read_text(encoding="utf-8"))
        for name in ("", "second", "sizes", "mixtures")
    )
    answer = {"answer": _answer(_by_names(first)), "second-answer": _second_answer(_by_names(second))}
    answer |= {"sizes-answer": _sizes_answer(third), "mixtures-answer": _mixtures_answer(_by_names(fourth))}
    answer |= {"languages": _languages(first), "sets": _sets(), "mixtures-means": _means(fourth)}
    return (
        answer | _of_piece(first, "") | _of_piece(second, "second-") | _of_sizes(third) | _of_piece(fourth, "mixtures-")
    )


def _of_piece(comparison: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return the tables of one comparison: over both targets, of each, and its scores."""
    scopes = {"comparisons": "all", "xnli": "target:xnli", "tatoeba": "target:tatoeba"}
    pairs = comparison["pairs"]
    return {
        f"{prefix}{name}": _table(_HEAD, (_pair_row(pair) for pair in pairs if pair["scope"] == scope))
        for name, scope in scopes.items()
    } | {f"{prefix}scores": _scores(comparison)}


def _sizes_answer(comparison: dict[str, Any]) -> str:
    """Return what the comparisons of the third part say, in words."""
    slope = {each["arm"]: _number(each["parameters"][1]) for each in comparison["curves"] if each["scope"] == "all"}
    pairs = {(pair["a"], pair["b"], pair["size_a"]): pair for pair in comparison["pairs"] if pair["scope"] == "all"}
    end = {each["arm"]: f"{each['ci95'][0]:,.0f}" for each in comparison["exchange_rates"] if _is_largest(each)}
    return f"""\
- **With 1,500 pairs, no difference between FewGen's and real pairs was detected** (planned:
  {_words(pairs["fewgen", "real", 1500])}), nor between real pairs and none
  (planned: {_words(pairs["real", "none", 1500])}). Per doubling, the curve rises by
  {slope["real"]} points for real pairs, {slope["fewgen"]} for FewGen's, {slope["wanli"]} for WANLI's; whether the
  slopes differ was not tested.
- **Exchange rate**: extrapolated from 4,500 pairs, the curves of both generated sets stay below the XNLI score of
  4,500 real pairs up to 18,000 pairs; no such size was trained (lower limit of the 95 % CI of the number needed:
  {end["fewgen"]} of FewGen's, more than {end["wanli"]} of WANLI's). How many of FewGen's equal
  500 or 1,500 real pairs is not known: the interval is open at both ends."""


def _means(comparison: dict[str, Any]) -> str:
    """Return the mean score of each arm with its interval."""
    points = (point for point in comparison["points"] if point["scope"] == "all")
    means = ((point["arm"], _with_interval(point["mean"], point["ci95"])) for point in points)
    return _table(("arm", "XNLI, mean of seven languages (95 % CI)"), means)


def _is_largest(rate: dict[str, Any]) -> bool:
    return bool(rate["reference"] == "real" and rate["k"] == 4500)


def _of_sizes(comparison: dict[str, Any]) -> dict[str, str]:
    """Return the tables of the third part: scores and comparisons at each size, and exchange rates."""
    points = [point for point in comparison["points"] if point["scope"] == "all"]
    sizes = sorted({point["n"] for point in points})
    of = {(point["arm"], point["n"]): _with_interval(point["mean"], point["ci95"]) for point in points}
    arms = dict.fromkeys(point["arm"] for point in points)
    scores = ((arm, *(of.get((arm, size), "") for size in sizes)) for arm in arms)
    pairs = [pair for pair in comparison["pairs"] if pair["scope"] == "all"]
    rows = ((f"{pair['size_a']:,}", *_pair_row(pair)) for pair in sorted(pairs, key=lambda pair: pair["size_a"]))
    rates = [rate for rate in comparison["exchange_rates"] if rate["reference"] == "real"]
    return {
        "sizes-scores": _table(("arm", *(f"{size:,} pairs" for size in sizes)), scores),
        "sizes-comparisons": _table(("pairs", *_HEAD), rows),
        "exchange-rates": _table(("real pairs", "equal", "95 % CI"), map(_rate_row, rates)),
    }


def _rate_row(rate: dict[str, Any]) -> tuple[str, ...]:
    """Return how many pairs of an arm equal so many real ones; open ends at the limits of what is extrapolated."""
    (low, high), (least, most) = rate["ci95"], rate["limits"]
    if rate["reason"]:
        return f"{rate['k']:,}", f"no rate for {rate['arm']}: {rate['reason']}", ""
    lowest = f"fewer than {least:,.0f}" if low is None else f"{low:,.0f}"
    highest = f"more than {most:,.0f}" if high is None else f"{high:,.0f}"
    number = f"more than {most:,.0f}" if rate["equals"] is None else f"{rate['equals']:,.0f}"
    interval = highest if low == most else f"{lowest} to {highest}"
    return f"{rate['k']:,}", f"{number} of {rate['arm']}", interval


def _with_interval(mean: float, interval: list[float] | None) -> str:
    return _number(mean) + (f" ({_number(interval[0])} to {_number(interval[1])})" if interval else "")


def _languages(comparison: dict[str, Any]) -> str:
    """Return whether the differences vary between languages by more than chance."""
    of = {(each["a"], each["b"]): each["new_language"] for each in comparison["variance"]}
    named = (("real", "none"), ("fewgen", "real"), ("wanli", "real"))
    parts = (
        f"  {a} − {b}: SD {_number(each['sd'])} points; in a language that was not tested {_number(each['mean'])}, "
        f"95 % prediction interval {' to '.join(map(_number, each['prediction95']))}"
        for a, b in named
        for each in (of[a, b],)
    )
    lines = ";\n".join(parts)
    return f"""\
- **No sign that languages far from English lose more**, with seven languages. How much a difference over both
  targets varies between languages, beyond chance:
{lines}."""


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


def _mixtures_answer(pairs: dict[tuple[str, str, str], dict[str, Any]]) -> str:
    """Return the answer of the fourth part, in words."""
    translated, half = pairs["portuguese", "real", "all"], pairs["wanli-50", "real", "all"]
    return f"""\
- **Real pairs in Portuguese machine translation: no difference from English ones was detected** (planned:
  {_words(translated)}; minimum detectable effect {_number(translated["mde80"])}).
- **Half real, half WANLI's pairs: no difference from real pairs alone was detected** (planned:
  {_words(half)}; minimum detectable effect {_number(half["mde80"])}).
- **SuperGen's pairs: no difference from real pairs was detected** after the correction over the comparisons that are
  not primary ({_words(pairs["supergen", "real", "all"])})."""


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
