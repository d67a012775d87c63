"""Which encoders fit: found from config and tokenizer, said in one line, before anything is trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evaluator
from evaluator.experiment.arguments import Arguments
from evaluator.experiment.definition import define
from evaluator.experiment.encoders import check_heads, faults, read_facts
from evaluator.experiment.jobs import identity
from evaluator.experiment.recipe import RECIPES, load_recipe
from evaluator.stats.results import read_results
from synthgen.errors import UserError
from synthgen.models.encoder import FAMILIES
from synthgen.models.packs import ResolvedModel, resolve
from tests import hub as loopback
from tests import tiny_encoders
from tests.hub import Hub

pytest.importorskip("torch")
hub = loopback.hub
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a maker of tiny checkpoints, each family's once."""
    root = tmp_path_factory.mktemp("encoders")

    def write(family: str) -> Path:
        return root / family if (root / family).exists() else tiny_encoders.write_encoder(family, root / family)

    return write


@pytest.fixture
def copy(tiny: Callable[[str], Path], tmp_path: Path) -> Callable[..., ResolvedModel]:
    """Return a maker of copies of a tiny checkpoint, without some files and with other values in its config."""

    def make(family: str, *, without: tuple[str, ...] = (), **config: object) -> ResolvedModel:
        folder = shutil.copytree(tiny(family), tmp_path / "model")
        for name in without:
            (folder / name).unlink()
        known = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(known | config), encoding="utf-8")
        return resolve(str(folder))

    return make


def reasons(model: ResolvedModel) -> dict[str, str]:
    return faults(model.path, read_facts(model))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_target_fits_every_family(tiny: Callable[[str], Path], family: str) -> None:
    rows = evaluator.models(check=str(tiny(family)))
    assert [row["reason"] for row in rows if not row["fits"]] == []
    assert {row["head"] for row in rows} >= {"pair", "choice", "span", "tags", "dual", "retrieval", "mlm"}


def test_a_model_is_checked_without_its_weights(copy: Callable[..., ResolvedModel]) -> None:
    model = copy("mmbert", without=("model.safetensors",))
    assert all(row["fits"] for row in evaluator.models(check=str(model.path)))


def test_weights_of_the_hub_are_not_fetched_for_a_check(tiny: Callable[[str], Path], hub: Hub) -> None:
    hub.repos["someone/encoder"] = {path.name: path.read_bytes() for path in tiny("mdeberta").iterdir()}
    assert all(row["fits"] for row in evaluator.models(check="someone/encoder"))
    assert any("tokenizer.json" in request for request in hub.requests)
    assert not any("safetensors" in request for request in hub.requests)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            {"model_type": "llama"},
            "--model .*model is of type llama, which is not an encoder; `evaluator models` lists",
        ),
        ({"model_type": "gpt2"}, "is of type gpt2, which is not an encoder"),
        ({"model_type": "modernbert-decoder"}, "is of type modernbert-decoder, which is not an encoder"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "is of type t5, an encoder-decoder"),
        (
            {"model_type": "new", "auto_map": {"AutoModel": "m.M"}},
            "is of type new, which transformers does not support",
        ),
        ({"is_decoder": True}, "is of type bert and is configured as a decoder"),
        ({"max_position_embeddings": 4}, "has a maximum length of 4 tokens"),
        ({"model_type": None}, "is of type None, which transformers does not support"),
        ({"hidden_size": None}, "config.json is of no encoder that can be trained: it has no size in hidden_size"),
    ],
)
def test_what_is_no_encoder_is_refused_in_a_line_before_its_weights_are_read(
    copy: Callable[..., ResolvedModel], samples: Path, tmp_path: Path, config: dict[str, Any], fault: str
) -> None:
    model = copy("bert", without=("model.safetensors",), **config)
    options: dict[str, Any] = {"targets": ["xnli"], "languages": ["en"], "data_root": samples, "seeds": 1}
    with pytest.raises(UserError, match=fault) as error:
        define(Arguments(["none=none"], model=str(model.path), store=tmp_path / "store", **options))
    assert "\n" not in str(error.value)


