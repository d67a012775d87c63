"""What every family of encoders has to do under every head: a tiny random one of each, with its kind of tokenizer."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.experiment.recipe import SMALL, Stage
from synthgen.errors import UserError
from synthgen.filters.labels.checkpoint import MAX_LENGTH, SPAN_MAX_LENGTH, SPAN_STRIDE, open_verifier
from synthgen.formats.choice import Choice, ChoiceFormat
from synthgen.formats.pair import Pair, PairFormat
from synthgen.formats.span import Span, SpanFormat
from synthgen.formats.tags import TaggedSentence
from synthgen.generation.teacher import Teacher
from synthgen.models.encoder import FAMILIES, auto_class, frame, padding_id, read_tokenizer, windows, word_ids
from synthgen.text.words import treebank_tokens
from tests import tiny_encoders

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from evaluator.training import inference  # noqa: E402
from evaluator.training.heads.base import Head, collate, keep_head, load, share_encoder  # noqa: E402 - needs torch
from evaluator.training.heads.mlm import MaskedHead  # noqa: E402
from evaluator.training.heads.registry import head_for  # noqa: E402
from evaluator.training.jobs import save  # noqa: E402
from evaluator.training.loop import TrainingConfig, TrainingTask, adamw, fit  # noqa: E402
from evaluator.training.tokenisation import load_tokenizer  # noqa: E402

SENTENCES = tiny_encoders.SENTENCES
CONTEXT = "the cat sat on the mat in the house . die Katze saß auf der Matte 猫在垫子上"
STAGE = Stage(1e-3, 1, examples_per_step=4, max_length=48, stride=8, warmup=0.5)
RECORDS: dict[str, list[Any]] = {
    "pair": [Pair(SENTENCES[i], SENTENCES[i + 1], i % 3) for i in range(6)],
    "choice": [Choice(SENTENCES[i], "why ?", tuple(SENTENCES[i + 1 : i + 3]), i % 2) for i in range(6)],
    "span": [Span(CONTEXT, "who sat ?", "cat", 4), Span(CONTEXT, "wer ?", "Katze", CONTEXT.index("Katze"))] * 3,
    "tags": [
        TaggedSentence(tuple(text.split()), tuple(i % 2 for i in range(len(text.split())))) for text in SENTENCES[:6]
    ],
    "dual": [(SENTENCES[i], SENTENCES[i + 1]) for i in range(6)],
    "mlm": SENTENCES[:6],
    "retrieval": SENTENCES[:6],
}
LABELS = {"pair": ("a", "b", "c"), "choice": ("0", "1"), "tags": ("X", "Y")}
CHOICES = ChoiceFormat(("context", "question", "answer0", "answer1", "label"), ("0", "1"))
TRAINED = ("pair", "choice", "span", "tags", "dual", "mlm")


@pytest.fixture(scope="session", params=FAMILIES)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of a family."""
    return tiny_encoders.write_encoder(request.param, tmp_path_factory.mktemp(request.param))


def head(name: str, checkpoint: Path) -> Head:
    if name == "mlm":
        return MaskedHead.of(load_tokenizer(checkpoint))
    return head_for(name, LABELS.get(name, ()), SMALL)


def without_dropout(model: Any) -> Any:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def train(name: str, checkpoint: Path, *, compact: bool = True, decay: float = 0.0) -> tuple[Head, Any, Any]:
    """Return a head, its features and its model after six steps without dropout."""
    chosen = head(name, checkpoint)
    model = without_dropout(chosen.build(checkpoint, 1))
    features = chosen.encode(RECORDS[name], load_tokenizer(checkpoint), STAGE)
    stage = dataclasses.replace(STAGE, weight_decay=decay)
    config = TrainingConfig(stage, 3, steps=6, compact=compact and name != "mlm")
    log = fit([TrainingTask(model, chosen, features)], config)
    assert np.isfinite(log.losses).all()
    return chosen, features, model


