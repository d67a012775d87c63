"""The page: a comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from evaluator.comparison import Comparison
from evaluator.report import words


def render_page(comparison: Comparison, *, arms: dict[str, Any], plan: dict[str, Any], note: str | None) -> str:
    """Return the HTML of a comparison."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("evaluator.report").joinpath("template.html").read_text(encoding="utf-8"))
    return template.render(comparison=comparison, words=words, arms=arms, plan=plan, note=note)
