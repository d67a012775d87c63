"""Batching, vocabulary compaction and the loop: what they promise, on a tiny model."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.experiment.recipe import SMALL, XTREME_BASE, Stage, load_recipe
from evaluator.training.batching import inference_batches, split_step, training_steps
from evaluator.training.features import Feature, Features, merge, pack, write_features
from synthgen.errors import IncompleteError, UserError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from evaluator.training import inference  # noqa: E402
from evaluator.training.heads.base import Batch, collate  # noqa: E402
from evaluator.training.heads.dual import DualHead  # noqa: E402
from evaluator.training.heads.mlm import hide  # noqa: E402
from evaluator.training.heads.pair import PairHead  # noqa: E402 - needs torch
from evaluator.training.heads.span import SpanHead  # noqa: E402
from evaluator.training.heads.tags import TagsHead  # noqa: E402
from evaluator.training.loop import DevEvaluator, TrainingConfig, TrainingLog, TrainingTask, fit  # noqa: E402
from evaluator.training.tokenisation import load_tokenizer  # noqa: E402
from synthgen.formats.answer_windows import best_span, central_tokens, window_spans  # noqa: E402
from synthgen.formats.span import Span  # noqa: E402
from synthgen.formats.tags import TaggedSentence  # noqa: E402

LENGTHS = st.lists(st.integers(3, 120), min_size=1, max_size=300).map(np.array)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 5))
def test_an_epoch_covers_every_example_once_and_order_depends_on_the_seed_alone(
    lengths: np.ndarray, size: int, seed: int
) -> None:
    steps = math.ceil(len(lengths) / size)
    once, again = (list(training_steps(lengths, size, steps, np.random.default_rng(seed))) for _ in range(2))
    assert sorted(np.concatenate(once)) == list(range(len(lengths)))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert all(len(step) <= size for step in once)


@given(LENGTHS, st.integers(64, 4096))
def test_splitting_a_step_keeps_its_examples_and_the_budget(lengths: np.ndarray, budget: int) -> None:
    batches = split_step(np.arange(len(lengths)), lengths, budget)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * lengths[b].max() <= budget for b in batches)


@given(LENGTHS, st.integers(64, 4096))
def test_inference_batches_cover_everything_longest_first(lengths: np.ndarray, budget: int) -> None:
    order = np.concatenate(list(inference_batches(lengths, budget)))
    assert sorted(order) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()


@pytest.mark.parametrize(
    ("examples", "size", "center"), [(5000, 32, 3.6), (150, 16, 3.6), (150, 16, 2.9), (96, 32, 2.9)]
)
def test_padding_is_below_five_percent_on_lengths_like_mnli_and_on_small_sets_of_short_ones(
    examples: int, size: int, center: float
) -> None:
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.lognormal(center, 0.45, examples).astype(int), 5, 128)
    real = padded = 0
    for step in training_steps(lengths, size, math.ceil(examples / size), draw):
        for batch in split_step(step, lengths, 4096):
            real += lengths[batch].sum()
            padded += len(batch) * lengths[batch].max()
    assert 1 - real / padded < 0.05


def pairs(model: Path, count: int, *, seed: int = 0) -> Features:
    draw = np.random.default_rng(seed)
    rows = [draw.integers(4, 30, size=draw.integers(4, 20)) for _ in range(count)]
    return pack(Feature(([0, *row, 2],), (int(row.sum()) % 3,), i) for i, row in enumerate(rows))


def without_dropout(network: torch.nn.Module) -> torch.nn.Module:
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return network


def trained(
    model: Path, *, compact: bool, decay: float, steps: int = 50
) -> tuple[TrainingLog, dict[str, torch.Tensor]]:
    head = PairHead(("a", "b", "c"))
    network = head.build(model, 1)
    without_dropout(network)
    stage = Stage(1e-3, 1, examples_per_step=8, weight_decay=decay, warmup=0.1)
    log = fit([TrainingTask(network, head, pairs(model, 64))], TrainingConfig(stage, 3, steps=steps, compact=compact))
    return log, network.state_dict()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_compaction_equals_plain_training(tiny_model: Path, decay: float) -> None:
    plain, full = trained(tiny_model, compact=False, decay=decay)
    compacted, small = trained(tiny_model, compact=True, decay=decay)
    assert compacted.losses == pytest.approx(plain.losses, abs=1e-5)
    assert full.keys() == small.keys()
    for name, weight in full.items():
        assert torch.allclose(small[name], weight, atol=1e-5), name


@pytest.mark.model
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_compaction_equals_plain_training_on_the_encoder_pack(decay: float, samples: Path) -> None:
    from evaluator.benchmark.registry import find
    from evaluator.benchmark.target import DataRoot
    from synthgen.models.packs import resolve

    model, head = resolve("pack:multilingual-e5-small").path, PairHead(("a", "b", "c"))
    read = find("xnli").train
    assert read is not None
    records = sorted(read(DataRoot(samples)).records, key=lambda record: len(record.text_a + record.text_b))[:16]
    stage = Stage(5e-5, 1, examples_per_step=2, max_length=24, weight_decay=decay, warmup=0.1)
    features = head.encode(records, load_tokenizer(model), stage)
    found = []
    for compact in (False, True):
        network = without_dropout(head.build(model, 1))
        log = fit([TrainingTask(network, head, features)], TrainingConfig(stage, 3, steps=50, compact=compact))
        found.append((log.losses, network.state_dict()))
    (plain, full), (compacted, small) = found
    assert compacted == pytest.approx(plain, abs=1e-5)
    assert all(torch.allclose(small[name], weight, atol=1e-5) for name, weight in full.items())


def test_rows_that_never_occur_change_by_weight_decay_alone(tiny_model: Path) -> None:
    head = PairHead(("a", "b", "c"))
    before = head.build(tiny_model, 1).get_input_embeddings().weight.detach().clone()
    _, after = trained(tiny_model, compact=True, decay=0.0, steps=5)
    table = after["roberta.embeddings.word_embeddings.weight"]
    assert torch.equal(table[40:], before[40:])
    assert not torch.equal(table[4:30], before[4:30])


def test_the_same_run_twice_gives_the_same_weights(tiny_model: Path) -> None:
    def run() -> dict[str, torch.Tensor]:
        head = PairHead(("a", "b", "c"))
        network = head.build(tiny_model, 1)
        fit(
            [TrainingTask(network, head, pairs(tiny_model, 40))], TrainingConfig(Stage(1e-3, 1, examples_per_step=8), 3)
        )
        return network.state_dict()

    first, second = run(), run()
    assert all(torch.equal(first[name], second[name]) for name in first)


@dataclasses.dataclass(frozen=True)
class CrampedHead(PairHead):
    """A head on a device where no more than three examples of a step fit at once."""

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        if len(batch.ids) > 3:
            raise torch.OutOfMemoryError
        return super().loss(model, batch)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> list[np.ndarray]:
        if len(batch.ids) > 3:
            raise torch.OutOfMemoryError
        return super().outputs(model, batch)


def test_too_little_memory_cuts_steps_finer_and_changes_nothing_else(tiny_model: Path) -> None:
    features, stage = pairs(tiny_model, 48), Stage(1e-3, 1, examples_per_step=16)
    found = []
    for head in (PairHead(("a", "b", "c")), CrampedHead(("a", "b", "c"))):
        network = without_dropout(head.build(tiny_model, 1))
        log = fit([TrainingTask(network, head, features)], TrainingConfig(stage, 3))
        found.append((log, np.stack(inference.run(network, head, features, 4096))))
    (roomy, expected), (cramped, outputs) = found
    assert (cramped.steps, cramped.examples) == (roomy.steps, roomy.examples) == (3, 48)
    assert cramped.losses == pytest.approx(roomy.losses, abs=1e-5)
    assert np.allclose(outputs, expected, atol=1e-5)


def test_an_example_that_does_not_fit_is_said_in_a_line(tiny_model: Path) -> None:
    class Head(CrampedHead):
        def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
            raise torch.OutOfMemoryError

    head = Head(("a", "b", "c"))
    with pytest.raises(IncompleteError, match=r"one example of \d+ tokens does not fit in the memory of cpu at step 1"):
        fit([TrainingTask(head.build(tiny_model, 1), head, pairs(tiny_model, 8))], TrainingConfig(Stage(1e-3, 1), 3))


def best_at(step: int, features: Features, patience: int) -> DevEvaluator:
    """Return an evaluator that scores the model after `step` steps best, and scores after every step."""
    scores = (-abs(number - step) for number in itertools.count(1))

    def score(model: torch.nn.Module, remap: object) -> float:
        model.eval()
        return next(scores)

    return DevEvaluator(features, 1, patience, score)


@pytest.mark.parametrize("compact", [True, False])
def test_dev_evaluation_keeps_the_best_model_and_ends_training(tiny_model: Path, compact: bool) -> None:
    head, features = PairHead(("a", "b", "c")), pairs(tiny_model, 64)
    stage = Stage(1e-3, 1, examples_per_step=8, weight_decay=0.1)

    def run(evaluator: DevEvaluator | None) -> tuple[TrainingLog, dict[str, torch.Tensor]]:
        network = head.build(tiny_model, 1)
        weights: dict[str, torch.Tensor] = {}

        def copy(step: int, steps: int, loss: float) -> None:
            if step == 3:
                weights.update({name: value.clone() for name, value in network.state_dict().items()})

        log = fit([TrainingTask(network, head, features)], TrainingConfig(stage, 3, compact=compact), copy, evaluator)
        return log, weights if evaluator is None else network.state_dict()

    log, kept = run(best_at(3, pairs(tiny_model, 8, seed=9), patience=2))
    _, third = run(None)
    assert log.steps == 5
    name = "classifier.dense.weight"
    assert torch.equal(kept[name], third[name])
    assert kept["roberta.embeddings.word_embeddings.weight"].shape[0] == head.build(tiny_model, 1).config.vocab_size
    if not compact:
        assert all(torch.equal(kept[name], third[name]) for name in kept)


def test_a_diverged_run_stops_with_a_verdict(tiny_model: Path) -> None:
    head = PairHead(("a", "b", "c"))
    network = head.build(tiny_model, 1)
    network.classifier.out_proj.weight.data.fill_(float("nan"))
    with pytest.raises(
        IncompleteError, match=r"training diverged: the loss is nan at step 1 of 5 \(learning rate 0.001"
    ):
        fit(
            [TrainingTask(network, head, pairs(tiny_model, 40))], TrainingConfig(Stage(1e-3, 1, examples_per_step=8), 3)
        )


def test_the_losses_of_some_steps_are_read_together_and_the_step_that_diverged_is_named(tiny_model: Path) -> None:
    head, seen = PairHead(("a", "b", "c")), list[float]()
    network = head.build(tiny_model, 1)

    def spoil(step: int, steps: int, loss: float) -> None:
        seen.append(loss)
        if step == 20:
            network.classifier.out_proj.weight.data.fill_(float("nan"))

    stage = Stage(1e-3, 5, examples_per_step=8)
    with pytest.raises(IncompleteError, match="the loss is nan at step 21 of 50"):
        fit([TrainingTask(network, head, pairs(tiny_model, 80))], TrainingConfig(stage, 3), spoil)
    assert len(seen) == 32  # read after the first step, and after each sixteen that follow
    assert len(set(seen)) == 2


def test_positions_start_at_two_with_any_padding(tiny_model: Path) -> None:
    head = PairHead(("a", "b", "c"))
    network = head.build(tiny_model, 1).eval()
    alone = network(input_ids=torch.tensor([[0, 5, 6, 2]]), attention_mask=torch.ones(1, 4, dtype=torch.long)).logits
    padded = network(
        input_ids=torch.tensor([[0, 5, 6, 2, 1, 1]]), attention_mask=torch.tensor([[1, 1, 1, 1, 0, 0]])
    ).logits
    assert torch.allclose(alone, padded, atol=1e-6)
    explicit = network(
        input_ids=torch.tensor([[0, 5, 6, 2]]), attention_mask=torch.ones(1, 4, dtype=torch.long),
        position_ids=torch.tensor([[2, 3, 4, 5]]),
    ).logits  # fmt: skip
    assert torch.allclose(alone, explicit, atol=1e-6)


def test_a_step_without_dropout_is_the_step_of_transformers_trainer(tiny_model: Path, tmp_path: Path) -> None:
    features, head, steps = pairs(tiny_model, 8), PairHead(("a", "b", "c")), 6
    ours, theirs = (without_dropout(head.build(tiny_model, 1)) for _ in range(2))
    fit([TrainingTask(ours, head, features)], TrainingConfig(Stage(1e-3, 1, examples_per_step=8), 3, steps=steps))

    def collator(items: list[dict[str, int]]) -> dict[str, torch.Tensor]:
        batch = collate(features, np.array([item["index"] for item in items]), 1, torch.device("cpu"))
        return {"input_ids": batch.ids, "attention_mask": batch.mask, "labels": batch.targets[:, 0]}

    arguments = transformers.TrainingArguments(
        str(tmp_path), per_device_train_batch_size=8, max_steps=steps, learning_rate=1e-3, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    rows = [{"index": index} for index in range(8)]
    transformers.Trainer(model=theirs, args=arguments, train_dataset=rows, data_collator=collator).train()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], value, atol=1e-5), name


def test_the_loss_of_questions_does_not_depend_on_how_long_their_neighbours_are(tiny_model: Path) -> None:
    head = SpanHead()
    network = head.build(tiny_model, 1).eval()
    features = pack(Feature(([0, *range(5, 5 + length), 2],), (length // 2, length), 0) for length in (4, 9, 30))
    alone = [head.loss(network, collate(features, np.array([i]), 1, torch.device("cpu"))).item() for i in range(3)]
    together = head.loss(network, collate(features, np.arange(3), 1, torch.device("cpu"))).item()
    assert together == pytest.approx(sum(alone), abs=1e-5)


def test_a_fresh_head_forgets_the_checkpoints_and_depends_on_the_seed(tiny_model: Path, tmp_path: Path) -> None:
    head = PairHead(("a", "b", "c"))
    head.build(tiny_model, 1).save_pretrained(tmp_path)
    same, other = head.build(tmp_path, 1), head.build(tmp_path, 2)
    assert torch.equal(same.classifier.dense.weight, head.build(tiny_model, 1).classifier.dense.weight)
    assert not torch.equal(same.classifier.dense.weight, other.classifier.dense.weight)


def test_a_dual_encoder_begins_with_the_checkpoints_weights_and_a_fresh_pooler(tiny_model: Path) -> None:
    given = transformers.AutoModel.from_pretrained(tiny_model).state_dict()
    built = DualHead().build(tiny_model, 1).state_dict()
    other = {name for name, weight in given.items() if not torch.equal(weight, built[name])}
    assert other == {"pooler.dense.weight"}


def test_masking_hides_an_exact_number_of_inner_tokens_and_differs_each_time() -> None:
    ids = torch.arange(10, 34).reshape(2, 12)
    ids[1, 8:] = 1
    mask = (ids != 1).long()
    batch = Batch(ids, mask, torch.tensor([[4], [2]]), real_tokens=20)
    torch.manual_seed(0)
    shown, hidden = hide(batch, mask_id=3, vocabulary=5)
    again = hide(batch, mask_id=3, vocabulary=5)[1]
    assert hidden.sum(1).tolist() == [4, 2]
    assert not hidden[:, 0].any()
    assert not hidden[0, 11]
    assert not hidden[1, 7:].any()
    assert torch.equal(shown[~hidden], ids[~hidden])
    assert not torch.equal(hidden, again)


def test_long_sentences_are_split_and_rejoined(tiny_model: Path) -> None:
    tokenizer, head = load_tokenizer(tiny_model), TagsHead(("A", "B"))
    sentence = TaggedSentence(tuple(["cat", "dog", "sat", "ran"] * 10), tuple([0, 1] * 20))
    features = head.encode([sentence], tokenizer, Stage(1.0, 1, max_length=12))
    assert len(features) == 4
    assert features.lengths.max() <= 12
    labels = [np.where(features.target(i) == -100, 0, features.target(i)) for i in range(len(features))]
    assert head.decode([sentence], features, labels) == [tuple("AB" * 20)]


def test_every_window_that_holds_the_answer_decodes_to_it(tiny_model: Path) -> None:
    tokenizer, head = load_tokenizer(tiny_model), SpanHead()
    context = " ".join(["the cat sat on the mat in the house"] * 6) + " red tree under dog"
    record = Span(context, "we ran ?", "red tree", context.index("red tree"))
    features = head.encode([record], tokenizer, Stage(1.0, 1, max_length=32, stride=8))
    outputs = []
    for i in range(len(features)):
        logits = np.zeros((int(features.lengths[i]), 2), dtype=np.float32)
        start, end = features.target(i)[:2]
        if start:
            logits[start, 0] = logits[end, 1] = 9
        outputs.append(logits)
    assert len(features) > 2
    assert head.decode([record], features, outputs) == ["red tree"]


def test_spans_outside_the_context_or_too_long_are_not_chosen() -> None:
    logits = np.zeros((50, 2), dtype=np.float32)
    logits[0] = 99
    logits[2, 0] = logits[49, 1] = 9
    places = np.full((50, 3), -100)
    places[2:, :2], places[2:, 2] = np.arange(96).reshape(48, 2), 1
    found = best_span(logits, places)
    assert found is not None
    assert found[0] <= 9


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_windows_cover_a_context_and_every_token_is_central_in_one(tokens: int, room: int, stride: int) -> None:
    spans = window_spans(tokens, room, min(stride, room))
    central = central_tokens(spans)
    owned = [first + place for (first, _), flags in zip(spans, central, strict=True) for place in np.flatnonzero(flags)]
    assert sorted(owned) == list(range(tokens))
    assert all(last - first <= room for first, last in spans)


def test_a_span_starts_only_in_the_window_that_sees_most_of_its_context() -> None:
    spans = window_spans(12, 8, 4)
    assert [np.flatnonzero(flags).tolist() for flags in central_tokens(spans)] == [
        [0, 1, 2, 3, 4, 5],
        [2, 3, 4, 5, 6, 7],
    ]
    logits = np.zeros((8, 2), dtype=np.float32)
    logits[6, 0] = logits[7, 1] = 9
    places = np.stack([np.arange(8), np.arange(1, 9), central_tokens(spans)[0]], axis=1)
    found = best_span(logits, places)
    assert found is not None
    assert found[:2] != (18.0, 6)


def test_features_written_in_parts_read_back_as_one(tmp_path: Path) -> None:
    part = pack([Feature(([0, 9, 2], [0, number, 2, 2]), (number,), number) for number in range(3)], group=2)
    read = write_features(tmp_path, [(part, 3), (part, 3)])
    assert (read.group, len(read)) == (2, 6)
    assert read.owners.tolist() == [0, 1, 2, 3, 4, 5]
    assert read.sequence(9).tolist() == [0, 1, 2, 2]
    assert read.target(5).tolist() == [2]


def test_merged_features_keep_their_order() -> None:
    merged = merge([pack([Feature(([0, 2],), (1,), 0)]), pack([Feature(([0, 5, 2],), (2,), 0)])])
    assert merged.owners.tolist() == [0, 1]
    assert merged.target(1).tolist() == [2]


def test_the_retrieval_layer_is_fourteen_of_twenty_four_and_in_proportion() -> None:
    assert (SMALL.retrieval_layer(24), SMALL.retrieval_layer(12)) == (14, 7)


def test_a_recipe_file_changes_a_base_and_refuses_unknown_keys(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "xtreme"\n[stages.xnli]\nepochs = 1\n', encoding="utf-8")
    assert load_recipe(str(path), 384).stage("xnli").epochs == 1
    assert load_recipe(str(path), 384).stage("udpos") == XTREME_BASE.stage("udpos")
    path.write_text("[stages.xnli]\nlearnin_rate = 1\n", encoding="utf-8")
    with pytest.raises(
        UserError, match="unknown key 'learnin_rate' in .stages.xnli. of .*; did you mean 'learning_rate'?"
    ):
        load_recipe(str(path), 384)


def test_a_recipe_file_can_have_the_stage_of_a_target_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[stages.mine]\nlearning_rate = 2e-5\nepochs = 4\n", encoding="utf-8")
    assert load_recipe(str(path), 384).stage("mine") == Stage(2e-5, epochs=4)
    path.write_text("[stages.xnil]\nepochs = 4\n", encoding="utf-8")
    with pytest.raises(UserError, match="unknown stage 'xnil' in recipe xtreme-base; did you mean 'xnli'?"):
        load_recipe(str(path), 384)


def test_an_unknown_recipe_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown recipe 'extreme'; did you mean 'xtreme'?"):
        load_recipe("extreme", 384)


@pytest.mark.parametrize(("width", "rates"), [(1024, (3e-5, 3e-5, 2e-5, 3e-5)), (768, (2e-5, 2e-5, 2e-5, 3e-5))])
def test_the_reference_recipe_goes_by_the_size_of_the_encoder(width: int, rates: tuple[float, ...]) -> None:
    recipe = load_recipe("xtreme", width)
    stages = [recipe.stage(name) for name in ("xnli", "xcopa", "pawsx", "xquad")]
    assert tuple(stage.learning_rate for stage in stages) == rates
    assert load_recipe("phang2020", width) is load_recipe("phang2020", 1)


def test_an_intermediate_stage_has_the_lengths_of_its_format(tmp_path: Path) -> None:
    span, pair = XTREME_BASE.intermediate(["span"]), XTREME_BASE.intermediate(["pair"])
    assert (span.max_length, span.stride, pair.max_length) == (384, 128, 128)
    assert dataclasses.replace(span, max_length=128) == pair == XTREME_BASE.intermediate(["pair", "span"])
    assert XTREME_BASE.intermediate(["tags"]).epochs == XTREME_BASE.stage("udpos").epochs
    path = tmp_path / "own.toml"
    path.write_text("[stages.intermediate]\nmax_length = 64\n[formats.choice]\nmax_length = 96\n", encoding="utf-8")
    own = load_recipe(str(path), 384)
    assert [own.intermediate([name]).max_length for name in ("pair", "span", "choice")] == [64, 64, 96]
    path.write_text("[formats.spam]\nmax_length = 64\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown format 'spam' in .*; did you mean 'span'"):
        load_recipe(str(path), 384)