def test_the_registry_and_the_tiny_encoders_are_the_same_families() -> None:
    assert list(FAMILIES) == list(tiny_encoders.FAMILIES)


@pytest.mark.parametrize("name", TRAINED)
def test_every_head_trains_scores_and_gives_the_same_outputs_when_it_is_read_again(
    encoder: Path, tmp_path: Path, name: str
) -> None:
    chosen, features, model = train(name, encoder)
    save(model, load_tokenizer(encoder), tmp_path)
    if name == "mlm":
        assert torch.equal(load("mlm", tmp_path).get_input_embeddings().weight, model.get_input_embeddings().weight)
        return
    again = keep_head(chosen.build(tmp_path, 7), tmp_path)
    if name == "dual":
        features = chosen.encode(SENTENCES, load_tokenizer(encoder), STAGE)
    before, after = (inference.run(each, chosen, features, 64) for each in (model, again))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.ptp(np.concatenate([np.ravel(output) for output in before])) > 0
    if name != "dual":
        predictions = chosen.decode(RECORDS[name], features, before)
        assert len(predictions) == len(RECORDS[name])
    assert load_tokenizer(tmp_path)("a b")["input_ids"] == load_tokenizer(encoder)("a b")["input_ids"]


def reference_inputs(name: str, tokenizer: Any, record: Any) -> dict[str, Any]:
    """Return what transformers' own tokenizer gives transformers' own model for a record."""
    texts = {
        "pair": lambda: (record.text_a, record.text_b),
        "choice": lambda: ([f"{record.context} {record.question}"] * 2, list(record.options)),
        "span": lambda: (record.question, record.context),
        "tags": lambda: (" " + " ".join(record.tokens),),
    }[name]()
    options = {"return_tensors": "pt", "return_token_type_ids": True, "padding": name == "choice"}
    return dict(tokenizer(*texts, **options))


@torch.no_grad()
@pytest.mark.parametrize("name", ["pair", "choice", "span", "tags"])
def test_logits_are_those_of_transformers_own_class_on_its_own_tokenizers_inputs(
    encoder: Path, tmp_path: Path, name: str
) -> None:
    chosen, tokenizer = head(name, encoder), load_tokenizer(encoder)
    model = chosen.build(encoder, 1).eval()
    save(model, tokenizer, tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    theirs = auto_class(name, config)[0].from_pretrained(tmp_path).eval()
    is_their_choice = "MultipleChoice" in type(theirs).__name__
    for record in RECORDS[name][:2]:
        inputs = reference_inputs(name, tokenizer, record)
        if not getattr(config, "type_vocab_size", 0) > 1:
            inputs.pop("token_type_ids")
        output = theirs(**{key: value[None] if is_their_choice else value for key, value in inputs.items()})
        is_their_span = "start_logits" in output
        expected = torch.stack([output.start_logits, output.end_logits], -1) if is_their_span else output.logits
        features = chosen.encode([record], tokenizer, dataclasses.replace(STAGE, max_length=128))
        batch = collate(features, np.array([0]), padding_id(model), torch.device("cpu"))
        assert batch.ids.tolist() == inputs["input_ids"].tolist()
        ours = torch.from_numpy(chosen.outputs(model, batch)[0]) if name == "span" else chosen.logits(model, batch)
        assert torch.allclose(ours.flatten(), expected.flatten(), atol=1e-6)
        assert ours.std() > 0


def test_training_the_occurring_rows_alone_gives_the_same_model(encoder: Path) -> None:
    (*_, compacted), (*_, plain) = (train("pair", encoder, compact=compact, decay=0.1) for compact in (True, False))
    for name, weight in plain.state_dict().items():
        assert torch.allclose(compacted.state_dict()[name], weight, atol=1e-6), name


def test_two_heads_train_one_encoder_with_the_occurring_rows_alone_too(encoder: Path) -> None:
    trained = []
    for compact in (True, False):
        heads = [head(name, encoder) for name in ("pair", "tags", "choice")]
        models = [without_dropout(each.build(encoder, 1)) for each in heads]
        for other in models[1:]:
            share_encoder(models[0], other)
        sets = [each.encode(RECORDS[each.name], load_tokenizer(encoder), STAGE) for each in heads]
        tasks = [TrainingTask(*each) for each in zip(models, heads, sets, strict=True)]
        fit(tasks, TrainingConfig(STAGE, 3, steps=6, compact=compact))
        assert all(each.get_input_embeddings() is models[0].get_input_embeddings() for each in models)
        trained.append([weight for each in models for weight in each.state_dict().values()])
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(*trained, strict=True))


