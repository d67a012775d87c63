"""arms.json and plan.json, the files beside results: what they say of each arm's data and of the cost.

They may come from anywhere, so odd values are left out rather than shown or followed. Links to data cards are relative
paths or https, never another scheme.
"""

import math
import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.benchmark.averages import AVERAGES
from evaluator.store.tables import ARMS_NAME
from synthgen.errors import UserError
from synthgen.runtime.files import format_duration, format_size
from synthgen.text.json_text import JsonFault, parse_json
from synthgen.text.plain_text import read_plain_text

SHOWN_APART = frozenset({"dataset_card", "kept", "rejected", "failed", "data", "training"})
_ENCODER = ("encoder", "encoder_revision", "encoder_note")

_PLAN_FACTS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "seconds": ("time", format_duration),
    "seconds_alone": ("time if nothing else runs", format_duration),
    "seconds_per_run": ("time of a run", format_duration),
    "disk_bytes": ("disk", format_size),
    "memory_bytes": ("memory", format_size),
    "flops": ("floating-point operations", "{:.1e}".format),
}
"""Keys of a plan: what they are called for a person, and how their numbers are shown."""


def read_side_file(results: Path, name: str) -> dict[str, Any]:
    """Return the JSON object in the file called `name` beside a results file, empty where there is none."""
    path = results.with_name(name)
    if not path.is_file():
        return {}
    try:
        document = parse_json(read_plain_text(path), nan=True)
    except JsonFault as fault:
        raise UserError(f"{path.name}: not JSON ({fault})") from fault
    if not isinstance(document, dict):
        raise UserError(f"{path.name}: expected a JSON object, got {type(document).__name__}")
    return document


def read_arms(results: Path, page_folder: Path) -> dict[str, Any]:
    """Return arms.json beside a results file, with its links as they are followed from the folder of the page."""
    source, start = results.parent.resolve(), page_folder.resolve()
    arms = read_side_file(results, ARMS_NAME)
    for entry in arms.values():
        if isinstance(entry, dict):
            entry["dataset_card"] = [
                Path(os.path.relpath(source / link, start)).as_posix() if _is_relative(link) else link
                for link in safe_links(entry.get("dataset_card"))
            ]
    return arms


@dataclass(frozen=True, slots=True)
class DataCard:
    """The data of an arm: origin, model, how many examples were kept of those requested, other facts, links to cards.

    `parts` has the facts of each dataset that the arm is made of, by name.
    """

    arm: str
    index: int
    links: Sequence[str]
    kept: int
    rejected: Mapping[str, int]
    failed: int
    facts: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]

    @property
    def requested(self) -> int:
        """Example slots that were requested: kept + rejected + failed."""
        return self.kept + sum(self.rejected.values()) + self.failed

    def share(self, part: int) -> float:
        """Return a part of the requested slots in percent."""
        return round(100 * part / self.requested, 2) if self.requested else 0.0


def common_encoder(names: Sequence[str], arms: Mapping[str, Any]) -> dict[str, str]:
    """Return what arms.json says of the encoder, where it says the same of every arm; empty where they differ."""
    entries = [_encoder(arms.get(arm)) for arm in names]
    return entries[0] if entries and all(entry == entries[0] for entry in entries) else {}


def _encoder(entry: object) -> dict[str, str]:
    return _facts({name: entry.get(name) for name in _ENCODER}) if isinstance(entry, Mapping) else {}


def data_cards(names: Sequence[str], arms: Mapping[str, Any]) -> list[DataCard]:
    """Return what the page shows of each arm that arms.json describes, in the order of `names`."""
    described = [(index, arm, arms.get(arm)) for index, arm in enumerate(names)]
    apart = {*SHOWN_APART, *(_ENCODER if common_encoder(names, arms) else ())}
    return [_data_card(index, arm, entry, apart) for index, arm, entry in described if isinstance(entry, dict)]


def _data_card(index: int, arm: str, entry: Mapping[str, Any], apart: Container[str]) -> DataCard:
    rejected = entry.get("rejected")
    by_reason = rejected if isinstance(rejected, dict) else {"rejected": rejected}
    counts = {str(reason): whole(number) for reason, number in by_reason.items() if whole(number)}
    data = entry.get("data")
    return DataCard(
        arm=arm,
        index=index,
        links=safe_links(entry.get("dataset_card")),
        kept=whole(entry.get("kept")),
        rejected=dict(sorted(counts.items(), key=lambda item: -item[1])),
        failed=whole(entry.get("failed")),
        facts=_facts({name: value for name, value in entry.items() if name not in apart}),
        parts={n: _facts(p) for n, p in data.items() if isinstance(p, dict)} if isinstance(data, dict) else {},
    )


