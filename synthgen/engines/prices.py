"""What the tokens of a model cost, as its provider says: two prices, or a TOML table by model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, refuse
from synthgen.text.toml_text import read_toml

MILLION = 1_000_000
BATCH_SHARE = 0.5
"""What a batch costs of the price, at every provider that has one."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The price of a million tokens of prompts and of output, in the currency of the price list."""

    prompt: float
    output: float

    def cost(self, prompt_tokens: int, output_tokens: int) -> float:
        """Return what tokens cost.

        >>> Prices(0.15, 0.6).cost(2_000_000, 500_000)
        0.6
        """
        return (prompt_tokens * self.prompt + output_tokens * self.output) / MILLION

    def facts(self, prompt_tokens: int, output_tokens: int) -> dict[str, float]:
        """Return what a manifest says of the cost of tokens: the sum and the prices."""
        total = round(self.cost(prompt_tokens, output_tokens), 6)
        prices = {"per_million_prompt_tokens": self.prompt, "per_million_output_tokens": self.output}
        return {"total": total, **prices}


def check_price(value: float, name: str = "") -> None:
    """Raise UserError for a number that cannot be a price."""
    if not 0 <= value < math.inf:
        raise UserError(f"{name} {value:g} is not a price; give a number from 0".lstrip())


@dataclass(frozen=True, slots=True)
class PriceOptions:
    """What the command line says of money: prices of the model, or a table that has them, and the most to spend."""

    price_in: float | None = None
    price_out: float | None = None
    table: Path | None = None
    max_cost: float | None = None

    def __post_init__(self) -> None:
        options = {"--price-in": self.price_in, "--price-out": self.price_out, "--max-cost": self.max_cost}
        for name, value in options.items():
            if value is not None:
                check_price(value, name)
        if (self.price_in is None) != (self.price_out is None):
            raise UserError("give --price-in and --price-out together: the prices of a million input and output tokens")
        if self.price_in is not None:
            refuse("--price-in and --price-out are the prices", prices=self.table)
        if self.price_in is None and self.table is None:
            refuse("the cost is unknown without --price-in and --price-out, or --prices", max_cost=self.max_cost)

    def prices_beside(self, model: str, *, generator: str) -> Prices | None:
        """Return the prices of a model asked by address beside a run's generator.

        UserError when only those of the generator are given.
        """
        if self.price_in is not None and model != generator:
            raise UserError(
                f"--price-in and --price-out are the prices of {generator}; give --prices FILE with the prices of "
                f"{model} too"
            )
        return self.prices(model, batch=False)

    def prices(self, model: str, *, batch: bool) -> Prices | None:
        """Return the prices of a model, half of them in a batch; None when nothing is said of money."""
        share = BATCH_SHARE if batch else 1.0
        if self.price_in is not None and self.price_out is not None:
            return Prices(self.price_in * share, self.price_out * share)
        if self.table is None:
            return None
        prices = _of_model(self.table, model)
        return Prices(prices.prompt * share, prices.output * share)


def _of_model(table: Path, model: str) -> Prices:
    """Return a model's prices in a table; UserError when it has none, or others than two numbers."""
    values: Any = read_toml(table, "--prices ").get(model)
    example = f'["{model}"], in = 0.15, out = 0.60'
    if not isinstance(values, dict):
        raise UserError(f"--prices {table} has no table for the model {model}; add one: {example}")
    if set(values) != {"in", "out"} or not all(_is_price(value) for value in values.values()):
        raise UserError(f"--prices {table}: the prices of {model} are not two numbers; as in {example}")
    return Prices(values["in"], values["out"])


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