def test_an_arms_model_is_checked_too(
    copy: Callable[..., ResolvedModel], tiny_model: Path, samples: Path, tmp_path: Path
) -> None:
    model = copy("bert", model_type="llama")
    options: dict[str, Any] = {"targets": ["xnli"], "languages": ["en"], "data_root": samples, "seeds": 1}
    arms = ["none=none", f"other=model:{model.path}"]
    with pytest.raises(UserError, match="arm other: model .* is of type llama, which is not an encoder"):
        define(Arguments(arms, model=str(tiny_model), store=tmp_path / "store", **options))


def test_a_tokenizer_without_offsets_fits_all_but_spans(copy: Callable[..., ResolvedModel]) -> None:
    model = copy("bert", without=TOKENIZER_FILES)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *["the", "cat", "sat", "on", "a", "mat"]]
    (model.path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    slow = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"}
    (model.path / "tokenizer_config.json").write_text(json.dumps(slow), encoding="utf-8")
    assert list(reasons(model)) == ["span"]
    with pytest.raises(UserError, match="does not fit xquad, tydiqa: its tokenizer gives no offsets"):
        check_heads(model, read_facts(model), {"pair": ["xnli"], "span": ["xquad", "tydiqa"]})
    check_heads(model, read_facts(model), {"pair": ["xnli"], "tags": ["udpos"]})


def test_plan_refuses_targets_that_do_not_fit_before_it_counts_anything(
    copy: Callable[..., ResolvedModel], samples: Path, tmp_path: Path
) -> None:
    model = copy("mmbert", vocab_size=100)
    options: dict[str, Any] = {"targets": ["xnli", "udpos"], "languages": ["en"], "data_root": samples, "seeds": 1}
    with pytest.raises(
        UserError, match=r"does not fit xnli, udpos: its tokenizer has \d+ tokens and the model's vocabulary 100"
    ):
        evaluator.plan(["none=none"], model=str(model.path), recipe="small", store=tmp_path / "store", **options)
    assert not list((tmp_path / "store").rglob("*.bin"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_without_any_tokenizer_file_is_refused(copy: Callable[..., ResolvedModel], family: str) -> None:
    model = copy(family, without=TOKENIZER_FILES)
    assert set(reasons(model).values()) == {
        f"{model.path} has no tokenizer: none of tokenizer.json, *.model, vocab.txt, vocab.json"
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_tokenizer_json_alone_is_enough(copy: Callable[..., ResolvedModel], family: str) -> None:
    unfit = reasons(copy(family, without=("tokenizer_config.json",)))
    assert set(unfit) <= {"mlm"}  # where no config names the mask token


@pytest.mark.parametrize(
    ("family", "name"), [("xlm-r", "sentencepiece.bpe.model"), ("mdeberta", "spm.model"), ("bert", "vocab.txt")]
)
def test_a_vocabulary_alone_is_enough(
    copy: Callable[..., ResolvedModel], tmp_path: Path, family: str, name: str
) -> None:
    model = copy(family, without=TOKENIZER_FILES)
    if name == "vocab.txt":
        (model.path / name).write_text("\n".join([*tiny_encoders.BERT_SPECIALS, "the", "cat"]), encoding="utf-8")
    else:
        sentencepiece = pytest.importorskip("sentencepiece")
        (tmp_path / "text").write_text("\n".join(tiny_encoders.SENTENCES * 3), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(
            input=str(tmp_path / "text"), model_prefix=str(tmp_path / "m"), vocab_size=60, hard_vocab_limit=False,
            minloglevel=2,
        )  # fmt: skip
        shutil.copy(tmp_path / "m.model", model.path / name)
    assert reasons(model) == {}


def test_a_tokenizer_that_puts_nothing_between_two_texts_fits_no_pairs(copy: Callable[..., ResolvedModel]) -> None:
    model = copy("eurobert")
    path = model.path / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["post_processor"] = None
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    assert set(reasons(model)) >= {"pair", "choice", "span"}
    assert not {"tags", "retrieval"} & set(reasons(model))


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"pad_token_id": None}, {"pad_token_id": -1}, {"type_vocab_size": 1}])
@pytest.mark.parametrize("family", ["bert", "mmbert"])
def test_odd_configs_train_and_score(
    copy: Callable[..., ResolvedModel],
    samples: Path,
    tiny_recipe: str,
    tmp_path: Path,
    family: str,
    change: dict[str, Any],
) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    model = copy(family, **change)
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(model.path)).save_pretrained(model.path)
    limits: dict[str, Any] = {"max_train_examples": 8, "max_eval_examples": 8, "seeds": 1, "data_root": samples}
    evaluator.compare(
        ["none=none"], targets=["xnli", "udpos"], languages=["en"], model=str(model.path), recipe=tiny_recipe,
        store=tmp_path / "store", out=tmp_path / "out" / "report.html", **limits,
    )  # fmt: skip
    assert all(row.value is not None for row in read_results(tmp_path / "out" / "results.jsonl").rows)


def test_the_longest_input_is_what_the_positions_hold(copy: Callable[..., ResolvedModel], capsys: Any) -> None:
    model = copy("xlm-r")
    config = json.loads((model.path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["model_max_length"] > 1e29
    facts = read_facts(model)
    assert facts.max_length == 130 - 2
    recipe = load_recipe("xtreme", 16, "xlm-r").fitted(facts.max_length)
    assert max(stage.max_length for stage in recipe.stages.values()) == recipe.retrieval_max_length == 128
    assert recipe.intermediate(["span"]).max_length == 128
    assert "lengths up to 512 are cut to 128" in capsys.readouterr().err
    assert load_recipe("xtreme", 16).fitted(512) is load_recipe("xtreme", 16)


@pytest.mark.parametrize(
    ("family", "positions", "most"),
    [("bert", 512, 512), ("mdeberta", 512, None), ("mmbert", 8192, 8192), ("xlm-r", 514, 512)],
)
def test_positions_count_as_the_family_does(
    copy: Callable[..., ResolvedModel], family: str, positions: int, most: int | None
) -> None:
    assert read_facts(copy(family, max_position_embeddings=positions)).max_length == most


def test_keys_of_xlm_r_stay_and_those_of_others_say_how_inputs_are_made(tiny: Callable[[str], Path]) -> None:
    assert "+" not in identity(resolve(str(tiny("xlm-r"))))
    assert all(identity(resolve(str(tiny(name)))).endswith("+inputs1") for name in FAMILIES if name != "xlm-r")


@pytest.mark.parametrize(
    ("family", "width", "recipe"),
    [
        ("xlm-r", 768, "xtreme-base"), ("xlm-r", 1024, "xtreme-large"), ("bert", 768, "xtreme-base"),
        ("mdeberta", 768, "mdeberta-base"), ("mmbert", 768, "mmbert-base"), ("mmbert", 384, "mmbert-base"),
        ("eurobert", 768, "eurobert-base"), ("eurobert", 1152, "eurobert-large"), ("rembert", 1152, "xtreme-large"),
        ("", 768, "xtreme-base"),
    ],
)  # fmt: skip
def test_the_recipe_goes_by_family_and_size(family: str, width: int, recipe: str) -> None:
    assert load_recipe("xtreme", width, family).name == recipe


def test_a_recipe_of_another_family_is_used_with_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    load_recipe("xtreme", 1152, "rembert")
    assert (
        "recipe xtreme-large is for encoders of the family xlm-r; this encoder is of the family rembert"
        in capsys.readouterr().err
    )
    load_recipe("small", 384, "mmbert")
    assert capsys.readouterr().err == ""


def test_a_recipe_file_names_families_that_there_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text, fault in (('["xlmr"]', "unknown family 'xlmr' in .*; did you mean 'xlm-r'"), ("3", "expected a list of")):
        path.write_text(f"families = {text}\n", encoding="utf-8")
        with pytest.raises(UserError, match=fault):
            load_recipe(str(path), 384)


def test_every_recipe_says_where_it_comes_from_and_every_family_has_one() -> None:
    assert all(recipe.source for recipe in RECIPES.values())
    rows = {row["family"]: row for row in evaluator.models()}
    assert list(rows) == list(FAMILIES)
    assert all(row["recipes"] and row["note"] and row["examples"] for row in rows.values())
