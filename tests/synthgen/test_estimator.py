"""`--qe`: an estimator in a process of its own, here sacrebleu's chrF in a script, and what it may do wrong."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from sacrebleu.metrics import CHRF

from synthgen.dataset import read_rows
from synthgen.dataset.ledger import Ledger
from synthgen.errors import IncompleteError, UserError
from synthgen.translation.command import translate
from synthgen.translation.records import ESTIMATES
from tests.synthgen.test_translation import pairs
from tests.synthgen.translators import Backwards, backwards

HEAD = "import json, sys, time\nlines = [json.loads(line) for line in sys.stdin]\n"
CHRF_SCRIPT = """
from sacrebleu.metrics import CHRF
for each in reversed(lines):
    score = CHRF().sentence_score(each["translation"], [each["source"]]).score
    print(json.dumps({"id": each["id"], "score": score}))
"""
TWO_THEN = """
for each in lines[:2]:
    print(json.dumps({"id": each["id"], "score": 1}), flush=True)
"""


def command(folder: Path, body: str) -> str:
    script = folder / "score it.py"
    script.write_text(HEAD + body)
    return shlex.join([sys.executable, str(script)])


def run(tmp_path: Path, command: str, backend: Backwards | None = None, **thresholds: float):
    english = tmp_path / "en"
    folder = english if english.exists() else pairs(english, 4)
    backend = backend or Backwards()
    return translate(folder, to="tlh", out=tmp_path / "tlh", backend=backend, round_trip=0, qe=command, **thresholds)[0]


def test_scores_are_those_of_the_process_and_the_card_gets_histogram_and_thresholds(tmp_path: Path) -> None:
    manifest = run(tmp_path, command(tmp_path, CHRF_SCRIPT))
    checks = manifest.checks["translation"]
    texts = [row[name] for row in read_rows(tmp_path / "en") for name in ("premise", "hypothesis")]
    mine = [CHRF().sentence_score(backwards(text), [text]).score for text in texts]
    assert checks["estimated"]["texts"] == 8
    assert checks["estimated"]["mean"] == pytest.approx(sum(mine) / 8, abs=1e-3)
    assert sum(checks["estimated"]["histogram"].values()) == 8
    program, _, rest = checks["asked"]["estimator"]["command"].partition(" ")
    assert (program, rest[:7]) == (Path(sys.executable).name, "sha256:")
    assert str(tmp_path) not in manifest.to_json()


def test_nothing_of_the_arguments_of_an_estimator_is_written_to_manifest_or_card(tmp_path: Path) -> None:
    run(
        tmp_path, command(tmp_path, CHRF_SCRIPT) + " --api-key MARKER1 --url=https://qe.internal/x?key=MARKER2 10.1.2.3"
    )
    written = "".join(
        (tmp_path / "tlh" / name).read_text() for name in ("synthgen.json", "README.md", "croissant.json")
    )
    assert not re.search(r"MARKER|qe\.internal|10\.1\.2\.3", written)


def test_a_new_threshold_judges_anew_and_asks_neither_translator_nor_estimator(tmp_path: Path) -> None:
    scored = command(tmp_path, CHRF_SCRIPT)
    assert run(tmp_path, scored).kept == 4
    command(tmp_path, "sys.exit(9)")
    backend = Backwards()
    with pytest.raises(IncompleteError, match=r"none of 4 rows .* can be kept: estimated quality \(4\), .*premise: "):
        run(tmp_path, scored, backend, qe_least=101.0)
    assert backend.calls == 0
    assert run(tmp_path, scored, qe_most=100.0).kept == 4


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (TWO_THEN, UserError, r"ended without a score for 6 of 8 texts, such as 1/hypothesis"),
        (TWO_THEN + "sys.exit('no weights')", IncompleteError, r"ended with code 1: no weights; 2 of 8 scores"),
        (
            TWO_THEN + "sys.stderr.write('a line\\n' * 100_000); sys.exit('no weights')",
            IncompleteError,
            r"ended with code 1: no weights; 2 of 8 scores",
        ),
        (TWO_THEN + "time.sleep(60)", IncompleteError, r"gave no score for 5 s; 2 of 8 scores are kept"),
        ('print(\'{"id": "0/premise", "score": NaN}\')', UserError, r"gave 0/premise the score nan; .*finite"),
        ('print(\'{"id": "0/premise", "score": "good"}\')', UserError, r"the score good; a score is a finite number"),
        ("print('loading model')", UserError, r"printed 'loading model'; expected"),
        ('print(\'{"id": "9/x", "score": 1}\')', UserError, r"scored '9/x', which is not in its input"),
        (TWO_THEN * 2, UserError, r"scored '0/premise', which is not in its input or was scored before"),
    ],
)
def test_what_an_estimator_does_wrong_is_said_in_one_line(
    tmp_path: Path, body: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        run(tmp_path, command(tmp_path, body), qe_silence=5)
    assert "\n" not in str(caught.value)


def test_scores_that_came_before_a_failure_are_kept_and_only_the_rest_is_asked(tmp_path: Path) -> None:
    scored = command(tmp_path, TWO_THEN + "sys.exit(1)")
    with pytest.raises(IncompleteError):
        run(tmp_path, scored)
    command(tmp_path, "assert len(lines) == 6, len(lines)" + CHRF_SCRIPT)
    assert run(tmp_path, scored).checks["translation"]["estimated"]["texts"] == 8
    ledger = Ledger(tmp_path / "tlh" / "ledger.sqlite")
    assert sum(reply.step == ESTIMATES for reply in ledger.replies()) == 8
    ledger.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "is empty"), ("'open", "is not a command"), ("/no/such/program", "cannot start '/no/such/program'")],
)
def test_a_command_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, text)


def test_nothing_in_the_command_reaches_a_shell(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    run(tmp_path, f"{command(tmp_path, CHRF_SCRIPT)} ; touch {touched}")
    assert not touched.exists()
