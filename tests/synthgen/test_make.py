"""`synthgen make` with the scripted engine: the promises about counts, resumption and bad input."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.dataset import Manifest, read_manifest, read_rejected, read_rows, scale_counts
from synthgen.dataset.ledger import Ledger
from synthgen.engines import Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.errors import IncompleteError, UserError
from synthgen.generation.make import make
from synthgen.generation.prompt_chain import parser_version
from synthgen.generation.why import why
from synthgen.publishing.verify import verify
from synthgen.runtime.garbage import RARE
from synthgen.task.registry import load_task
from tests.synthgen.conftest import date_ahead, full_disk, make_scripted, put_manifest
from tests.synthgen.scripts import mostly, sentence


def test_make_keeps_exactly_n_with_the_real_label_proportions(tiny_model: str, tmp_path: Path) -> None:
    manifest = make_scripted(tiny_model, tmp_path / "out", n=200)
    rows = list(read_rows(tmp_path / "out"))
    assert len(rows) == manifest.n == manifest.kept == 200
    assert manifest.label_counts == {"entailment": 66, "neutral": 67, "contradiction": 67}
    assert Counter(row["label"] for row in rows) == {0: 66, 1: 67, 2: 67}
    assert len({row["id"] for row in rows}) == 200
    assert manifest.asked == manifest.kept + sum(manifest.rejected.values()) + manifest.failed


def test_duplicates_are_rejected_with_the_id_of_the_kept_row(tiny_model: str, tmp_path: Path) -> None:
    manifest = make_scripted(tiny_model, tmp_path / "out", mostly(0.4, "A MAN sleeps on the bench."), n=40)
    rejections = [item for item in read_rejected(tmp_path / "out") if item.reason == "exact duplicate"]
    kept = {row["id"] for row in read_rows(tmp_path / "out")}
    assert manifest.rejected["format"] + manifest.rejected.get("exact duplicate", 0) > 0
    assert all(item.evidence in kept for item in rejections)
    texts = [(row["premise"].casefold(), row["hypothesis"].casefold()) for row in read_rows(tmp_path / "out")]
    assert len(set(texts)) == len(texts)


def test_empty_replies_are_rejections_and_server_errors_are_retried(tiny_model: str, tmp_path: Path) -> None:
    empty = make_scripted(tiny_model, tmp_path / "empty", mostly(0.3, "  \x00 "), n=30)
    assert empty.kept == 30
    assert 0 < empty.attempts["bad"] <= empty.rejected["empty text"] <= 3 * empty.attempts["bad"]

    calls: Counter[tuple[int, int]] = Counter()

    def fails_once(request: Request) -> str | Exception:
        calls[request.tag] += 1
        return ConnectionError("503") if calls[request.tag] == 1 and request.nonce % 3 == 0 else sentence(request)

    retried = make_scripted(tiny_model, tmp_path / "retried", fails_once, n=30)
    assert retried.kept == 30
    assert retried.failed == 0
    assert retried.attempts["http"] > 0


def test_a_premise_gets_one_hypothesis_of_each_label_and_is_asked_for_once(tiny_model: str, tmp_path: Path) -> None:
    manifest = make_scripted(tiny_model, tmp_path / "out", n=60)
    labels_of: dict[str, list[int]] = {}
    for row in read_rows(tmp_path / "out"):
        labels_of.setdefault(row["premise"], []).append(row["label"])
    assert all(len(set(labels)) == len(labels) for labels in labels_of.values())
    assert sum(len(labels) == 3 for labels in labels_of.values()) > len(labels_of) / 2
    assert manifest.attempts["ok"] <= 4 / 3 * manifest.asked, "one premise for three slots, not one for each"


def test_full_labels_are_no_longer_asked_for(tiny_model: str, tmp_path: Path) -> None:
    asked: Counter[str] = Counter()

    def few_contradictions(request: Request) -> str:
        label = next(
            (word for word in ("definitely false", "possibly", "definitely true") if word in request.prompt), ""
        )
        asked[label] += 1
        return "No." if label == "definitely false" and request.nonce % 4 else sentence(request)

    assert make_scripted(tiny_model, tmp_path / "out", few_contradictions, n=600).kept == 600
    assert asked["definitely false"] > 2 * asked["possibly"] >= 400


def test_a_server_that_never_answers_leaves_failed_slots_and_a_resumable_folder(
    tiny_model: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    failures = "rejections: none; 27 requests failed, the last with: no answer.*larger --max-requests continues"
    with pytest.raises(IncompleteError, match=f"0 of .* most frequent {failures}"):
        make_scripted(tiny_model, out, lambda request: TimeoutError("no answer"), n=9, max_requests=27)
    assert make_scripted(tiny_model, out, n=9).kept == 9


def test_the_budget_error_names_the_short_label_and_the_commonest_reason(tiny_model: str, tmp_path: Path) -> None:
    def contradictions_fail(request: Request) -> str:
        return "No." if "definitely false" in request.prompt else sentence(request)

    with pytest.raises(IncompleteError, match=r"'contradiction' has 0 of 10 .* too short"):
        make_scripted(tiny_model, tmp_path / "out", contradictions_fail, n=30, max_requests=200)


def test_the_same_call_on_a_finished_folder_asks_nothing(tiny_model: str, tmp_path: Path) -> None:
    first = make_scripted(tiny_model, tmp_path / "out")
    engine = ScriptedEngine(sentence)
    second = make(
        "mnli", n=50, model=tiny_model, engine="scripted", out=tmp_path / "out", decoding="plain", started_engine=engine
    )
    assert second == first
    assert engine.requests == 0


def test_another_run_in_the_same_folder_is_refused_with_the_difference(tiny_model: str, tmp_path: Path) -> None:
    make_scripted(tiny_model, tmp_path / "out", n=10)
    with pytest.raises(
        UserError, match="contains another run: n is 10 there, 12 in this command, seed is 0 there, 1 in this command"
    ):
        make_scripted(tiny_model, tmp_path / "out", n=12, seed=1)


@pytest.mark.parametrize(("n", "message"), [(0, "less than 1"), (-3, "less than 1"), ("many", "not a number")])
def test_an_impossible_n_is_refused(tiny_model: str, tmp_path: Path, n: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_scripted(tiny_model, tmp_path / "out", n=n)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_n_beyond_the_request_budget_is_refused_before_anything_starts(tiny_model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--max-requests 30 cannot make 50 rows"):
        make_scripted(tiny_model, tmp_path / "out", max_requests=30)


def test_unknown_names_get_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown task 'mnil'; did you mean 'mnli'"):
        make("mnil", n=3, out=tmp_path / "out")
    with pytest.raises(UserError, match="unknown pack 'smollm2-135m'; did you mean 'smollm2-135m-instruct'"):
        make("mnli", n=3, model="pack:smollm2-135m", out=tmp_path / "out")
    with pytest.raises(UserError, match="no model at 'nowhere'"):
        make("mnli", n=3, model="nowhere", out=tmp_path / "out")


_KILLED = """
import os, sys
from pathlib import Path
from typing import Any
from synthgen.engines.scripted import ScriptedEngine
from synthgen.generation.make import make
from tests.synthgen.scripts import sentence
left = int(sys.argv[3])
def answer(request):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    return sentence(request)
make("mnli", n=300, model=sys.argv[1], engine="scripted", out=Path(sys.argv[2]), decoding="plain",
     started_engine=ScriptedEngine(answer))
