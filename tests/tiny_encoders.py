"""A tiny random encoder of each family, with a tokenizer of its real kind, trained here on sentences of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

SENTENCES = [
    "the cat sat on the mat in the house", "a big dog ran under the red tree", "who ran in the house ?",
    "die Katze saß auf der Matte", "паук сидел под деревом", "猫在垫子上", "बिल्ली चटाई पर बैठी",
    "cats and dogs , trees and houses",
]  # fmt: skip
SIZES: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip


def _unigram(specials: list[str], unknown: str) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=180, special_tokens=specials, unk_token=unknown)
    tokenizer.train_from_iterator(SENTENCES * 5, trainer)
    return tokenizer


def _wordpiece(specials: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=specials))
    return tokenizer


def _byte_fallback(specials: list[str]) -> Any:
    """Return Gemma's kind: no space before the first word, spaces as letters of the next, bytes for the unknown."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    codes = [f"<0x{code:02X}>" for code in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=520, special_tokens=[*specials, *codes], max_token_length=8)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def _byte_level() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
    return tokenizer


def _save(tokenizer: Any, folder: Path, single: str, pair: str, **names: str) -> Any:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer.add_special_tokens(list(dict.fromkeys(names.values())))
    marks = [(name, tokenizer.token_to_id(name)) for name in dict.fromkeys(names.values())]
    tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=marks)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.save_pretrained(folder)
    return fast


ROBERTA = {"unk_token": "<unk>", "pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
BERT = {
    "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
}  # fmt: skip
BERT_PAIR = "[CLS] $A [SEP]", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
BERT_SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def xlm_r(folder: Path) -> Any:
    from transformers import XLMRobertaConfig

    kind = _unigram(["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<unk>")
    ours = _save(kind, folder, "<s> $A </s>", "<s> $A </s> </s> $B </s>", bos_token="<s>", eos_token="</s>", **ROBERTA)
    return XLMRobertaConfig(
        vocab_size=len(ours), max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, **SIZES,
    )  # fmt: skip


def bert(folder: Path) -> Any:
    from transformers import BertConfig

    ours = _save(_wordpiece(BERT_SPECIALS), folder, *BERT_PAIR, **BERT)
    return BertConfig(vocab_size=len(ours), max_position_embeddings=128, pad_token_id=0, **SIZES)


def rembert(folder: Path) -> Any:
    from transformers import RemBertConfig

    kind = _unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], "<unk>")
    ours = _save(kind, folder, *BERT_PAIR, **BERT | {"pad_token": "<pad>", "unk_token": "<unk>"})
    return RemBertConfig(
        vocab_size=len(ours), max_position_embeddings=128, pad_token_id=0, input_embedding_size=8,
        output_embedding_size=12, bos_token_id=2, eos_token_id=3, **SIZES,
    )  # fmt: skip


def mdeberta(folder: Path) -> Any:
    from transformers import DebertaV2Config

    ours = _save(_unigram(BERT_SPECIALS, "[UNK]"), folder, *BERT_PAIR, bos_token="[CLS]", eos_token="[SEP]", **BERT)
    return DebertaV2Config(
        vocab_size=len(ours), max_position_embeddings=512, type_vocab_size=0, pad_token_id=0, relative_attention=True,
        max_relative_positions=-1, position_buckets=32, norm_rel_ebd="layer_norm", share_att_key=True,
        position_biased_input=False, pos_att_type=["p2c", "c2p"], **SIZES,
    )  # fmt: skip


def mmbert(folder: Path) -> Any:
    from transformers import ModernBertConfig

    kind = _byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    names = {
        "unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "cls_token": "<bos>",
        "sep_token": "<eos>", "mask_token": "<mask>",
    }  # fmt: skip
    ours = _save(kind, folder, "<bos> $A <eos>", "<bos> $A <eos> $B <eos>", **names)
    return ModernBertConfig(
        vocab_size=len(ours), max_position_embeddings=8192, pad_token_id=0, bos_token_id=2, eos_token_id=1,
        cls_token_id=2, sep_token_id=1, global_attn_every_n_layers=2, local_attention=16, **SIZES,
    )  # fmt: skip


def eurobert(folder: Path) -> Any:
    """Return the config of a model whose padding is its end-of-text piece, at the end of the vocabulary."""
    from transformers import EuroBertConfig

    first, last, mask = "<|begin_of_text|>", "<|end_of_text|>", "<|mask|>"
    ours = _save(
        _byte_level(), folder, f"{first} $A {last}", f"{first} $A {last} $B {last}", bos_token=first, eos_token=last,
        pad_token=last, mask_token=mask,
    )  # fmt: skip
    ids = {name: ours.convert_tokens_to_ids(token) for name, token in (("bos", first), ("eos", last), ("mask", mask))}
    return EuroBertConfig(
        vocab_size=len(ours), max_position_embeddings=8192, pad_token_id=ids["eos"], bos_token_id=ids["bos"],
        eos_token_id=ids["eos"], mask_token_id=ids["mask"], num_key_value_heads=1, **SIZES,
    )  # fmt: skip


FAMILIES: dict[str, Callable[[Path], Any]] = {
    "xlm-r": xlm_r, "bert": bert, "rembert": rembert, "mdeberta": mdeberta, "mmbert": mmbert, "eurobert": eurobert,
}  # fmt: skip


def write_encoder(family: str, folder: Path) -> Path:
    """Write a tiny random encoder of a family to a folder, as `save_pretrained` does."""
    import torch
    from transformers import AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    AutoModel.from_config(FAMILIES[family](folder)).save_pretrained(folder)
    return folder
