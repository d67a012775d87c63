"""The fifteen disclosures of a card, each taken from the manifest, or the reason why there is none.

The list follows the hub's dataset-card template, Datasheets for Datasets (Gebru et al. 2021) and what papers with
synthetic data leave out most often: generator revision, seed, prompts, and fidelity beside the real set. One function
answers one disclosure; the card, the Croissant file and `card --check` are all views of these answers.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synthgen.dataset.manifest import Manifest
from synthgen.text.languages import UNKNOWN_LANGUAGE, language_name
from synthgen.text.toml_text import read_toml

NOT_DONE, NOT_KNOWN = "not done: ", "not known: "
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosure's answer: its title, one plain sentence or more, and the facts behind it as (name, value)."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def is_done(self) -> bool:
        """Return whether the step was done, as far as that is known; otherwise the summary is the reason."""
        return not self.summary.startswith((NOT_DONE, NOT_KNOWN))


def disclose(manifest: Manifest) -> dict[str, Disclosure]:
    """Return every disclosure's answer by key, in the order of the card."""
    disclosures = {}
    for key, (title, answer) in DISCLOSURES.items():
        summary, facts = answer(manifest)
        disclosures[key] = Disclosure(title, summary, tuple(flatten(facts)))
    return disclosures


_TEXTS: dict[str, Any] = read_toml(Path(__file__).with_name("disclosures.toml"))
_DUPLICATES = ("exact", "near", "semantic")
Answer = tuple[str, Facts]


def _not_done(reason: str) -> Answer:
    return NOT_DONE + reason, {}