"""


def test_a_run_killed_twice_resumes_with_nothing_lost_and_nothing_doubled(tiny_model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = 0
    for after in (100, 180):
        command = [sys.executable, "-c", _KILLED, tiny_model, str(out), str(after)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        assert done.returncode == -9, done.stderr
        assert not (out / "synthgen.json").exists()
        asked += after
    engine = ScriptedEngine(sentence)
    manifest = make(
        "mnli", n=300, model=tiny_model, engine="scripted", out=out, decoding="plain", started_engine=engine
    )
    ids = [row["id"] for row in read_rows(out)]
    assert len(ids) == len(set(ids)) == manifest.kept == 300
    lost = asked + engine.requests - sum(manifest.attempts.values())
    assert 0 <= lost <= 2 * (2 * 64 + 64), "a kill loses at most the requests since the last commit"


def test_a_resumed_run_ends_with_the_rows_of_an_uninterrupted_one(tiny_model: str, tmp_path: Path) -> None:
    whole = make_scripted(tiny_model, tmp_path / "whole", n=60)
    with pytest.raises(IncompleteError):
        make_scripted(tiny_model, tmp_path / "parts", n=60, max_requests=121, answer=mostly(0.5, RuntimeError("down")))
    parts = make_scripted(tiny_model, tmp_path / "parts", n=60)
    assert parts.label_counts == whole.label_counts
    assert read_manifest(tmp_path / "parts").kept == 60


def test_a_run_goes_on_when_the_clock_has_gone_back(tiny_model: str, tmp_path: Path) -> None:
    whole, out = make_scripted(tiny_model, tmp_path / "whole", n=60), tmp_path / "parts"
    with pytest.raises(IncompleteError):
        make_scripted(tiny_model, out, n=60, max_requests=121, answer=mostly(0.5, RuntimeError("down")))
    date_ahead(out)
    parts = make_scripted(tiny_model, out, n=60)
    assert (parts.kept, parts.label_counts) == (60, whole.label_counts)
    date_ahead(out)
    assert make_scripted(tiny_model, out, n=60) == parts
    assert not verify(out).faults


BEFORE_NUMBERS = {
    "parser": "8025b1c8375863fa19d4131688dbf6032d6adf5a4273289061c9e0f3f7b2c84e",
    "filters": "fa551b0858d98c349649d58c09347b81b21829803b8e775be4f2b3a5d9e130e9",
}
"""What commit 9e3008b, the last that hashed source text, wrote of its parser and its default filters."""


def set_versions(folder: Path, versions: dict[str, str]) -> None:
    """Let a folder's manifest, where there is one, and its ledger say that these versions judged its replies."""
    manifest = folder / "synthgen.json"
    if manifest.exists():
        put_manifest(folder, json.loads(manifest.read_text()) | {f"{name}_hash": versions[name] for name in versions})
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        values = [(version, f"version: {name}") for name, version in versions.items()]
        ledger.executemany("UPDATE run SET value = ? WHERE key = ?", values)
    ledger.close()