def _facts(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): _fact(value) for name, value in entry.items() if value not in (None, "", [], {})}


def whole(value: object) -> int:
    """Return a count from a side file, 0 for anything that is not one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def amount(value: object) -> float | None:
    """Return a number from 0 of a side file, None for anything that is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < math.inf else None


def _fact(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')}: {_fact(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_fact(item) for item in value)
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def safe_links(links: object) -> list[str]:
    """Return the links to follow, of one or a list: relative paths and https; anything else is not linked."""
    texts = [link for link in (links if isinstance(links, list) else [links]) if isinstance(link, str)]
    return [link for link in texts if _is_relative(link) or link.startswith("https://")]


def _is_relative(link: str) -> bool:
    return bool(link) and ":" not in link and not link.startswith(("/", "\\"))


def plan_rows(plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (what, planned, real) lines of a plan; facts that are neither stand in the first column."""
    sides = (plan.get("planned"), plan.get("real"))
    planned, real = (side if isinstance(side, dict) else {} for side in sides)
    apart = ("planned", "real", "jobs", "history", "looks") if any(isinstance(side, dict) for side in sides) else ()
    rows = [(key, planned.get(key), real.get(key)) for key in {**planned, **real}]
    rows += [(key, value, None) for key, value in plan.items() if key not in apart]
    return [(plan_name(key), plan_fact(key, first), plan_fact(key, second)) for key, first, second in rows]


def plan_name(key: str) -> str:
    """Return what a key of a plan is called for a person."""
    return _PLAN_FACTS[key][0] if key in _PLAN_FACTS else key.replace("_", " ")


def plan_fact(key: str, value: object) -> str:
    """Return a fact of a plan with its unit; an empty text for none."""
    if value is None:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return _PLAN_FACTS[key][1](value) if is_number and key in _PLAN_FACTS else _fact(value)


def own_averages(record: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the averages of one's own that experiment.json names, with the languages of their targets."""
    averages = record.get("averages")
    return {
        str(name): {str(target): list(map(str, codes)) for target, codes in targets.items() if isinstance(codes, list)}
        for name, targets in (averages.items() if isinstance(averages, Mapping) else ())
        if isinstance(targets, Mapping) and name not in AVERAGES
    }


def arms_of_one_dataset(arms: Mapping[str, Any]) -> list[str]:
    """Return the arms whose rows a machine wrote or translated, once for all seeds: another run gives another set."""
    entries = {name: entry for name, entry in arms.items() if isinstance(entry, Mapping)}
    return [
        name
        for name, entry in entries.items()
        if entry.get("origin") not in (None, "real") and whole(entry.get("datasets")) < 2
    ]


def changed_plan(plan: Mapping[str, Any], *, looks_planned: bool) -> list[str]:
    """Return what of a plan was changed after it was first fixed, and looks at results that no plan had."""
    history, looks = (
        [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries := plan.get(key), list) else []
        for key in ("history", "looks")
    )
    changes = [
        f"{name} was {_fact(history[0].get(name)) or 'none'} in the first plan and is "
        f"{_fact(history[-1].get(name)) or 'none'} now"
        for name in ("margin", "primary")
        if history and history[0].get(name) != history[-1].get(name)
    ]
    seen = list(dict.fromkeys(whole(look.get("seeds")) for look in looks))
    if len(seen) > 1 and not looks_planned:
        counts = f"{', '.join(map(str, seen[:-1]))} and {seen[-1]} seeds"
        changes.append(f"results were computed with {counts} without planned interim looks, so p-values are too small")
    return changes


MOST_CUT = 2.0
"""Percent of an arm's truncated items, or of its windows without an answer, above which the report warns."""


def cut_inputs(arms: Mapping[str, Any]) -> list[str]:
    """Return a line for each arm of whose items more than 2 % may have been cut, or of whose windows hold no answer."""
    descriptions = {
        "items_cut_%": "of its training items reach max_length and may be truncated",
        "windows_without_answer_%": "of its context windows contain no answer",
    }
    entries = {arm: entry for arm, entry in arms.items() if isinstance(entry, dict)}
    shares = [(arm, entry.get(key), text) for arm, entry in entries.items() for key, text in descriptions.items()]
    return [
        f"{arm}: {share:.1f} % {text}; a recipe can set a larger max_length"
        for arm, share, text in shares
        if isinstance(share, int | float) and MOST_CUT < share <= 100
    ]