def test_no_norm_and_no_bias_is_decayed(encoder: Path) -> None:
    model = head("pair", encoder).build(encoder, 1)
    decayed = {id(p) for p in adamw([model], STAGE).param_groups[0]["params"]}
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    assert norms
    assert not any(id(p) in decayed for norm in norms for p in norm.parameters(recurse=False))
    assert sum(p.dim() > 1 for p in model.parameters()) == len(decayed)


def test_retrieval_averages_the_hidden_state_that_transformers_counts_so(encoder: Path) -> None:
    recipe = dataclasses.replace(SMALL, retrieval_depth=0.5)
    for chosen in (
        head_for("retrieval", (), recipe),
        head_for("retrieval", (), dataclasses.replace(recipe, retrieval_depth=1.0)),
    ):
        layer = round(2 * chosen.recipe.retrieval_depth)
        features = chosen.encode(SENTENCES, load_tokenizer(encoder), STAGE)
        vectors = inference.run(chosen.build(encoder, 0), chosen, features, 64)
        whole = transformers.AutoModel.from_pretrained(encoder).eval()
        for text, vector in zip(SENTENCES, vectors, strict=True):
            inputs = load_tokenizer(encoder)(text, return_tensors="pt")
            states = whole(**inputs, output_hidden_states=True).hidden_states[layer]
            expected = torch.nn.functional.normalize(states.mean(1), dim=1)[0]
            assert torch.allclose(torch.from_numpy(vector), expected, atol=1e-5)


def test_words_are_read_as_in_running_text(encoder: Path) -> None:
    tokenizer = load_tokenizer(encoder)
    words = SENTENCES[1].split()
    joined = [piece for ids in word_ids(words, tokenizer) for piece in ids]
    marked = tokenizer("." + " " + " ".join(words), add_special_tokens=False)["input_ids"]
    assert joined == marked[-len(joined) :]
    assert all(word_ids(["", "\u200b", "猫"], tokenizer))


def test_what_is_remembered_of_a_tokenizer_does_not_keep_it_in_memory(encoder: Path) -> None:
    tokenizer = read_tokenizer(encoder)
    assert frame(tokenizer, 2) == frame(tokenizer, 2)
    assert word_ids(["cat", "sat"], tokenizer)
    alive = weakref.ref(tokenizer)
    del tokenizer
    gc.collect()
    assert alive() is None


def test_windows_are_pairs_of_the_tokenizer_and_their_places_are_the_words(encoder: Path) -> None:
    tokenizer, around = load_tokenizer(encoder), frame(load_tokenizer(encoder), 2)
    read = list(windows("who sat ?", CONTEXT, tokenizer, max_length=20, stride=8))
    assert len(read) > 1
    for window in read:
        assert len(window.ids) <= 20
        assert window.ids[: len(around.first)] == list(around.first)
        assert window.ids[-len(around.last) :] == list(around.last)
        starts, ends = window.places[window.inside, 0], window.places[window.inside, 1]
        texts = [CONTEXT[start:end] for start, end in zip(starts, ends, strict=True)]
        assert all(text == text.strip() for text in texts)
    start = CONTEXT.index("Katze")
    first, last = (
        head("span", encoder)
        .encode([Span(CONTEXT, "wer ?", "Katze", start)], tokenizer, dataclasses.replace(STAGE, max_length=128))
        .target(0)[:2]
    )
    places = next(windows("wer ?", CONTEXT, tokenizer, max_length=128, stride=8)).places
    assert (places[first, 0], places[last, 1]) == (start, start + len("Katze"))