def make_unreadable(folder: Path, replies: Iterable[str]) -> None:
    """Let stored replies hold nothing that the parser reads."""
    with sqlite3.connect(folder / "ledger.sqlite") as ledger:
        ledger.executemany("UPDATE replies SET text = '' WHERE text = ?", [(text,) for text in replies])
    ledger.close()


def stored_versions(folder: Path) -> dict[str, str]:
    with closing(Ledger(folder / "ledger.sqlite", read_only=True)) as ledger:
        return ledger.verdict_versions()


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        ({"parser": "0" * 64}, "the parser changed"),
        ({"filters": "0" * 64}, "the filters changed"),
        (BEFORE_NUMBERS, "the parser and the filters changed"),
    ],
)
def test_stored_replies_are_parsed_and_filtered_anew_without_a_model_when_their_version_changes(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], before: dict[str, str], changed: str
) -> None:
    first = make_scripted(tiny_model, tmp_path / "out", n=20)
    assert first.parser_hash == parser_version(load_task("mnli").format)
    set_versions(tmp_path / "out", before)
    unused = ScriptedEngine(lambda request: pytest.fail("the model was asked"))
    for said in (f"{changed} since this set was made: the stored replies are parsed and filtered again\n", ""):
        again = make_scripted(tiny_model, tmp_path / "out", n=20, engine=unused)
        assert capsys.readouterr().err == said
        assert (again.parser_hash, again.filters_hash) == (first.parser_hash, first.filters_hash)
        assert (again.content_hash, again.attempts, again.versions) == (
            first.content_hash,
            first.attempts,
            first.versions,
        )
    assert stored_versions(tmp_path / "out") == {"parser": first.parser_hash, "filters": first.filters_hash}


