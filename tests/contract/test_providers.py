"""Every provider of `tests.providers` serves `make`, a judge and a translator, with few requests to find out how."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synthgen.dataset import read_manifest, read_rows
from synthgen.filters.command import filter as run_filters
from synthgen.generation.make import make
from synthgen.publishing.verify import verify
from synthgen.translation.command import translate
from tests.providers import LABEL, PROVIDERS, Azure, Provider

ROWS = 300
NEGOTIATION = 3
"""Most requests that a command may need to find out what a server takes."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROVIDERS, ids=lambda kind: kind.__name__)
def test_make_judge_and_translate_keep_what_they_should(
    kind: type[Provider], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    provider, made = kind(), tmp_path / "made"
    with provider.serving() as address:
        url = f"http://{address}/v1" + ("#our-deployment" if kind is Azure else "")
        make("mnli", n=ROWS, engine="endpoint", model=url, out=made, timeout=20)
        assert negotiated(provider) <= NEGOTIATION
        judged = run_filters(made, out=tmp_path / "judged", judge=url)
        assert negotiated(provider) <= NEGOTIATION
        (translated,) = translate(made, to="de", mt=f"llm:{url}", round_trip=0, out=tmp_path / "de")
        assert negotiated(provider) <= NEGOTIATION
    manifest = read_manifest(made)
    assert sum(manifest.rejected.values()) >= provider.counters["no reply"]
    assert manifest.failed == 0
    assert manifest.kept == ROWS
    assert (judged.kept, translated.kept) == (manifest.label_counts[LABEL], ROWS)
    assert not verify(made).faults
    thoughts = re.compile("think|museum and a river|want an object|object, then|Let me|The user", re.IGNORECASE)
    texts = [text for row in read_rows(made) for text in (row["premise"], row["hypothesis"])]
    assert not [text for text in texts if thoughts.search(text)]
    assert len(set(texts)) > ROWS


def negotiated(provider: Provider) -> int:
    """Return the requests that came to nothing since the last call."""
    return provider.counters.pop("refused", 0) + provider.counters.pop("cut", 0)


def test_each_names_the_page_that_it_follows() -> None:
    assert [kind.__name__ for kind in PROVIDERS if not (kind.__doc__ or "").startswith("https://")] == []
