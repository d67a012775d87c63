"""Nothing private leaves: markers in options, variables, path parts, model names and servers' words."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from aiohttp import web

import synthgen
from synthgen.errors import UserError
from synthgen.publishing.publish import publish
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.runtime.cache import cache_root
from tests.evaluator.conftest import TINY_RECIPE, samples, write_pairs, write_tiny_model
from tests.mock_endpoint import Faults, MockEndpoint, listening

KEY = "sk-MARKERKEY1a2b3c4d"
__all__ = ["samples"]
_ESTIMATOR = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"id": json.loads(line)["id"], "score": 0.9}), flush=True)
"""


class TalkativeServer(MockEndpoint):
    """Serves a model by its path, and fails every third request with words that nobody else should read."""

    async def _answer_or_fail(self, body, text, choice):
        self.counters["asked"] += 1
        if self.counters["asked"] % 3 == 0:
            words = f"MARKERmessage: {KEY} of MARKERuser at http://10.1.2.3/v1?key=MARKERquery in /srv/MARKERfolder/llm"
            return web.json_response({"error": {"message": words}}, status=500)
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        if schema.get("required") == ["label"]:
            text = '{"label": "neutral"}'
        if "German" in str(body):
            numbered = enumerate(schema["required"], start=10 * self.counters["asked"])
            german = "Der alte Mann geht heute mit {} Hunden durch die ruhige Straße."
            text = json.dumps({name: german.format(number) for number, name in numbered})
        return await super()._answer_or_fail(body, text, choice)


