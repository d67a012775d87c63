"""Files of checkpoints: what is damaged is refused by name, before torch, and content names a model in keys."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import evaluator
from evaluator.experiment.jobs import Encoder
from evaluator.experiment.throughput import EncoderSize
from synthgen.errors import UserError
from synthgen.models.checkpoint_files import check_weights
from synthgen.models.loading import load_model, load_tokenizer
from synthgen.models.packs import resolve
from tests.evaluator.conftest import write_pairs

torch = pytest.importorskip("torch")
WEIGHTS = "model.safetensors"
HEAVY = ("torch", "transformers")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model, tmp_path / "copy")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", r"model.safetensors cannot be read: its header is damaged; copy or fetch it again"),
        (b"\xff" * 8, "its header is damaged"),
        (b"\x02" + bytes(7) + b"[]", "its header is damaged"),
        (b"\x05" + bytes(7) + b"hello", "its header is damaged"),
        (b"\x80\x02}q\x00." * 9, "its header is damaged"),
    ],
)
def test_what_is_no_safetensors_is_refused_by_name(copy: Path, content: bytes, fault: str) -> None:
    (copy / WEIGHTS).write_bytes(content)
    with pytest.raises(UserError, match=fault):
        check_weights(copy)


def test_a_cut_file_says_how_much_is_there(copy: Path) -> None:
    _cut(copy / WEIGHTS)
    with pytest.raises(UserError, match=r"model.safetensors cannot be read: it has [\d,]+ bytes in place of [\d,]+;"):
        check_weights(copy)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_that_is_not_finite_is_named_whatever_its_type(tmp_path: Path, dtype: str, value: float) -> None:
    from safetensors.torch import save_file

    wrong = torch.ones(3, 5).to(getattr(torch, dtype))
    save_file({"right": wrong.clone(), "numbers": torch.arange(9), "empty": torch.ones(0)}, tmp_path / WEIGHTS)
    check_weights(tmp_path)
    wrong[1, 2] = value
    save_file({"right": torch.ones(2), "wrong": wrong}, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="is not a whole checkpoint: weights are not finite: wrong$"):
        check_weights(tmp_path)


def test_a_shard_that_the_index_names_and_is_not_there_is_named(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    AutoModel.from_pretrained(tiny_model).save_pretrained(tmp_path, max_shard_size=20_000)
    check_weights(tmp_path)
    sorted(tmp_path.glob("*.safetensors"))[1].unlink()
    with pytest.raises(UserError, match="is not a whole checkpoint: weights are missing: "):
        check_weights(tmp_path)


def test_pickled_weights_are_said_not_to_be_read(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no weights in safetensors; pytorch_model.bin may hold code and is not read"):
        check_weights(copy)


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("evaluator.train(data, out=out, model=str(copy), recipe='small')", "model.safetensors cannot be read"),
        ("synthgen.filter(data, out=out, verifier=copy)", "model.safetensors cannot be read"),
        ("synthgen.filter(data, out=out, filters=filters)", "model.safetensors cannot be read"),
        ("synthgen.translate(data, out=out, to='de', mt=str(copy))", "model.safetensors cannot be read"),
        ("synthgen.translate(data, out=out, to='de', mt=f'ct2:{copy}')", "model.safetensors cannot be read"),
        ("synthgen.translate(data, out=out, to='de', mt=f'ct2:{foreign}')", "cannot be read by CTranslate2"),
    ],
)
def test_a_damaged_checkpoint_is_refused_before_torch_is_imported(
    datasets: dict[str, Path], copy: Path, tmp_path: Path, call: str, fault: str
) -> None:
    _cut(copy / WEIGHTS)
    foreign = shutil.copytree(copy, tmp_path / "foreign")
    (foreign / "model.bin").write_bytes(b"weights of another program" * 99)
    if "ct2:" in call:
        (copy / "config.json").write_text('{"model_type": "marian"}')
    filters = tmp_path / "filters.toml"
    filters.write_text(f'[semantic]\nencoder = "{copy}"\n')
    places = {"data": datasets["real"], "copy": copy, "foreign": foreign, "filters": filters, "out": tmp_path / "out"}
    code = "from pathlib import Path, PosixPath\nimport sys, synthgen, evaluator\n"
    code += "".join(f"{name} = {place!r}\n" for name, place in places.items())
    code += f"try: {call}\nexcept ValueError as error: print(error, [name in sys.modules for name in {HEAVY}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fault in done.stdout
    assert done.stdout.endswith(" [False, False]\n")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("tokenizer.json", "{}", "copy cannot be read by transformers: "),
        ("tokenizer.json", "[1, 2", "copy cannot be read by transformers: "),
        ("tokenizer_config.json", "[]", "copy cannot be read by transformers: "),
        ("config.json", '{"model_type": ["x"], "num_hidden_layers": 2}', "copy cannot be read by transformers: "),
        ("config.json", '{"model_type": "evil"}', "copy cannot be read by transformers: "),
    ],
)
def test_what_transformers_cannot_read_is_one_line(copy: Path, name: str, content: str, fault: str) -> None:
    (copy / name).write_text(content)
    with pytest.raises(UserError, match=fault) as error:
        (load_tokenizer if name.startswith("tokenizer") else partial(load_model, "AutoModel"))(copy)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", ["null", "-3", "1.5", '"16"', "99999999999"])
def test_a_configuration_without_the_encoders_size_is_refused_by_its_name(copy: Path, size: str) -> None:
    (copy / "config.json").write_text(f'{{"num_hidden_layers": 2, "hidden_size": {size}, "vocab_size": 152}}')
    with pytest.raises(UserError, match=r"it has no size in hidden_size, intermediate_size$"):
        EncoderSize.read(copy)


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "config.json", "sentencepiece.bpe.model"])
def test_each_file_that_a_model_is_read_from_is_in_its_name(copy: Path, name: str) -> None:
    (copy / "sentencepiece.bpe.model").write_text("a\n")
    before = Encoder.of(resolve(str(copy))).identity
    (copy / "README.md").write_text("a card")
    assert Encoder.of(resolve(str(copy))).identity == before
    _flip(copy / name)
    assert Encoder.of(resolve(str(copy))).identity != before


def _swap(path: Path) -> None:
    """Put another file of the folder in its place."""
    shutil.copy(path.with_name("synthgen.json"), path)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set, and a checkpoint trained on it."""
    folder = tmp_path_factory.mktemp("trained")
    real = write_pairs(folder / "real", 24)
    evaluator.train(real, out=folder / "trained", model=str(tiny_model), recipe="small")
    return real, folder / "trained"


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "config.json"])
@pytest.mark.parametrize("damage", [_cut, _flip, _swap, Path.unlink])
def test_a_trained_checkpoint_that_was_changed_is_refused_by_what_reads_it(
    trained: tuple[Path, Path], tiny_model: Path, tmp_path: Path, damage: Callable[[Path], object], name: str
) -> None:
    real, whole = trained
    out = shutil.copytree(whole, tmp_path / "trained")
    assert resolve(str(out)).revision == resolve(str(whole)).revision
    damage(out / name)
    fault = rf"trained/{name} is .*; copy or train it again, or remove .*/synthgen.json|it has no config.json"
    with pytest.raises(UserError, match=fault):
        resolve(str(out))
    with pytest.raises(UserError, match=rf"trained/{name} is .*; remove .*/trained to train it again"):
        evaluator.train(real, out=out, model=str(tiny_model), recipe="small")


def test_an_out_that_holds_something_else_is_refused_before_a_model_is_looked_for(
    datasets: dict[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "trained"
    evaluator.train(datasets["real"], out=out, model=str(tiny_model), recipe="small")
    with pytest.raises(UserError, match=r"contains another training \(differs in parts\)"):
        evaluator.train(datasets["synthetic"], out=out, model="no/model", recipe="small")
    with pytest.raises(UserError, match=r"contains another training \(differs in seed\)"):
        evaluator.train(datasets["real"], out=out, model="no/model", recipe="small", seed=1)
    for other in (datasets["real"], tiny_model):
        with pytest.raises(UserError, match=r"--out .* contains other files"):
            evaluator.train(datasets["real"], out=other, model="no/model", recipe="small")


def test_a_refused_training_leaves_nothing(copy: Path, datasets: dict[str, Path], tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(copy, vocab_size=8)
    AutoModel.from_config(config).save_pretrained(copy)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match="they do not match"):
        evaluator.train(datasets["real"], out=tmp_path / "out", model=str(copy), recipe="small")
    assert sorted(tmp_path.iterdir()) == before