def test_an_interrupted_run_of_the_version_that_hashed_source_text_goes_on_with_its_replies(
    tiny_model: str, tmp_path: Path
) -> None:
    with pytest.raises(IncompleteError):
        make_scripted(tiny_model, tmp_path / "out", n=60, max_requests=121, answer=mostly(0.5, RuntimeError("down")))
    now = stored_versions(tmp_path / "out")
    with closing(Ledger(tmp_path / "out" / "ledger.sqlite", read_only=True)) as ledger:
        replies = ledger.outcomes().total()
    set_versions(tmp_path / "out", BEFORE_NUMBERS)
    engine = ScriptedEngine(sentence)
    manifest = make_scripted(tiny_model, tmp_path / "out", n=60, engine=engine)
    assert sum(manifest.attempts.values()) == replies + engine.requests
    assert stored_versions(tmp_path / "out") == now


def test_a_parser_that_reads_less_than_the_one_before_asks_for_what_is_now_missing(
    tiny_model: str, tmp_path: Path
) -> None:
    first = make_scripted(tiny_model, tmp_path / "out", n=20)
    dropped = next(iter(read_rows(tmp_path / "out")))["hypothesis"]
    make_unreadable(tmp_path / "out", [dropped])
    set_versions(tmp_path / "out", {"parser": "1" * 64})
    again = make_scripted(tiny_model, tmp_path / "out", n=20)
    assert again.kept == 20
    assert again.rejected["empty text"] == again.attempts["bad"] == 1
    assert sum(first.attempts.values()) < sum(again.attempts.values()) < sum(first.attempts.values()) + 10


def test_a_second_process_in_the_same_folder_is_told_that_another_is_writing_it(
    tiny_model: str, tmp_path: Path
) -> None:
    out, told = tmp_path / "out", []

    def answer(request: Request) -> str:
        if not told:
            with pytest.raises(IncompleteError, match="another process is writing to this folder") as refused:
                make_scripted(tiny_model, out, n=20)
            told.append(refused.value)
            with pytest.raises(UserError, match="no example"):
                why(out, "mnli-s0-0000000")
        return sentence(request)

    assert make_scripted(tiny_model, out, answer, n=20).kept == 20
    assert told


def test_a_full_disk_while_the_set_is_written_leaves_the_ledger_and_the_same_command_goes_on(
    tiny_model: str, tmp_path: Path
) -> None:
    with pytest.raises(IncompleteError):
        make_scripted(tiny_model, tmp_path / "out", mostly(0.5, RuntimeError("down")), n=20, max_requests=40)
    says = r"No space left on device: '.*fingerprints.parquet': make room .* 20 of 20 rows are kept"
    with full_disk(tmp_path / "out"), pytest.raises(IncompleteError, match=says):
        make_scripted(tiny_model, tmp_path / "out", n=20)
    assert not (tmp_path / "out" / "synthgen.json").exists()
    assert make_scripted(tiny_model, tmp_path / "out", lambda request: pytest.fail("asked"), n=20).kept == 20


def test_a_ledger_is_closed_while_its_slots_are_still_read_and_nothing_is_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.add_slot(1, "a")
    ledger.add_slot(2, "b")
    slots = ledger.slots()
    assert next(slots) == (1, "a")
    ledger.close()
    del slots
    gc.collect()
    assert capfd.readouterr().err == ""