def command(*words: str, cwd: Path, program: str = "synthgen", **variables: str) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    program = str(Path(sys.executable).with_name(program))
    done = subprocess.run([program, *words], env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def texts(folder: Path) -> str:
    """Return all that the files of a folder say, rows too, and their names."""
    tables = [str(pq.read_table(path).to_pylist()) for path in folder.rglob("*.parquet")]
    files = [path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
    return "\n".join([*map(str, folder.rglob("*")), *tables, *files]).replace(str(folder), "")


@pytest.mark.slow
def test_no_marker_is_in_a_published_folder(tmp_path: Path) -> None:
    home = tmp_path / "MARKERhome, x=1" / "MARKER-project"
    home.mkdir(parents=True)
    (home / "score.py").write_text(_ESTIMATOR)
    (home / "filters.toml").write_text("[language]\n")
    synthgen.import_task("mnli", source="sample", out=home / "real")
    private = {"SYNTHGEN_API_KEY": KEY, "HF_TOKEN": "hf_MARKERtokenMARKERtoken0", "LOGNAME": "MARKERuser"}
    private |= {"SYNTHGEN_CACHE": str(home / "cache"), "MARKER_VARIABLE": "MARKERvalue"}
    server = TalkativeServer(Faults(models=("/srv/MARKERfolder/llm,x/My-Model",)))
    secret = "--api-key MARKERkey --url=https://qe.internal/x?key=MARKERq --host 10.1.2.3"
    scorer = f"{sys.executable} '{home / 'score.py'}' {secret}"
    with listening(server.app(), server.closing) as address:
        url = f"http://{address}/v1"
        made = ("make", "--task", "mnli", "--n", "6", "--engine", "endpoint", "--model", url, "--out", f"{home}/made")
        command(*made, f"--like={home}/real", "--filters", f"{home}/filters.toml", cwd=home, **private)
        judged = ("filter", "../MARKER-project/made", "--out", f"{home}/judged", "--judge", url)
        command(*judged, "--filters", f"{home}/filters.toml", cwd=home, **private)
        translated = ("translate", f"{home}/real", "--to", "de", "--mt", f"llm:{url}", "--out", "../MARKER-project/de")
        command(*translated, "--qe", scorer, "--round-trip", "0", cwd=home, **private)
    assert server.counters["asked"] > 20
    for name in ("made", "judged", "de"):
        publish(home / name, to=str(tmp_path / "public" / name))
        said = texts(tmp_path / "public" / name)
        assert [word for word in ("MARKER", "10.1.2.3", "qe.internal", str(tmp_path)) if word in said] == []
    assert {path.name for path in home.rglob("*.sqlite") if stat.S_IMODE(path.stat().st_mode) != 0o600} == set()
    assert stat.S_IMODE((home / "cache").stat().st_mode) == 0o700


@pytest.mark.slow
def test_no_marker_is_in_a_report_or_a_checkpoint(tmp_path: Path, samples: Path) -> None:
    pytest.importorskip("torch")
    home = tmp_path / "MARKERhome, x=1" / "MARKER-project"
    home.mkdir(parents=True)
    shutil.copytree(samples, home / "xtreme")
    model, real = write_tiny_model(home / "tiny"), write_pairs(home / "real", 24)
    (home / "recipe.toml").write_text(TINY_RECIPE, encoding="utf-8")
    private = {"SYNTHGEN_API_KEY": KEY, "HF_TOKEN": "hf_MARKERtokenMARKERtoken0", "LOGNAME": "MARKERuser"}
    private |= {"SYNTHGEN_CACHE": str(home / "cache"), "MARKER_VARIABLE": "MARKERvalue"}
    model_and_recipe = ("--model", str(model), f"--recipe={home}/recipe.toml")
    for out, given in (("absolute", str(real)), ("relative", "../MARKER-project/real")):
        words = [
            "compare",
            "none=none",
            f"real={given}",
            "--data-root",
            f"{home}/xtreme",
            "--targets",
            "xnli",
            *model_and_recipe,
        ]
        words += ["--languages", "es", "--seeds", "2", "--max-train-examples", "16", "--max-eval-examples", "8"]
        words += [f"--store={home}/store", "--out", f"{home}/{out}/report.html"]
        command(*words, cwd=home, program="evaluator", **private)
    command(
        "train",
        str(real),
        "--out",
        "../MARKER-project/model",
        *model_and_recipe,
        cwd=home,
        program="evaluator",
        **private,
    )
    for name in ("absolute", "relative", "model"):
        said = texts(home / name)
        assert [word for word in ("MARKER", KEY, str(tmp_path)) if word in said] == [], name


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "sk-proj-abcdefghijklmn0123",
        "AKIA" + "ABCDEFGH" * 2,
        "ghp_" + "a1B2" * 9,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "Authorization: Bearer abcdefghijkl",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abcdefghijklmnop",
    ],
)
def test_a_key_of_a_known_shape_is_found_in_rows_and_cards_and_not_repeated(text: str, tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"premise": ["a man", f"he said {text} to her"]}), tmp_path / "train.parquet")
    (tmp_path / "README.md").write_text(f"made with {text}\n")
    found = leaks(tmp_path, ["train.parquet", "README.md"], secret_patterns({}))
    assert len(found) == 2
    assert not [line for line in found if text in line]


@pytest.mark.parametrize(
    "text",
    [
        "see https://qe.example/x?v=2&api_key=abc",
        "at http://192.168.0.7:8000/v1",
        "at http://gpu3.cluster.internal/v1",
        "in /scratch/ann/x",
        r"in C:\Users\ann",
        r'{"path": "C:\\Users\\ann"}',
    ],
)
def test_private_addresses_and_paths_are_found_in_what_describes_a_set(text: str, tmp_path: Path) -> None:
    (tmp_path / "synthgen.json").write_text(text)
    assert leaks(tmp_path, ["synthgen.json"], secret_patterns({}))


@pytest.mark.parametrize(
    "text", ["a risk-averse task-2024-winner", "the desk-1234567890123 model", "see sk-learn-pipeline"]
)
def test_words_are_no_keys(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert leaks(tmp_path, ["README.md"], secret_patterns({})) == []


def test_a_cache_that_others_may_write_is_refused_with_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "the cache"
    monkeypatch.setenv("SYNTHGEN_CACHE", str(root))
    assert stat.S_IMODE(cache_root().stat().st_mode) == 0o700
    root.chmod(0o770)
    with pytest.raises(UserError) as refused:
        cache_root()
    _, _, mending = str(refused.value).rpartition(": ")
    subprocess.run(["bash", "-c", mending], check=True)
    assert cache_root() == root
