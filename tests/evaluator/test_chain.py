"""The whole chain on a tiny model: compare, resume, and what adding a seed or an arm costs."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.experiment.jobs import IntermediateJob
from evaluator.reporting.training import training_hash
from evaluator.sweep import scoring
from evaluator.sweep.pending import pending
from evaluator.sweep.scoring import read_predictions
from synthgen.dataset import dataset_format, read_manifest
from synthgen.errors import IncompleteError, UserError
from synthgen.filters.labels.checkpoint import open_verifier
from synthgen.translation.command import translate
from tests.evaluator.conftest import write_pairs
from tests.synthgen.translators import Backwards

pytest.importorskip("torch")
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def arguments(tiny_model: Path, tiny_recipe: str, samples: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "targets": ["xnli", "udpos", "tatoeba"],
        "languages": ["en", "es", "tr"],
        "seeds": 2,
        "model": str(tiny_model),
        "recipe": tiny_recipe,
        "data_root": samples,
        "store": tmp_path / "store",
        "out": tmp_path / "out" / "report.html",
        "max_train_examples": 16,
        "max_eval_examples": 10,
    }


def as_literals(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as they can stand in the code for another process."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}


def arms(datasets: dict[str, Path]) -> list[str]:
    return ["none=none", *(f"{name}={folder}" for name, folder in datasets.items())]


class RunLogs:
    """The logs that runs leave in a store."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._read: Counter[Path] = Counter()

    def started(self) -> list[str]:
        """Return the labels of the jobs started since the last call, in the order in which they ended."""
        labels = []
        for log in sorted(self._store.rglob("logs/*.log"), key=lambda path: path.stat().st_mtime_ns):
            lines = log.read_text().splitlines()[self._read[log] :]
            self._read[log] += len(lines)
            labels += [line.partition("  start  ")[2] for line in lines if "  start  " in line]
        return labels


@pytest.fixture
def logs(arguments: dict[str, Any]) -> RunLogs:
    return RunLogs(arguments["store"])


