"""CTranslate2 as a translator: what transformers' greedy search writes, from the same weights, converted here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.models.packs import ResolvedModel
from synthgen.text.languages import LANGUAGES, NAMES, NLLB, TWO_LETTERS
from synthgen.translation.backends.base import ComputeConfig
from synthgen.translation.backends.ctranslate2 import CTranslate2
from synthgen.translation.backends.hub_model import LanguageTokens, Start, load_tokenizer
from synthgen.translation.backends.registry import open_backend
from synthgen.translation.backends.seq2seq import Seq2Seq
from tests.synthgen.tiny_translators import LAYERS, SENTENCES, pieces, save_opus

pytest.importorskip("ctranslate2")
pytest.importorskip("torch")

TOKENS = 30


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OPUS-MT model in all but its training."""
    return save_opus(tmp_path_factory.mktemp("opus"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path_factory.getbasetemp() / "ct2-cache"))


def resolved(folder: Path) -> ResolvedModel:
    return ResolvedModel(folder, str(folder), "local", "cc-by-4.0")


def save_tiny(folder: Path, tokenizer, words: int, unused: int) -> Path:
    """Save a random model of M2M-100's class, which NLLB shares; it never writes the `unused` last words."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    model = M2M100ForConditionalGeneration(M2M100Config(vocab_size=words + unused, **LAYERS))
    with torch.no_grad():
        model.get_input_embeddings().weight[words:] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def m2m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """M2M-100 in all but its training: the languages' tokens stand after the vocabulary, then eight unused ones."""
    from transformers import M2M100Tokenizer

    folder = tmp_path_factory.mktemp("m2m")
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *pieces(folder)]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}))
    (folder / "source.spm").rename(folder / "sentencepiece.bpe.model")
    tokenizer = M2M100Tokenizer(str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model"))
    return save_tiny(folder, tokenizer, len(vocabulary) + len(tokenizer.lang_token_to_id), 8)


LETTERS = ["▁", *sorted({letter for sentence in SENTENCES for letter in sentence if letter != " "})]


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NLLB-200 in all but its training and its vocabulary: two languages, words of single letters."""
    from transformers import NllbTokenizer

    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *LETTERS]
    languages = ["eng_Latn", "deu_Latn"]
    tokenizer = NllbTokenizer({piece: i for i, piece in enumerate(vocabulary)}, [], extra_special_tokens=languages)
    return save_tiny(tmp_path_factory.mktemp("nllb"), tokenizer, len(tokenizer), 0)


@pytest.fixture(scope="module")
def madlad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MADLAD-400 in all but its training and its vocabulary: a T5 that is told the language before the source."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    folder = tmp_path_factory.mktemp("madlad")
    languages = [(f"<2{language}>", 0.0) for language in ("de", "en")]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *languages, *((letter, -2.0) for letter in LETTERS)]
    T5Tokenizer(vocab=vocabulary, extra_ids=0).save_pretrained(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(vocabulary), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, tie_word_embeddings=False,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0, initializer_factor=2.0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def greedy(folder: Path, start: Start, source: str) -> list[str]:
    """The first tokens that transformers writes for each sentence, asked alone, told the languages by `start`."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    tokenizer, model = load_tokenizer(resolved(folder)), AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    if source:
        tokenizer.src_lang = source
    forced = {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(start.first)} if start.first else {}
    texts = []
    for sentence in SENTENCES:
        inputs = tokenizer(start.prefix + sentence, return_tensors="pt")
        with torch.inference_mode():
            (made,) = model.generate(**inputs, **forced, num_beams=1, do_sample=False, max_new_tokens=TOKENS + 5)
        texts.append(tokenizer.decode(made[1 : TOKENS + 1], skip_special_tokens=True))
    return texts


@pytest.mark.parametrize(
    ("family", "start", "source"),
    [
        ("marian", Start(), ""),
        ("m2m", Start(first="__de__"), "en"),
        ("nllb", Start(first="deu_Latn"), "eng_Latn"),
        ("madlad", Start(prefix="<2de> "), ""),
    ],
)
def test_translations_are_those_of_transformers(
    family: str, start: Start, source: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    backend = open_backend(f"ct2:{folder}", ComputeConfig(threads=1))
    assert isinstance(backend, CTranslate2)
    backend.check("en", "de")
    assert backend.languages.start("en", "de") == start

    class Unended(CTranslate2):
        """Random weights seldom end a sentence; what they write until the room is full is compared all the same."""

        def room(self, asked: Sequence[Sequence[str]]) -> int:
            return TOKENS + 5

        def _text(self, tokens: list[str]) -> str:
            ids = self._tokenizer.convert_tokens_to_ids(tokens[:TOKENS])
            return self._tokenizer.decode(ids, skip_special_tokens=True)

    expected = greedy(folder, start, source)
    assert len(set(expected)) > len(SENTENCES) / 2
    assert not any(start.first and start.first in text for text in expected)
    assert Unended(resolved(folder), ComputeConfig(threads=1)).translate_texts(SENTENCES, "en", "de") == expected


def test_a_model_of_another_type_is_refused_with_those_that_are_converted(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"of type 'llama'; ct2: takes marian \(OPUS-MT\), m2m_100 \(.*t5 \(MADLAD"):
        CTranslate2(resolved(tmp_path))


def test_a_translation_that_fills_all_its_room_is_no_row(marian: Path) -> None:
    both = [kind(resolved(marian), ComputeConfig(device="cpu", threads=1)) for kind in (CTranslate2, Seq2Seq)]
    cut = [[bool(text) for text in each.translate_texts(SENTENCES, "en", "de")] for each in both]
    assert cut[0] == cut[1]
    assert not all(cut[0])


@pytest.mark.parametrize("prefix", ["", "ct2:"])
def test_weights_that_are_pickled_are_not_read(marian: Path, tmp_path: Path, prefix: str) -> None:
    import torch
    from safetensors.torch import load_file

    shutil.copytree(marian, tmp_path / "opus")
    weights = tmp_path / "opus" / "model.safetensors"
    torch.save(load_file(weights), tmp_path / "opus" / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(UserError, match="safetensors"):
        open_backend(f"{prefix}{tmp_path / 'opus'}")


def test_a_model_is_converted_once_and_a_converted_folder_is_used_as_it_is(marian: Path, tmp_path: Path) -> None:
    from synthgen.translation.backends import ctranslate2

    first = ctranslate2.convert(resolved(marian))
    written = (first / "model.bin").stat().st_mtime_ns
    assert ctranslate2.convert(resolved(marian)) == first
    assert (first / "model.bin").stat().st_mtime_ns == written
    for file in [*first.iterdir(), *(marian / name for name in ("source.spm", "target.spm", "vocab.json"))]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer_config.json").write_bytes((marian / "tokenizer_config.json").read_bytes())
    assert isinstance(open_backend(str(tmp_path)), CTranslate2)


@pytest.mark.parametrize("content", [b"", b"\x06\x00\x00", b"weights of another program" * 99])
def test_a_converted_model_that_is_none_is_one_line(marian: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(marian, tmp_path / "opus")
    (tmp_path / "opus" / "model.bin").write_bytes(content)
    with pytest.raises(UserError, match=r"--mt ct2:.*opus cannot be read by CTranslate2: "):
        open_backend(f"ct2:{tmp_path / 'opus'}")


class Vocabulary:
    """A tokenizer as far as languages go."""

    unk_token_id, src_lang = 0, ""

    def __init__(self, *tokens: str) -> None:
        self._tokens = tokens

    def get_vocab(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self._tokens, start=1)}


def test_every_language_of_xtreme_r_has_a_code_of_flores_in_its_script_and_its_name_in_prompts() -> None:
    facts = {code: (NLLB[code][4:].replace("Hang", "Kore"), NAMES[code]) for code in LANGUAGES}
    assert facts == {code: (each.script, each.name) for code, each in LANGUAGES.items()}
    assert {TWO_LETTERS[NLLB[code][:3]] for code in LANGUAGES} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("tokens", "start"),
    [
        (("eng_Latn", "deu_Latn"), Start(first="deu_Latn")),
        (("<2en>", "<2de>"), Start(prefix="<2de> ")),
        ((">>deu<<", ">>fra<<"), Start(prefix=">>deu<< ")),
        (("a", "b"), Start()),
    ],
)
def test_each_family_is_told_the_language_its_own_way(tokens: tuple[str, ...], start: Start) -> None:
    languages = LanguageTokens(Vocabulary(*tokens), "owner/model", "owner/model")
    languages.check("en", "de")
    assert languages.start("en", "de") == start
    if start != Start():
        with pytest.raises(UserError, match="unknown target language 'xx' in owner/model.*known: de, "):
            languages.check("en", "xx")


def test_an_opus_model_of_one_pair_refuses_another() -> None:
    with pytest.raises(UserError, match="translates en to de, not en to fr"):
        LanguageTokens(Vocabulary(), "Helsinki-NLP/opus-mt-en-de", "mine").check("en", "fr")


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"device": "tpu"}, "unknown --device 'tpu'; .*known: auto, cpu, cuda"),
        ({"threads": -1}, "--threads is -1"),
        ({"compute": "int3"}, "unknown --compute 'int3' in CTranslate2 on cpu.*int8"),
    ],
)
def test_a_machine_that_there_is_not_is_refused(marian: Path, machine: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        CTranslate2(resolved(marian), ComputeConfig(**machine))


def test_without_the_package_the_install_line_is_said(marian: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    with pytest.raises(UserError, match=r"pip install 'synthgen-evaluator\[ct2\]'"):
        CTranslate2(resolved(marian))