def flatten(facts: Facts, prefix: str = "") -> list[tuple[str, str]]:
    """Return nested facts as rows of a table; a mapping of plain numbers stays one row.

    >>> flatten({"length": {"mean": 8.1, "max": 19}, "rows": 200})
    [('length', 'mean 8.1; max 19'), ('rows', '200')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping) and any(isinstance(inner, Mapping) for inner in value.values()):
            rows += flatten(value, f"{name}, ")
        else:
            rows.append((name, cell_text(value)))
    return rows


def cell_text(value: object) -> str:
    """Return a value as a table cell shows it.

    >>> cell_text({"a": 1, "b": [1, 2]}), cell_text(0.25), cell_text(""), cell_text([])
    ('a 1; b 1, 2', '0.25', 'none', 'none')
    """
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {cell_text(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value)) or "none"
    if isinstance(value, str) and value != value.strip():
        return json.dumps(value)
    return str(value) if value not in ("", None) else "none"


def lead(manifest: Manifest) -> str:
    """Return what a card says first of its rows."""
    if manifest.made_elsewhere:
        text = str(_TEXTS["lead"]["elsewhere"]).format(name=manifest.made_elsewhere, origin=manifest.origin)
    else:
        text = str(_TEXTS["lead"][manifest.origin])
    return " ".join(text.split())


def claims() -> list[str]:
    """Return every sentence that a card says by itself: no card may say one that its manifest does not give."""
    texts = [text for text in _leaves(_TEXTS) if "{" not in text]
    return [each for text in texts for each in re.split(r"(?<=[.;:]) ", " ".join(text.split())) if each.count(" ") > 3]


def _leaves(value: Any) -> list[str]:  # noqa: ANN401 - the texts of a TOML file
    return [value] if isinstance(value, str) else [text for inner in value.values() for text in _leaves(inner)]


def _elsewhere(manifest: Manifest, key: str = "unknown", facts: Facts | None = None, **values: Any) -> Answer:  # noqa: ANN401
    """Return the answer for rows that were not made here."""
    return _TEXTS["elsewhere"][key].format(name=manifest.made_elsewhere, **values), facts or {}


def _generator(manifest: Manifest) -> Answer:
    if manifest.origin in ("real", "sample"):
        return _not_done("no model wrote these rows")
    if manifest.made_elsewhere:
        named = [parent["generator"] for parent in manifest.parents if "generator" in parent]
        verb = "translated" if manifest.origin == "translated" else "written"
        values = {"generator": ", ".join(dict.fromkeys(named)), "verb": verb}
        return _elsewhere(manifest, "generator" if named else "unknown", {}, **values)
    if manifest.model is None:
        by = _facts(manifest.checks.get("translation", {})).get("by")
        return (f"The rows were translated by {by}.", {}) if by else _not_done("the manifest names no model")
    facts = {
        "revision": manifest.model["revision"],
        "licence of the weights": manifest.model["licence"],
        "engine": manifest.engine,
    }
    facts |= {name: value for name, value in manifest.model.items() if name not in ("ref", "revision", "licence")}
    facts["versions"] = manifest.versions
    verb = "translated" if manifest.origin == "translated" else "written"
    return f"The rows were {verb} by {manifest.model['ref']}.", facts


def _prompts(manifest: Manifest) -> Answer:
    if manifest.origin != "synthetic":
        return _not_done("no prompt was used")
    if manifest.made_elsewhere:
        return _elsewhere(manifest)
    text = (
        "The complete prompt file is at the end of this card."
        if manifest.prompt_text
        else "The prompt file is not included."
    )
    shots = [parent for parent in manifest.parents if parent.get("role") == "shots"]
    text += " Real examples were shown to the generator." if shots else " Its examples were written for this project."
    facts = {"SHA-256 of the prompt file": manifest.prompt_hash} | ({"examples shown": shots} if shots else {})
    if languages := manifest.checks.get("prompt_language"):
        text += f" The rows are in {language_name(manifest.language)}, which is not the language of the prompt file."
        facts |= languages
    return text, facts


def _sampling(manifest: Manifest) -> Answer:
    if manifest.made_elsewhere:
        return _elsewhere(
            manifest,
            "whole" if manifest.sampling.get("n") is None else "drawn",
            {"draw": manifest.sampling},
            seed=manifest.seed,
        )
    if manifest.origin != "synthetic":
        return f"The rows were drawn with seed {manifest.seed}.", {"draw": manifest.sampling, "seed": manifest.seed}
    return _TEXTS["sampling"].format(seed=manifest.seed), manifest.sampling


def _labels(manifest: Manifest) -> Answer:
    source = _elsewhere(manifest, "labels")[0] if manifest.made_elsewhere else _TEXTS["labels"][manifest.origin]
    verified = manifest.checks.get("verification")
    if verified is None:
        return f"{source}; they were not checked with a model.", {"labels": manifest.label_counts or "none"}
    annotators = {"verify": "a checkpoint", "judge": "a language model"}
    agreements = [
        f"{annotators[name]} labelled the rows without seeing their labels and agreed with "
        f"{100 * (result['agreement'] or 0):.1f} %"
        for name, result in _facts(verified).items()
        if name in annotators
    ]
    shown = ", then ".join(agreements) or "see below"
    text = f"{source}. Rows with another label by a second annotator are not kept: {shown}."
    return text, {"labels": manifest.label_counts, **_facts(verified)}


def _funnel(manifest: Manifest) -> Answer:
    rows = manifest.funnel()
    facts: dict[str, Any] = {f"rejected: {name}" if name in manifest.faults else name: count for name, count in rows}
    facts |= {f"filter {name}": value or "no settings" for name, value in manifest.checks.get("filters", {}).items()}
    for number, before in enumerate(manifest.checks.get("filtered_before", []), start=1):
        facts[f"filtering before this one, {number}"] = before.get("filters", "not recorded")
    if manifest.origin == "synthetic" and not manifest.made_elsewhere:
        facts |= {
            "requests by outcome": manifest.attempts,
            "acceptance by label": manifest.statistics.get("acceptance", "none"),
        }
    text = "Rows asked for, rows left out by reason, rows kept. Of rejected rows only the counts are published."
    return text, facts


def _deduplication(manifest: Manifest) -> Answer:
    settings = {name: value for name, value in manifest.checks.get("filters", {}).items() if name in _DUPLICATES}
    if not settings:
        return _not_done("no filter for duplicates was run")
    facts: dict[str, Any] = {f"settings of {name}": value or "none" for name, value in settings.items()}
    facts |= {**_facts(manifest.checks.get("deduplication", {})), "SHA-256 of the filters": manifest.filters_hash}
    text = f"Removed: {' and '.join(f'{name} duplicates' for name in settings)}."
    return text + (f" {_TEXTS['recall']}" if "near" in settings else ""), facts


def _language(manifest: Manifest) -> Answer:
    translation = _facts(manifest.checks.get("translation", {}))
    if "language" not in manifest.checks and "before_filtering" in translation:
        return _of_translations(translation)
    text, facts = _checked(manifest, check="language")
    if not (set_language := manifest.checks.get("set_language")):
        return text, facts
    known = (
        "not known" if manifest.language == UNKNOWN_LANGUAGE else f"{manifest.language}, from {set_language['said_by']}"
    )
    read, agree = set_language["texts_identified"], set_language["texts_that_agree"]
    counted = f" ({agree} of {read} identified texts agree)" if read else ""
    return f"{text}{'' if text.endswith('.') else '.'} The language of the set is {known}{counted}.", facts


def _of_translations(translation: Facts) -> Answer:
    """Return of how many translated rows the language was identified."""
    judged, rows = translation["before_filtering"]["items_judged_for_language"], translation["translated"]
    if not judged:
        return _not_done(
            f"no translation is long enough to identify, or no language identifier knows {translation['to']}"
        )
    few = "" if judged == rows else ", those long enough"
    return (
        f"The language of {judged} of {rows} translations was identified{few}; section Translation has the pass rate.",
        {},
    )


def _translation(manifest: Manifest) -> Answer:
    if manifest.origin != "translated":
        return _not_done("nothing was translated")
    if manifest.made_elsewhere:
        return _elsewhere(manifest)
    is_ours = "before_filtering" in _facts(manifest.checks.get("translation", {}))
    return _checked(manifest, check="translation", done="done" if is_ours else "done_by_others")


def _statistics(manifest: Manifest) -> Answer:
    facts = {name: value for name, value in manifest.statistics.items() if name != "acceptance"}
    beside = {name: manifest.checks[name] for name in ("artefacts", "shape", "diversity") if name in manifest.checks}
    artefacts = manifest.checks.get("artefacts", {})
    text = "Counted over the rows of this set; no real set was given for comparison."
    if "real" in artefacts:
        text = f"Counted over the rows of this set and of the real set. Artefacts: {artefacts['verdict']}."
    return text, facts | beside


def _use(manifest: Manifest) -> Answer:
    text = _TEXTS["use"]["sample" if manifest.origin == "sample" else "other"]
    note = manifest.model.get("note") if manifest.model else None
    failures = _elsewhere(manifest)[0] if manifest.made_elsewhere else _TEXTS["known_failures"][manifest.origin]
    return text, {"known failures": failures} | ({"about the model": note} if note else {})


def _cost(manifest: Manifest) -> Answer:
    if manifest.made_elsewhere:
        return _elsewhere(
            manifest,
            "cost",
            {},
            seconds=manifest.seconds,
            hardware=cell_text(manifest.hardware or "a machine that was not recorded"),
        )
    text = f"{manifest.seconds:g} seconds on {cell_text(manifest.hardware)}; energy was not measured."
    money = {"money": manifest.cost} if manifest.cost else {}
    return text, money | {
        "tokens": manifest.tokens or "none",
        "seconds": manifest.seconds,
        "hardware": manifest.hardware or "not recorded",
    }


def _rerun(manifest: Manifest) -> Answer:
    if not manifest.command and manifest.made_elsewhere:
        return _elsewhere(manifest)
    if not manifest.command:
        return _not_done("the set was made by a call from Python; the settings above are its arguments")
    return "The command that made the set:", {"command": manifest.command}


def _checked(manifest: Manifest, *, check: str, done: str = "done") -> Answer:
    """Return the answer for a check of the manifest, which `disclosures.toml` words."""
    texts = _TEXTS[check]
    return (texts[done], _facts(manifest.checks[check])) if check in manifest.checks else _not_done(texts["missing"])


def _facts(value: object) -> Facts:
    return value if isinstance(value, Mapping) else {"result": value}


DISCLOSURES: dict[str, tuple[str, Callable[[Manifest], Answer]]] = {
    "generator": ("Generator", _generator),
    "prompts": ("Prompts", _prompts),
    "sampling": ("Sampling", _sampling),
    "labels": ("Labels", _labels),
    "funnel": ("Funnel", _funnel),
    "deduplication": ("Duplicates", _deduplication),
    "contamination": ("Contamination", partial(_checked, check="contamination")),
    "language": ("Language identification", _language),
    "translation": ("Translation", _translation),
    "personal": ("Personal data", partial(_checked, check="personal_data")),
    "statistics": ("Statistics", _statistics),
    "judged": ("Blind sample", partial(_checked, check="judged")),
    "use": ("Intended use and known failures", _use),
    "cost": ("Cost", _cost),
    "rerun": ("How to make it again", _rerun),
}
"""Key → (title, what answers it), in the order of the card."""
