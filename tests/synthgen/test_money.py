"""What a run costs: said before it, while it goes on and in the manifest, and a limit that it keeps to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synthgen.dataset import read_manifest
from synthgen.dataset.schemas import faults
from synthgen.engines.prices import PriceOptions, Prices
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.make import make
from synthgen.publishing.verify import verify
from tests.mock_endpoint import serving

PROMPT, OUTPUT = 1000.0, 2000.0


def test_a_run_ends_before_it_costs_more_and_goes_on_with_more_money(tmp_path: Path) -> None:
    out, prices = tmp_path / "out", {"price_in": PROMPT, "price_out": OUTPUT}
    with serving() as (url, server):
        options = {"n": 120, "engine": "endpoint", "model": url, "out": out, **prices}
        with pytest.raises(IncompleteError, match="could exceed --max-cost 6; 5.* with a larger --max-cost continues"):
            make("mnli", **options, max_cost=6.0)  # type: ignore[arg-type]
        asked = server.counters["ok"]
        assert 40 < asked < 60  # a hundred prompt tokens and some ten of output a reply
        with pytest.raises(IncompleteError, match="could exceed --max-cost 6"):
            make("mnli", **options, max_cost=6.0)  # type: ignore[arg-type]
        assert server.counters["ok"] == asked
        make("mnli", **options, max_cost=100.0)  # type: ignore[arg-type]
    manifest = read_manifest(out)
    tokens = manifest.tokens
    assert manifest.kept == 120
    assert manifest.cost["total"] == pytest.approx((tokens["prompt"] * PROMPT + tokens["output"] * OUTPUT) / 1e6)
    assert manifest.cost["per_million_output_tokens"] == OUTPUT
    assert faults(json.loads(manifest.to_json()), "manifest") == []
    assert verify(out).faults == ()


def test_the_preview_says_what_the_run_will_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('["mock-7b"]\nin = 1000\nout = 2000\n')
    with serving() as (url, _):
        make("mnli", n=1000, engine="endpoint", model=url, preview=5, prices=table)
    assert "1,000 rows will take about" in (said := " ".join(capsys.readouterr().err.split()))
    assert ", cost about 1" in said


def test_a_batch_costs_half() -> None:
    options = PriceOptions(price_in=1.0, price_out=4.0)
    assert options.prices("any", batch=True) == Prices(0.5, 2.0)
    assert PriceOptions().prices("any", batch=True) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"price_in": 1.0}, "give --price-in and --price-out together"),
        ({"price_in": -1.0, "price_out": 1.0}, "--price-in -1 is not a price"),
        ({"price_in": float("nan"), "price_out": 1.0}, "--price-in nan is not a price"),
        ({"max_cost": 5.0}, "--max-cost 5.0 has no effect: the cost is unknown"),
        ({"price_in": 1.0, "price_out": 1.0, "table": Path("p.toml")}, "--prices p.toml has no effect"),
    ],
)
def test_options_of_money_that_do_not_go_together_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(UserError, match=said):
        PriceOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[other]\nin = 1\nout = 2", "has no table for the model tiny"),
        ("[tiny]\nin = 1", "are not two numbers"),
        ('[tiny]\nin = "1"\nout = 2', "are not two numbers"),
        ("[tiny", "is not TOML"),
    ],
)
def test_a_table_without_the_prices_of_the_model_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (table := tmp_path / "prices.toml").write_text(text)
    with pytest.raises(UserError, match=said):
        PriceOptions(table=table).prices("tiny", batch=False)