def test_every_cell_is_scored_and_each_model_is_trained_once(
    arguments: dict[str, Any],
    datasets: dict[str, Path],
    logs: RunLogs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: Counter[Path] = Counter()
    monkeypatch.setattr(
        scoring, "read_predictions", lambda path, split: read.update([path]) or read_predictions(path, split)
    )
    evaluator.compare(arms(datasets), **arguments)
    assert set(read.values()) == {1}  # also what several seeds share
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    cells = {(row["arm"], row["seed"], row["target"], row["language"], row["metric"]) for row in rows}
    per_run = 3 + 3 * 2 + 2  # xnli accuracy, udpos two metrics, tatoeba without English
    assert len(rows) == len(cells) == 3 * 2 * per_run
    started = logs.started()
    assert sum(label.startswith("intermediate") for label in started) == 4
    assert sum("tatoeba" in label for label in started) == 5  # none once for both seeds


@pytest.mark.slow
def test_a_translated_folder_is_an_arm_like_any_other(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    translate(datasets["real"], to="tlh", out=tmp_path / "tlh", backend=Backwards())
    arguments |= {"targets": ["xnli"], "languages": ["en", "es"], "seeds": 1}
    evaluator.compare([f"real={datasets['real']}", f"translated={tmp_path / 'tlh'}"], **arguments)
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {row["arm"] for row in rows} == {"real", "translated"}
    assert len({(row["arm_n"], row["n"]) for row in rows}) == 1


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_a_second_run_changes_no_byte_and_does_nothing(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    evaluator.compare(arms(datasets), **arguments)
    before = _files(tmp_path / "out")
    logs.started()
    evaluator.compare(arms(datasets), **arguments)
    assert logs.started() == []
    assert set(before) >= {"results.jsonl", "report.html", "comparison.json", "arms.json", "plan.json"}
    assert _files(tmp_path / "out") == before


@pytest.mark.slow
def test_the_estimand_and_the_plan_are_on_disk_before_the_first_run_and_stay_when_it_is_interrupted(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    chosen = {**arguments, "targets": ["udpos"], "seeds": 1}
    code = f"import evaluator; evaluator.compare({arms(datasets)!r}, **{as_literals(chosen)!r})"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=ROOT) as run:
        while not logs.started():
            assert run.poll() is None, run.communicate()[1]
            time.sleep(0.01)
        record = tmp_path / "out" / "plan.json"
        before = json.loads(record.read_text())
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert run.returncode != 0
    comparison = evaluator.compare(arms(datasets), **chosen)
    plan = json.loads(record.read_text())
    assert before == {**{name: value for name, value in plan.items() if name != "real"}, "looks": []}
    assert [look["seeds"] for look in plan["looks"]] == [1]
    assert plan["estimand_hash"] == comparison.estimand["hash"]
    for what in ("runs", "steps", "training_tokens"):
        assert plan["real"][what] == plan["planned"][what] > 0
    assert plan["real"]["inference_tokens"] == pytest.approx(plan["planned"]["inference_tokens"], rel=0.02)
    assert plan["real"]["seconds"] > 0
    assert "licence" in json.loads((tmp_path / "out" / "arms.json").read_text())["real"]["data"]["real"]


@pytest.mark.slow
def test_another_store_gives_identical_scores(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    evaluator.compare(arms(datasets), **arguments)
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    evaluator.compare(arms(datasets), **{**arguments, "store": tmp_path / "store2"})
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before


def test_adding_a_seed_runs_only_that_seed(arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs) -> None:
    evaluator.compare(arms(datasets), **{**arguments, "seeds": 1})
    logs.started()
    evaluator.compare(arms(datasets), **arguments)
    started = logs.started()
    assert all("seed 1" in label or label.endswith("tatoeba encoder") for label in started)
    assert len(started) == 2 + 3 * 2 + 2  # intermediates, trained targets, tatoeba of the two new encoders
    plan = json.loads((arguments["store"] / "plan.json").read_text())
    assert [look["seeds"] for look in plan["looks"]] == [entry["seeds"] for entry in plan["history"]] == [1, 2]


def test_what_a_crash_left_is_finished_and_nothing_is_done_twice(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    evaluator.compare(arms(datasets), **arguments)
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    some = sorted((tmp_path / "store" / "predictions").iterdir())[0]
    (some / "synthgen.json").unlink()
    (some.parent / f".{some.name}.draft").mkdir()
    shutil.rmtree(tmp_path / "store" / "scores")
    logs.started()
    evaluator.compare(arms(datasets), **arguments)
    assert len(logs.started()) == 1
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before


def test_sizes_are_nested_and_none_is_trained_once_for_all_of_them(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    evaluator.compare(arms(datasets), **{**arguments, "sizes": ["8", "16"], "seeds": 1, "targets": ["xnli"]})
    started = logs.started()
    assert sum(" 8 rows " in label for label in started) == 2
    assert sum(", xnli" in label for label in started) == 2 * 2 + 1
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {(row["arm"], row["size"]) for row in rows} == {
        ("none", 0), ("real", 8), ("real", 16), ("synthetic", 8), ("synthetic", 16)
    }  # fmt: skip


def labels(plan: dict[str, Any]) -> set[str]:
    return {job["label"] for job in plan["jobs"] if job["kind"] == "intermediate"}


def asked_for(arguments: dict[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in arguments.items() if name != "out"}, "seeds": 1, "targets": ["xnli"]}


def test_real_and_synthetic_data_expand_to_all_sizes_and_ten_times_the_data(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    large = write_pairs(tmp_path / "large", 200, first=300, origin="synthetic")
    given = [f"real={datasets['real']}:16", f"synthetic={large}"]
    found = evaluator.plan(given, **asked_for(arguments), preset="synthetic-vs-real")
    assert [arm["name"] for arm in found["arms"]] == ["none", "real", "synthetic", "synthetic-10x"]
    sizes = {"real": (1, 4, 16), "synthetic": (1, 4, 16), "synthetic-10x": (10, 40, 160)}
    assert labels(found) == {f"intermediate {a} {n} rows seed 0" for a, found in sizes.items() for n in found}
    with pytest.raises(
        UserError, match=r"arm 'synthetic-10x' has too few rows for 10 times size 24.*allowed: up to 20"
    ):
        evaluator.plan([f"real={datasets['real']}", given[1]], **asked_for(arguments), preset="synthetic-vs-real")


@pytest.mark.slow
def test_the_preset_of_the_base_paper_runs_every_arm(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text("the cat sat on the mat\n" * 8, encoding="utf-8")
    given = [f"mnli={datasets['real']}", f"anli_plus={datasets['synthetic']}", f"mlm=mlm:{corpus}"]
    asked = {**arguments, "seeds": 1, "targets": ["xnli"], "preset": "phang2020"}
    evaluator.compare([*given, f"mnli.translated={datasets['synthetic']}:12"], **asked)
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {row["arm"] for row in rows} == {
        *("none", "mnli", "anli_plus", "multi", "mnli+mlm", "anli_plus+mlm", "multi+mlm"),
        "mnli.translated",
    }
    with pytest.raises(UserError, match=r"unknown dataset name 'mnly' in preset phang2020; did you mean 'mnli'"):
        evaluator.compare([f"mnly={datasets['real']}"], **asked)


def test_a_size_beyond_an_arm_is_named(arguments: dict[str, Any], datasets: dict[str, Path]) -> None:
    with pytest.raises(
        UserError, match=r"arm 'real' has too few rows for size 99: .*real \(24 rows\); allowed: up to 24"
    ):
        evaluator.compare(arms(datasets), **{**arguments, "sizes": [99]})


@pytest.mark.slow
def test_several_parts_train_one_encoder(arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs) -> None:
    both = f"both={datasets['real']}:12+{datasets['synthetic']}"
    evaluator.compare(["none=none", both], **{**arguments, "seeds": 1, "targets": ["xnli"]})
    assert logs.started()[0] == "intermediate both 36 rows seed 0"


def test_masked_language_modelling_is_mixed_in_and_does_not_count_in_sizes(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for language in ("de", "es"):
        (corpus / f"{language}.txt").write_text("the cat sat on the mat\n\na dog ran\n" * 8, encoding="utf-8")
    mixed = f"mixed={datasets['real']}+mlm:{corpus}:24"
    evaluator.compare(["none=none", mixed], **{**arguments, "sizes": [8, 16], "seeds": 1, "targets": ["xnli"]})
    assert [label for label in logs.started() if "intermediate mixed" in label] == [
        "intermediate mixed 8 rows seed 0", "intermediate mixed 16 rows seed 0"
    ]  # fmt: skip
    manifests = [json.loads(path.read_text()) for path in (tmp_path / "store" / "intermediate").glob("*/synthgen.json")]
    assert sorted(m["results"]["training"]["examples"] for m in manifests) == [16, 32]


def test_the_best_model_on_english_items_is_another_node_than_the_last(
    arguments: dict[str, Any], logs: RunLogs, samples: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(samples, tmp_path / "root")
    (root / "udpos" / "dev-en.tsv").unlink()  # so that items are held out of training
    asked = {**arguments, "seeds": 1, "targets": ["xnli", "udpos"], "data_root": root}
    evaluator.compare(["none=none"], **asked, select="en-dev")
    evaluator.compare(["none=none"], **asked)
    assert sorted(logs.started()) == ["none, udpos seed 0"] * 2 + ["none, xnli seed 0"] * 2


def test_the_record_of_an_experiment_holds_every_stage_that_ran(
    arguments: dict[str, Any], datasets: dict[str, Path]
) -> None:
    chosen = {**arguments, "targets": ["xnli"], "seeds": "0,3"}
    comparison = evaluator.compare(["none=none", f"a={datasets['real']}"], **chosen)
    record = json.loads((arguments["out"].parent / "experiment.json").read_text(encoding="utf-8"))
    assert record == json.loads((arguments["store"] / "experiment.json").read_text(encoding="utf-8"))
    assert list(record["recipe"]["stages"]) == ["intermediate (pair)", "xnli"]
    assert (record["seeds"], record["max_eval_examples"]) == ([0, 3], 10)
    assert f"training:{training_hash(record)}" in comparison.signature
    assert "learning rate" in arguments["out"].read_text(encoding="utf-8")


def test_a_run_that_diverges_is_a_null_row_and_all_else_is_reported(
    arguments: dict[str, Any], tiny_model: Path, datasets: dict[str, Path], tmp_path: Path
) -> None:
    """One arm starts from weights whose loss is never finite; the numbers of the others do not change."""
    huge = shutil.copytree(tiny_model, tmp_path / "huge")
    weights = load_file(huge / "model.safetensors")
    save_file({name: values * 1e30 for name, values in weights.items()}, huge / "model.safetensors", {"format": "pt"})
    chosen = {**arguments, "targets": ["xnli"], "seeds": "0,2"}
    evaluator.compare(["none=none", f"a={datasets['real']}"], **chosen)
    alone = (arguments["out"].parent / "results.jsonl").read_text().splitlines()
    message = r"2 of 2 runs failed, .*diverged.*report\.html reports the other runs; run the command again, or"
    with pytest.raises(IncompleteError, match=message):
        evaluator.compare(["none=none", f"a={datasets['real']}", f"bad=model:{huge}"], **chosen)
    rows = [json.loads(line) for line in (arguments["out"].parent / "results.jsonl").read_text().splitlines()]
    assert {row["value"] for row in rows if row["arm"] == "bad"} == {None}
    assert {row["seed"] for row in rows} == {0, 2}
    assert [json.dumps(row, ensure_ascii=False) for row in rows if row["arm"] != "bad"] == alone
    comparison = json.loads((arguments["out"].parent / "comparison.json").read_text())
    verdicts = {pair["reason"] for pair in comparison["pairs"] if "bad" in (pair["a"], pair["b"])}
    assert all("bad" in reason for reason in verdicts)


def test_targets_that_rank_a_pool_have_nothing_to_choose_by(arguments: dict[str, Any]) -> None:
    with pytest.raises(
        UserError, match="--select en-dev: lareqa are retrieval targets, which have no English development items"
    ):
        evaluator.compare(["none=none"], **{**arguments, "targets": ["lareqa"]}, select="en-dev")


@pytest.mark.slow
def test_a_targets_own_training_set_is_a_control_arm(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    evaluator.compare(["none=none", "control=own"], **{**arguments, "sizes": [8], "seeds": 1})
    assert [label for label in logs.started() if "intermediate control" in label] == [
        "intermediate control, xnli, 8 rows seed 0", "intermediate control, udpos, 8 rows seed 0"
    ]  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert {row["arm_n"] for row in rows if row["arm"] == "control" and row["target"] != "tatoeba"} == {8}


def test_a_size_beyond_a_targets_own_training_set_takes_all_of_it(arguments: dict[str, Any]) -> None:
    chosen = {name: value for name, value in arguments.items() if name != "out"}
    plans = [evaluator.plan(["control=own"], **{**chosen, "seeds": 1, "sizes": [size]}) for size in ("full", 9999)]
    assert labels(plans[0]) == labels(plans[1])


def test_at_full_size_the_control_arm_is_one_run_for_all_targets(arguments: dict[str, Any]) -> None:
    from evaluator.experiment.arguments import Arguments
    from evaluator.experiment.definition import define
    from evaluator.experiment.graph import build

    chosen = {name: value for name, value in arguments.items() if name != "out"}
    experiment = define(Arguments(["control=own"], **chosen))
    cells = [cell for cell in build(experiment).cells if cell.seed == 0]
    assert len({cell.size for cell in cells}) == 1
    assert {cell.target.name: cell.arm_n for cell in cells}["tatoeba"] == 0 < cells[0].arm_n <= cells[0].size


def test_a_checkpoint_with_another_vocabulary_than_its_tokenizers_is_refused(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    torn = Path(shutil.copytree(arguments["model"], tmp_path / "torn"))
    values = json.loads((torn / "tokenizer.json").read_text(encoding="utf-8"))
    values["model"]["vocab"] |= {f"piece{i}": len(values["model"]["vocab"]) + i for i in range(50)}
    (torn / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"torn does not fit .*: its tokenizer has \d+ tokens and the model's vocabulary \d+"
    ):
        evaluator.train(datasets["real"], out=tmp_path / "out", model=str(torn), recipe=arguments["recipe"])


@pytest.mark.slow
def test_a_ready_model_takes_the_place_of_the_base(
    arguments: dict[str, Any], datasets: dict[str, Path], logs: RunLogs, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint"
    evaluator.train(datasets["real"], out=out, model=arguments["model"], recipe=arguments["recipe"])
    evaluator.compare(["none=none", f"ready=model:{out}"], **{**arguments, "seeds": 1, "targets": ["xnli"]})
    assert logs.started() == ["none, xnli seed 0", "ready, xnli seed 0"]
    arms = json.loads((tmp_path / "out" / "arms.json").read_text())
    assert (arms["ready"]["encoder"], arms["ready"]["model"]) == ("checkpoint", "checkpoint"), "never a local path"


@pytest.mark.slow
def test_with_updates_matched_every_arm_takes_the_steps_of_the_largest_and_the_plan_is_exact(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    asked = {**arguments, "sizes": [8, 20], "seeds": 1, "targets": ["xnli"], "match": "updates"}
    plain = {name: value for name, value in asked.items() if name != "out"}
    planned = {job["key"]: job for job in evaluator.plan(arms(datasets), **plain)["jobs"]}
    evaluator.compare(arms(datasets), **asked)
    for path in (tmp_path / "store" / "intermediate").glob("*/synthgen.json"):
        manifest = json.loads(path.read_text())
        training, job = manifest["results"]["training"], planned[manifest["key"]]
        assert training["steps"] == job["steps"] == 3
        assert training["tokens"] == job["training_tokens"]


def test_the_report_says_how_often_each_arm_saw_its_rows(
    arguments: dict[str, Any], datasets: dict[str, Path], tmp_path: Path
) -> None:
    asked = {**arguments, "sizes": [8, 20], "seeds": 2, "targets": ["xnli"], "match": "updates"}
    evaluator.compare(["none=none", f"real={datasets['real']}"], **asked)
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    counts = {(each["arm"], each["size"]): each for each in document["training"]}
    assert counts.keys() == {("real", 8), ("real", 20)}
    logs = [json.loads(path.read_text()) for path in (tmp_path / "store" / "intermediate").glob("*/synthgen.json")]
    for (_, size), each in counts.items():
        runs = [log["results"] for log in logs if log["results"]["inputs"]["pair"]["features"] == size]
        assert len(runs) == each["runs"] == 2
        assert each["updates"] == 3
        assert each["tokens"] == pytest.approx(sum(run["training"]["tokens"] for run in runs) / 2)
        assert each["epochs"] == pytest.approx(sum(run["training"]["examples"] for run in runs) / 2 / size, abs=0.01)
    assert counts["real", 8]["epochs"] > counts["real", 20]["epochs"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="table-counts"' in page


@pytest.mark.slow
def test_a_finished_experiment_is_reported_without_torch(arguments: dict[str, Any], datasets: dict[str, Path]) -> None:
    evaluator.compare(arms(datasets), **arguments)
    call = f"evaluator.compare({arms(datasets)!r}, **arguments)"
    code = f"import evaluator, sys; arguments={as_literals(arguments)!r}; {call}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_missing_files_are_named_with_their_origin(arguments: dict[str, Any], datasets: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"udpos lacks udpos/test-vi\.tsv, which come from Universal Dependencies"):
        evaluator.compare(arms(datasets), **{**arguments, "targets": ["udpos"], "languages": ["vi"]})


def test_a_language_outside_the_targets_gets_the_nearest(arguments: dict[str, Any], datasets: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="unknown language 'xx' in targets xnli; known: ar, bg"):
        evaluator.compare(arms(datasets), **{**arguments, "targets": ["xnli"], "languages": ["en", "xx"]})


@pytest.mark.slow
def test_pending_skips_intermediates_that_nothing_needs(arguments: dict[str, Any], datasets: dict[str, Path]) -> None:
    from evaluator.experiment.arguments import Arguments
    from evaluator.experiment.definition import define, open_store
    from evaluator.experiment.graph import build

    evaluator.compare(arms(datasets), **arguments)
    chosen = {name: value for name, value in arguments.items() if name != "out"}
    experiment = define(Arguments(arms(datasets), **chosen))
    store, graph = open_store(experiment), build(experiment)
    shutil.rmtree(store.root / "intermediate")
    assert any(isinstance(job, IntermediateJob) for job in graph.jobs)
    assert pending(graph.jobs, store) == []


def test_train_writes_a_plain_checkpoint_folder(tiny_model: Path, datasets: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    out = tmp_path / "checkpoint"
    manifest = evaluator.train(datasets["real"], out=out, model=str(tiny_model), recipe="small")
    model = AutoModelForSequenceClassification.from_pretrained(out)
    assert model.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    assert {path.suffix for path in out.iterdir()} <= {".json", ".safetensors", ".md"}
    card = (out / "README.md").read_text(encoding="utf-8")
    assert f"| hash of the data | `{read_manifest(datasets['real']).content_hash}` |" in card
    assert "| seed | 0 |" in card
    assert str(tiny_model) not in card
    assert evaluator.train(datasets["real"], out=out, model=str(tiny_model), recipe="small") == manifest
    reader = open_verifier(out, dataset_format(read_manifest(datasets["real"])))
    assert reader.metadata()["licence"] == manifest["results"]["licence"]
    assert manifest["results"]["licence"] in card
    with pytest.raises(UserError, match=r"contains another training \(differs in seed\)"):
        evaluator.train(datasets["real"], out=out, model=str(tiny_model), recipe="small", seed=1)
