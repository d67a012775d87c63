"""Real examples, real passages and a teacher: what a run may be given, and what its manifest says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthgen.corpora.import_corpus import import_task
from synthgen.dataset import read_rows
from synthgen.engines import Request
from synthgen.errors import UserError
from synthgen.generation.grounding import read_grounding
from synthgen.generation.loop import check_context_length
from synthgen.generation.run import open_chain
from synthgen.generation.teacher import Teacher
from synthgen.task.registry import load_task
from tests.synthgen.conftest import make_scripted, model_folder
from tests.synthgen.scripts import sentence


@pytest.fixture
def real(tmp_path: Path) -> Path:
    import_task("mnli", source="sample", out=tmp_path / "real")
    return tmp_path / "real"


def run(model: str, out: Path, **options):
    seen: list[Request] = []

    def answer(request: Request) -> str:
        seen.append(request)
        return sentence(request)

    return seen, make_scripted(model, out, answer, n=9, **options)


def test_the_rows_shown_are_fixed_for_a_label_and_named_in_the_manifest(
    real: Path, tiny_model: str, tmp_path: Path
) -> None:
    seen, manifest = run(tiny_model, tmp_path / "out", shots=real)
    (parent,) = manifest.parents
    rows = {row["id"]: row for row in read_rows(real)}
    assert (parent["role"], len(parent["rows"]), parent["licence"]) == ("shots", 12, "CC0-1.0")
    hypotheses = [request.prompt for request in seen if "Sentence B is" in request.prompt]
    shown = [rows[row_id] for row_id in parent["rows"] if rows[row_id]["label"] == 2]
    of_label = [prompt for prompt in hypotheses if "definitely false" in prompt]
    assert of_label
    assert all(row["hypothesis"] in prompt for prompt in of_label for row in shown)
    assert manifest.licence == "unknown" or "unknown" in manifest.licence


def test_premises_from_a_set_are_used_as_they_are_and_not_asked_for(
    real: Path, tiny_model: str, tmp_path: Path
) -> None:
    seen, manifest = run(tiny_model, tmp_path / "out", passages=real)
    premises = {row["premise"] for row in read_rows(real)}
    assert {row["premise"] for row in read_rows(tmp_path / "out")} <= premises
    assert all("Sentence B is" in request.prompt for request in seen)
    assert manifest.parents[0]["passages"] == len(premises)


def test_premises_may_come_one_a_line_and_are_part_of_the_settings(tiny_model: str, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("It rained all day in the north.\n\nThe shop is shut on Mondays.\n")
    run(tiny_model, tmp_path / "out", passages=tmp_path / "lines.txt")
    assert len({row["premise"] for row in read_rows(tmp_path / "out")}) == 2
    with pytest.raises(UserError, match="contains another run: .* there, None in this command; give another --out"):
        run(tiny_model, tmp_path / "out")
    (tmp_path / "lines.txt").write_text("Another line of text.\n")
    with pytest.raises(UserError, match="contains another run"):
        run(tiny_model, tmp_path / "out", passages=tmp_path / "lines.txt")


def test_what_cannot_serve_is_refused_with_the_reason(real: Path, tmp_path: Path) -> None:
    for task, options, message in [
        (
            "qqp",
            {"shots": real, "passages": None},
            "is a mnli set with the columns premise, hypothesis, label; qqp needs",
        ),
        (
            "hellaswag",
            {"shots": None, "passages": real},
            "--passages has no effect: the model writes all texts of hellaswag",
        ),
        ("mnli", {"shots": None, "passages": tmp_path / "none"}, "neither a file nor a dataset folder"),
        ("squad_v1", {"shots": None, "passages": real}, "has no text of 25 words or more"),
    ]:
        with pytest.raises(UserError, match=message):
            read_grounding(load_task(task), **options, seed=0)


def test_a_model_that_reads_too_little_is_refused_before_the_first_request(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    vocabulary.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vocabulary.save(str(tmp_path / "tokenizer.json"))
    chain = open_chain("squad_v1", seed=0, structured=False)
    model_folder(tmp_path, '{"max_position_embeddings": 4096}')
    check_context_length(chain, tmp_path)
    model_folder(tmp_path, '{"max_position_embeddings": 128}')
    with pytest.raises(UserError, match=r"step 'context' and its reply can have \d+ tokens, .* reads at most 128"):
        check_context_length(chain, tmp_path)


@pytest.mark.model
def test_a_folder_that_is_no_tagger_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match="is not a checkpoint folder"):
        Teacher(tmp_path)
    model_folder(tmp_path, '{"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]}')
    (tmp_path / "model.safetensors").write_bytes(len(b"{}").to_bytes(8, "little") + b"{}")
    with pytest.raises(UserError, match="is not a token classifier but XLMRobertaModel"):
        Teacher(tmp_path)
