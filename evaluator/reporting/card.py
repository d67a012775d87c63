"""The results card of a comparison: what was compared, on which data, and what was found, as Markdown for a hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from evaluator.reporting.inputs import plan_rows, safe_links, whole
from evaluator.reporting.markdown import escape, results_section
from evaluator.reporting.methods import paragraphs
from evaluator.stats.comparison import Comparison

_ORIGIN = {
    "real": "real data",
    "synthetic": "written by a language model",
    "translated": "translated by machine",
    "sample": "samples of this software",
}


def results_card(comparison: Comparison, arms: Mapping[str, Any], plan: Mapping[str, Any], note: str | None) -> str:
    """Return the card; `arms` and `plan` are the documents beside the results, empty where there are none."""
    front = {
        "pretty_name": "Intermediate-task data and zero-shot cross-lingual transfer",
        "tags": ["synthgen", "evaluator", "xtreme-r", "cross-lingual-transfer"],
        "signature": comparison.signature,
    }
    parts = [
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()),
        "---",
        "",
        "# What the intermediate data does to zero-shot cross-lingual transfer",
        "",
        f"`{comparison.signature}`",
        "",
        "## Arms",
        "",
        *_arms(comparison, arms),
        "",
        results_section(comparison, note),
        "## Cost",
        "",
        *_cost(plan),
        "",
        "## Methods",
        "",
        *(f"{escape(text)}\n" for text in paragraphs(comparison)),
        "## Limits",
        "",
        "A verdict holds for these targets, languages, sizes, seeds and this encoder. An unresolved difference is not",
        "an absent one: the detectable difference says how large one could have gone unseen. Models that were trained",
        "on the way are not part of this card; each has its own beside its weights.",
    ]
    return "\n".join(parts) + "\n"


def _arms(comparison: Comparison, arms: Mapping[str, Any]) -> list[str]:
    """Return one line for each arm: where its data comes from, with its licence and a link to its card."""
    lines = []
    for name in dict.fromkeys(point.arm for point in comparison.points):
        facts = arms.get(name)
        lines.append(f"- **{escape(name)}**: {_arm(facts) if isinstance(facts, Mapping) else 'not described'}")
    return lines


def _arm(facts: Mapping[str, Any]) -> str:
    origin, kept = facts.get("origin"), whole(facts.get("kept"))
    encoder = f"encoder `{facts.get('encoder', 'not recorded')}` at `{facts.get('encoder_revision', 'not recorded')}`"
    if not kept:
        return f"no intermediate data here; {encoder}"
    told = ", ".join(_ORIGIN.get(name, name) for name in str(origin).split("+"))
    named = facts.get("tasks")
    tasks = " and ".join(map(str, named)) if isinstance(named, list) and named else "an unnamed task"
    model = f" by `{facts['model']}`" if facts.get("model") else ""
    card = "".join(f", [card]({link})" for link in safe_links(facts.get("dataset_card")))
    return f"{kept:,} rows of {tasks}, {told}{model}{card}; {encoder}"


def _cost(plan: Mapping[str, Any]) -> list[str]:
    if not plan:
        return ["Not recorded: there is no plan beside the results."]
    rows = [f"| {escape(what)} | {escape(planned)} | {escape(real)} |" for what, planned, real in plan_rows(plan)]
    return ["| | planned | real |", "|---|---|---|", *rows]