def test_a_set_that_was_made_anew_and_cut_off_is_not_taken_for_finished(tiny_model: str, tmp_path: Path) -> None:
    first = make_scripted(tiny_model, tmp_path / "out", n=20)
    set_versions(tmp_path / "out", {"parser": "0" * 64})
    with full_disk(tmp_path / "out"), pytest.raises(IncompleteError):
        make_scripted(tiny_model, tmp_path / "out", n=20)
    assert not (tmp_path / "out" / "synthgen.json").exists()
    again = make_scripted(tiny_model, tmp_path / "out", lambda _: pytest.fail("asked"), n=20)
    assert again.content_hash == first.content_hash


@pytest.mark.parametrize("row_id", ["mnli", "qqp-s0-0000001", "mnli-s1-0000001", "mnli-s0-1", f"mnli-s0-{10**30}"])
def test_why_tells_no_story_of_an_id_that_is_of_another_set(tiny_model: str, tmp_path: Path, row_id: str) -> None:
    make_scripted(tiny_model, tmp_path / "out", n=5)
    with pytest.raises(UserError, match="no example|not an id"):
        why(tmp_path / "out", row_id)


def test_no_more_slots_are_opened_than_rows_are_wanted_when_none_is_rejected(tiny_model: str, tmp_path: Path) -> None:
    assert make_scripted(tiny_model, tmp_path / "out", n=30).asked == 30


def test_malformed_replies_are_still_counted_as_bad_when_their_slots_are_gone(tiny_model: str, tmp_path: Path) -> None:
    def empty_hypotheses(request: Request) -> str:
        return " \x00 " if request.tag[1] == 1 and request.nonce % 3 else sentence(request)

    with pytest.raises(IncompleteError):
        make_scripted(tiny_model, tmp_path / "out", empty_hypotheses, n=30, max_requests=60)
    ledger = Ledger(tmp_path / "out" / "ledger.sqlite", read_only=True)
    replies = list(ledger.replies())
    ledger.close()
    premises = {reply.text for reply in replies if reply.step == 0}
    malformed = sum(not reply.text.strip(" \x00") for reply in replies)
    assert premises
    assert malformed
    make_unreadable(tmp_path / "out", premises)
    manifest = make_scripted(tiny_model, tmp_path / "out", n=30)
    assert manifest.attempts["bad"] == len(premises) + malformed


def test_half_characters_in_a_reply_are_a_rejection_and_the_end_of_nothing(tiny_model: str, tmp_path: Path) -> None:
    answer = mostly(0.3, "A map \ud83d of the old town and the river.")
    manifest = make_scripted(tiny_model, tmp_path / "out", answer, n=20)
    assert manifest.kept == 20
    assert 0 < manifest.attempts["bad"] <= manifest.rejected["unreadable characters"]
    assert make_scripted(tiny_model, tmp_path / "out", n=20) == manifest


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_folder_that_cannot_be_one_is_said_so(tiny_model: str, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*file.* cannot be a folder"):
        make_scripted(tiny_model, tmp_path / out, n=5)


def test_nothing_of_the_machine_is_in_the_manifest(tiny_model: str, tmp_path: Path) -> None:
    os.environ["SYNTHGEN_SECRET_FOR_TEST"] = "hunter2-hunter2"
    make_scripted(tiny_model, tmp_path / "out", n=5)
    text = (tmp_path / "out" / "synthgen.json").read_text() + (tmp_path / "out" / "README.md").read_text()
    assert "hunter2-hunter2" not in text
    assert json.loads((tmp_path / "out" / "synthgen.json").read_text())["origin"] == "synthetic"


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 10**6), min_size=1, max_size=6).filter(
        lambda counts: sum(counts.values()) > 0
    ),
    st.integers(0, 10**5),
)
@settings(deadline=None)
def test_scaled_counts_sum_to_n_and_are_within_one_of_proportional(counts: dict[str, int], n: int) -> None:
    scaled = scale_counts(counts, n)
    total = sum(counts.values())
    assert sum(scaled.values()) == n
    assert all(abs(scaled[name] - n * counts[name] / total) < 1 for name in counts)


