"""Translation models of the hub in all but their training: random weights, a vocabulary of some sentences."""

from __future__ import annotations

import json
from pathlib import Path

SENTENCES = [
    "The cat sat on the mat.",
    "A river runs through the old town.",
    "Nobody knows where the letters went.",
    "She opened the window and heard the sea.",
    "Two trains left the station at noon.",
    "It rained.",
]
LAYERS = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 128,
    "init_std": 0.6,
}  # fmt: skip
"""Weights far from zero, so that the likeliest word is clear and differs from text to text."""


def pieces(folder: Path, size: int = 70) -> list[str]:
    """Train a sentencepiece model on the sentences into `source.spm` and return its pieces."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20), model_prefix=str(folder / "source"), vocab_size=size,
        hard_vocab_limit=False, unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, minloglevel=2,
    )  # fmt: skip
    (folder / "source.model").rename(folder / "source.spm")
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    return [model.id_to_piece(i) for i in range(1, len(model))]


def save_opus(folder: Path) -> Path:
    """Save a model of OPUS-MT's class and return its folder."""
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    vocabulary = ["</s>", "<unk>", *pieces(folder), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}))
    spm = str(folder / "source.spm")
    MarianTokenizer(spm, spm, str(folder / "vocab.json"), source_lang="en", target_lang="de").save_pretrained(folder)
    torch.manual_seed(3)
    pad = len(vocabulary) - 1
    config = MarianConfig(
        vocab_size=len(vocabulary), pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, forced_eos_token_id=0,
        num_beams=1, bad_words_ids=[[pad]], **LAYERS,
    )  # fmt: skip
    MarianMTModel(config).save_pretrained(folder)
    return folder