def test_a_question_that_fills_a_window_leaves_room_for_the_context(encoder: Path) -> None:
    read = list(windows(" ".join(SENTENCES), CONTEXT, load_tokenizer(encoder), max_length=16, stride=8))
    assert all(len(window.ids) <= 16 for window in read)
    assert all(window.inside.stop > window.inside.start for window in read)


@pytest.mark.parametrize("family", ["bert", "rembert"])
@pytest.mark.parametrize("name", ["pair", "choice", "span"])
def test_second_texts_are_of_the_second_segment_where_a_model_has_two(tmp_path: Path, family: str, name: str) -> None:
    checkpoint = tiny_encoders.write_encoder(family, tmp_path)
    chosen, tokenizer = head(name, checkpoint), load_tokenizer(checkpoint)
    features = chosen.encode(RECORDS[name], tokenizer, STAGE)
    assert features.seconds is not None
    model = chosen.build(checkpoint, 1).eval()
    batch = collate(features, np.arange(2), 0, torch.device("cpu"))
    ids, segments = batch.ids[0], batch.inputs(model)["token_type_ids"][0]
    middle = ids.tolist().index(tokenizer.sep_token_id)
    assert segments.tolist() == [0] * (middle + 1) + [1] * (int(batch.mask[0].sum()) - middle - 1) + [0] * (
        len(ids) - int(batch.mask[0].sum())
    )
    plain = dataclasses.replace(batch, segments=None)
    assert not torch.equal(chosen.loss(model, batch), chosen.loss(model, plain))


@pytest.mark.parametrize("name", ["pair", "choice", "span"])
def test_a_verifier_reads_rows_as_the_head_of_its_checkpoint_does(encoder: Path, tmp_path: Path, name: str) -> None:
    chosen, tokenizer = head(name, encoder), load_tokenizer(encoder)
    save(chosen.build(encoder, 1), tokenizer, tmp_path)
    formats = {"pair": PairFormat(("a", "b"), LABELS["pair"]), "choice": CHOICES, "span": SpanFormat(("yes",))}
    stage = Stage(1.0, 1, max_length=SPAN_MAX_LENGTH if name == "span" else MAX_LENGTH, stride=SPAN_STRIDE)
    features = chosen.encode(RECORDS[name], tokenizer, stage)
    (predicted,) = inference.predict(chosen.build(tmp_path, 1), chosen, [(RECORDS[name], features)], 4096)
    format_: Any = formats[name]
    said = [each.text for each in open_verifier(tmp_path, format_).read([format_.to_row(r) for r in RECORDS[name]])]
    assert said == ([format_.labels[place] for place in predicted] if name == "choice" else predicted)


def test_a_teacher_reads_words_as_the_head_of_its_checkpoint_does(encoder: Path, tmp_path: Path) -> None:
    chosen, tokenizer = head("tags", encoder), load_tokenizer(encoder)
    save(chosen.build(encoder, 1), tokenizer, tmp_path)
    records = [TaggedSentence(tuple(treebank_tokens(text)), (0,) * len(treebank_tokens(text))) for text in SENTENCES]
    features = chosen.encode(records, tokenizer, Stage(1.0, 1))
    (predicted,) = inference.predict(chosen.build(tmp_path, 1), chosen, [(records, features)], 4096)
    assert [tuple(tags) for tags in Teacher(tmp_path)._tags([record.tokens for record in records])] == predicted


def test_a_checkpoint_of_another_head_verifies_nothing(tmp_path: Path) -> None:
    encoder = tiny_encoders.write_encoder("eurobert", tmp_path / "encoder")
    save(head("pair", encoder).build(encoder, 1), load_tokenizer(encoder), tmp_path / "pair")
    with pytest.raises(UserError, match="was not trained for choice: it has 3 labels"):
        open_verifier(tmp_path / "pair", CHOICES)
