"""A tiny random XLM-R and datasets of our own, so that the whole chain runs in seconds without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import TINY_DATA_ROOT
from tests.synthgen.conftest import NLI, dataset_folder

LABELS = NLI.labels
WORDS = ("the", "a", "cat", "dog", "sat", "ran", "on", "in", "under", "mat", "house", "tree", "red", "blue", "big")


def sentence(number: int) -> str:
    """A sentence of 3 to 9 words that depends only on the number."""
    return " ".join(WORDS[(number * 7 + place * (number % 5 + 1)) % len(WORDS)] for place in range(3 + number % 7))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XLM-R of 2 layers x 16 with random weights and a word-level tokenizer, as a save_pretrained folder."""
    pytest.importorskip("torch")
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


def write_tiny_model(folder: Path, layers: int = 2) -> Path:
    """Write the tiny model to a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    entries = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, *[f"unused{i}" for i in range(40)], *letters]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(entries))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        cls_token="<s>", sep_token="</s>", mask_token="unused0",
    )  # fmt: skip
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def write_pairs(folder: Path, rows: int, *, first: int = 0, origin: str = "real") -> Path:
    """Write a finished NLI dataset folder of sentences of our own."""
    records = [
        {"premise": sentence(i), "hypothesis": sentence(i + 3), "label": i % 3, "id": f"r{i}", "language": "en"}
        for i in range(first, first + rows)
    ]
    counts = {label: sum(row["label"] == i for row in records) for i, label in enumerate(LABELS)}
    return dataset_folder(folder, records, origin=origin, licence="CC0-1.0", label_counts=counts)


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, Path]:
    """Two dataset folders: `real` of 24 rows, `synthetic` of 24 others."""
    return {
        "real": write_pairs(tmp_path / "real", 24),
        "synthetic": write_pairs(tmp_path / "synthetic", 24, first=100, origin="synthetic"),
    }


@pytest.fixture(scope="session")
def samples() -> Path:
    """A data root of a few dozen items of our own a target and language."""
    return TINY_DATA_ROOT


TINY_RECIPE = """
base = "small"
[stages.intermediate]
epochs = 1
examples_per_step = 8
[stages.xnli]
epochs = 1
[stages.udpos]
epochs = 1
"""


@pytest.fixture
def tiny_recipe(tmp_path: Path) -> str:
    """A recipe file with a few steps per stage."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_RECIPE, encoding="utf-8")
    return str(path)