def test_what_rebalancing_takes_back_is_made_anew_and_a_repeated_run_asks_nothing(
    tiny_model: str, tmp_path: Path
) -> None:
    def answer(request: Request) -> str:
        contradicts = request.tag[1] == 1 and "definitely false" in request.prompt
        return f"{sentence(request)[:-1]} never." if contradicts and request.nonce % 2 else sentence(request)

    make_scripted(tiny_model, tmp_path / "real", n=150)
    (tmp_path / "f.toml").write_text("[exact]\n[rebalance]\nmargin = 8.0")
    options = {"n": 150, "filters": tmp_path / "f.toml", "like": tmp_path / "real", "seed": 1}
    engine = ScriptedEngine(answer)
    made = make(
        "mnli", model=tiny_model, engine="scripted", out=tmp_path / "out", decoding="plain", started_engine=engine,
        **options,
    )  # fmt: skip
    assert made.label_counts == {"entailment": 50, "neutral": 50, "contradiction": 50}
    assert made.rejected["label given away"] > 0
    assert made.asked == made.kept + sum(made.rejected.values())
    taken = [item for item in read_rejected(tmp_path / "out") if item.stage == "rebalance"]
    assert any(str(item.row["hypothesis"]).endswith("never.") for item in taken)
    found = made.checks["artefacts"]["baselines"]["hypothesis-only"]
    assert found["accuracy"] - found["majority"] <= made.checks["rebalance"]["gain at most"]["hypothesis-only"] + 2
    asked = engine.requests
    (tmp_path / "out" / "synthgen.json").unlink()
    again = make(
        "mnli", model=tiny_model, engine="scripted", out=tmp_path / "out", decoding="plain", started_engine=engine,
        **options,
    )  # fmt: skip
    assert engine.requests == asked
    assert again.kept == 150


def test_several_seeds_make_a_set_each_with_shared_settings(tiny_model: str, tmp_path: Path) -> None:
    engine = ScriptedEngine(sentence)
    options: dict[str, Any] = {"n": 12, "decoding": "plain", "started_engine": engine, "engine": "scripted"}
    manifests = make("mnli", model=tiny_model, out=tmp_path / "made", seeds=3, seed=4, **options)
    assert isinstance(manifests, list)
    assert [manifest.kept for manifest in manifests] == [12, 12, 12]
    sets = [{row["premise"] for row in read_rows(tmp_path / f"made/s{seed}")} for seed in (4, 5, 6)]
    assert not sets[0] & sets[1] & sets[2]
    alone = make("mnli", model=tiny_model, out=tmp_path / "alone", seed=5, **options)
    assert isinstance(alone, Manifest)
    assert alone.content_hash == manifests[1].content_hash


@pytest.mark.parametrize("seeds", [0, -1, 1001])
def test_a_number_of_sets_that_is_none_is_refused(seeds: int, tiny_model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--seeds {seeds}; allowed: 1 to 1000 sets"):
        make("mnli", n=3, model=tiny_model, engine="scripted", out=tmp_path / "made", seeds=seeds)
    assert not (tmp_path / "made").exists()


def test_python_looks_for_garbage_seldom_while_a_set_is_made_and_as_before_after_it(
    tiny_model: str, tmp_path: Path
) -> None:
    before, during = gc.get_threshold(), set[tuple[int, int, int]]()

    def noted(request: Request) -> str:
        during.add(gc.get_threshold())
        return sentence(request)

    make_scripted(tiny_model, tmp_path / "out", noted, n=3)
    assert during == {RARE}
    assert gc.get_threshold() == before
