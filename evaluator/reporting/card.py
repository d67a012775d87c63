"""The results card of a comparison: what was compared, on which data, and the results, as Markdown for a hub."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from evaluator.reporting.inputs import plan_rows, safe_links, whole
from evaluator.reporting.markdown import results_section, table
from evaluator.reporting.methods import paragraphs, resource
from evaluator.stats.comparison import Comparison
from synthgen.text.escape import code, markdown, visible_json

_ORIGIN = {
    "real": "real data",
    "synthetic": "written by a language model",
    "translated": "translated by machine",
    "sample": "sample rows shipped with this software",
}
_OF_ADDRESSES = "/:?=&%#@+,;~.-_"
NO_PLAN = "Not recorded: there is no plan beside the results."


def results_card(
    comparison: Comparison,
    arms: Mapping[str, Any],
    plan: Mapping[str, Any],
    record: Mapping[str, Any],
    note: str | None,
) -> str:
    """Return the card; `arms`, `plan` and `record` are the documents beside the results, empty where there are none."""
    return resource("results_card.md").format(
        front_signature=visible_json(comparison.signature),
        signature=code(comparison.signature),
        arms="\n".join(f"- **{markdown(arm)}**: {_arm(arms.get(arm))}" for arm in comparison.arms),
        results=results_section(comparison, record, note),
        cost="\n".join(table(("", "planned", "actual"), plan_rows(plan), "lll")) if plan else NO_PLAN,
        methods="\n".join(f"{markdown(text)}\n" for text in paragraphs(comparison, record)),
    )


def _arm(entry: object) -> str:
    """Return where the data of an arm comes from, by its entry in arms.json, with a link to its card."""
    if not isinstance(entry, Mapping):
        return "not described"
    name, revision = (code(entry.get(key, "not recorded")) for key in ("encoder", "encoder_revision"))
    encoder = f"encoder {name} at {revision}"
    kept = whole(entry.get("kept"))
    if not kept:
        return f"no intermediate data; {encoder}"
    origins = ", ".join(_ORIGIN.get(name, markdown(name)) for name in str(entry.get("origin")).split("+"))
    names = entry.get("tasks")
    tasks = " and ".join(map(markdown, names)) if isinstance(names, list) and names else "an unnamed task"
    model = f" by {code(entry['model'])}" if entry.get("model") else ""
    card = "".join(f", [card](<{quote(link, safe=_OF_ADDRESSES)}>)" for link in safe_links(entry.get("dataset_card")))
    return f"{kept:,} rows of {tasks}, {origins}{model}{card}; {encoder}"
