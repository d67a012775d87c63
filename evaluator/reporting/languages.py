"""The languages of a comparison as a sample: tables, sentence, and figures of their differences by what they share."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluator.reporting import charts, sentences
from evaluator.reporting.averages import Table
from evaluator.stats.comparison import Comparison
from evaluator.stats.pairwise import PairwiseResult
from evaluator.stats.variance import Decomposition
from synthgen.text.languages import ENGLISH, any_language

NEW_LANGUAGE = "Mean difference over languages, and prediction for a language that was not tested"
MOST_FIGURES = 6
WIDTH, LEFT, TOP, ROW, UNDER = 340, 116, 8, 20, 42  # of a panel, its labels, and a row of it
SCATTER = 180  # height of the panel whose rows are a scale


def language_rows(comparison: Comparison) -> Table:
    """Return a row for each comparison with four languages or more."""
    rows = []
    for each in comparison.decompositions:
        if (new := each.new_language) is not None:
            intervals = [sentences.interval_text(*new.interval(new=one)) for one in (False, True)]
            numbers = [str(new.languages), sentences.signed(new.mean.value), intervals[0], f"{new.between**0.5:.2f}"]
            rows.append([each.a, each.b, str(each.size), *numbers, intervals[1]])
    header = "a,b,size,languages,mean a − b,95 % CI,sd between languages,95 % prediction interval"
    return header.split(","), rows


def language_sentence(decomposition: Decomposition) -> str:
    """Return what the languages of a comparison say of another one; "" for too few of them."""
    if (new := decomposition.new_language) is None:
        return ""
    mean, one = (sentences.interval_text(*new.interval(new=each)) for each in (False, True))
    return (
        f"Mean difference of {new.languages} languages: {sentences.signed(new.mean.value)} points. Taken as a random "
        f"sample of languages, they give {mean} for the mean over all languages (95 % CI) and {one} for a single "
        "language that was not tested (95 % prediction interval)."
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """The difference of one language, and where it stands."""

    x: float
    y: float
    tip: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Differences of languages along the width, in rows with labels: (text, height)."""

    title: str
    frame: charts.Frame
    labels: list[tuple[str, float]]
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class LanguageFigure:
    """The differences of a comparison by language, with what they say of another one."""

    pair: PairwiseResult
    decomposition: Decomposition
    panels: list[Panel]


def language_figures(comparison: Comparison) -> list[LanguageFigure]:
    """Return the figures of the comparisons that a reader asks about first, where there are two languages or more."""
    decompositions = {(each.a, each.b, each.size): each for each in comparison.decompositions}
    leads = [pair for pair in sentences.lead_pairs(comparison) if pair.key in decompositions][:MOST_FIGURES]
    figures = []
    for lead in leads:
        pairs = {
            pair.scope.partition(":")[2]: pair
            for pair in comparison.pairs
            if pair.key == lead.key and pair.scope.startswith("language:") and pair.known
        }
        pairs.pop(ENGLISH, None)
        if len(pairs) > 1:
            panels = _panels(pairs, decompositions[lead.key], language_gaps(comparison, lead.b, lead.size_b))
            figures.append(LanguageFigure(lead, decompositions[lead.key], list(panels)))
    return figures


def _panels(
    pairs: Mapping[str, PairwiseResult], decomposition: Decomposition, gaps: Mapping[str, float]
) -> Iterator[Panel]:
    """Yield a panel by script, one by family, and one by distance from English where English was scored."""
    span = _span([pair.estimate.value for pair in pairs.values()], decomposition)
    for title, groups in (
        ("By script", {code: any_language(code).script or "unknown" for code in pairs}),
        ("By family", {code: any_language(code).family or "unknown" for code in pairs}),
    ):
        counts = Counter(groups.values())
        rows = sorted(counts, key=lambda name: (-counts[name], name))
        heights = {name: TOP + ROW * (row + 0.5) for row, name in enumerate(rows)}
        frame = charts.Frame(WIDTH, round(TOP + ROW * len(rows) + UNDER), span, (0, 1), left=LEFT, top=TOP)
        places = {code: heights[group] for code, group in groups.items()}
        yield Panel(title, frame, list(heights.items()), _marks(pairs, frame, places))
    known = {code: gaps[code] for code in pairs if code in gaps}
    if len(known) > 1:
        high, low = max(known.values()), min(known.values())
        frame = charts.Frame(WIDTH, TOP + SCATTER + UNDER, span, (low - 1, high + 1), left=LEFT, top=TOP)
        labels = [(f"{tick:g}".replace("-", sentences.MINUS), frame.y(tick)) for tick in charts.ticks(low, high)]
        places = {code: frame.y(gap) for code, gap in known.items()}
        title = f"By distance from English (points, arm {decomposition.b})"
        yield Panel(title, frame, labels, _marks({code: pairs[code] for code in known}, frame, places))


def _span(values: list[float], decomposition: Decomposition) -> tuple[float, float]:
    """Return the range of differences to show: all of them, zero, and of the prediction interval as much again."""
    low, high = min(*values, 0.0), max(*values, 0.0)
    pad = max(high - low, 0.5)
    if decomposition.new_language is not None:
        ends = decomposition.new_language.interval(new=True)
        low, high = max(min(low, ends[0]), low - pad), min(max(high, ends[1]), high + pad)
    return low - 0.06 * pad, high + 0.06 * pad


def _marks(pairs: Mapping[str, PairwiseResult], frame: charts.Frame, places: Mapping[str, float]) -> list[Mark]:
    return [
        Mark(frame.x(pair.estimate.value), round(places[code], 1), _tip(code, pair)) for code, pair in pairs.items()
    ]


def _tip(code: str, pair: PairwiseResult) -> str:
    interval = sentences.interval_text(*pair.estimate.interval())
    return f"{any_language(code).name}: {sentences.signed(pair.estimate.value)} points, 95 % CI {interval}"


def language_gaps(comparison: Comparison, arm: str, size: int) -> dict[str, float]:
    """Return how far each language is below English, over the targets that have both, for one arm."""
    means: dict[tuple[str, str], list[float]] = {}
    for cell in comparison.cells:
        if cell["arm"] == arm and cell["size"] == size and cell["mean"] is not None:
            means.setdefault((cell["target"], cell["language"]), []).append(cell["mean"])
    gaps: dict[str, list[float]] = {}
    for (target, code), values in means.items():
        if code != ENGLISH and len(means.get((target, ENGLISH), [])) == len(values):
            gaps.setdefault(code, []).append((sum(means[target, ENGLISH]) - sum(values)) / len(values))
    return {code: sum(values) / len(values) for code, values in gaps.items()}
