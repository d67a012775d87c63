"""Dropout masks on the CPU: what they hold, and that models draw them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import dropout
from transformers import XLMRobertaConfig, XLMRobertaModel

from evaluator.training.cpu_speed import cheap_dropout, mask

pytestmark = pytest.mark.filterwarnings("error")


@given(st.floats(0.0, 0.99), st.integers(0, 9), st.integers(0, 9))
def test_a_mask_has_the_shape_asked_for_and_two_values(rate: float, rows: int, columns: int) -> None:
    found = mask(torch.ones(rows, columns), rate)
    assert found.shape == (rows, columns)
    for value in {value for row in found.tolist() for value in row} - {0.0}:
        assert value == pytest.approx(1 / (1 - rate), rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_the_share_dropped_is_the_rate_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(0)
    found = mask(torch.ones(1_000_000), rate)
    assert abs(float((found == 0).float().mean()) - rate) < 0.002
    assert abs(float(found.mean()) - 1.0) < 0.003


def test_neighbours_that_share_a_random_word_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (mask(torch.ones(4_000_000), 0.1) == 0).float().view(-1, 4)
    assert torch.allclose(torch.corrcoef(dropped.T), torch.eye(4), atol=0.005)


def test_masks_repeat_with_the_seed() -> None:
    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return mask(torch.ones(999), 0.1)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_dropout_inside_gives_the_gradient_of_what_it_kept_and_nothing_outside_changes() -> None:
    here = torch.ones(1000, requires_grad=True)
    with cheap_dropout([]):
        torch.manual_seed(0)
        kept = dropout(here, 0.1)
        assert dropout(here, 0.1, training=False) is here
    (gradient,) = torch.autograd.grad(kept.sum(), here)
    assert torch.equal(kept, gradient)
    torch.manual_seed(0)
    assert torch.equal(mask(here, 0.1), kept)
    torch.manual_seed(0)
    assert not torch.equal(dropout(here, 0.1), kept)


def test_a_model_draws_the_masks_of_its_attention_too_and_is_as_before_afterwards() -> None:
    model = XLMRobertaModel(
        XLMRobertaConfig(
            vocab_size=9, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8, pad_token_id=1
        )
    ).train()
    before, shapes = model.config._attn_implementation, []

    def drawn(like: torch.Tensor, rate: float) -> torch.Tensor:
        shapes.append(tuple(like.shape))
        return mask(like, rate)

    ids = torch.tensor([[0, 5, 6, 2]])
    with cheap_dropout([model], draw=drawn):
        model(ids)
    layer = [(1, 2, 4, 4), (1, 4, 8), (1, 4, 8)]
    assert shapes == [(1, 4, 8), *layer, *layer]
    model(ids)
    assert len(shapes) == 7
    assert model.config._attn_implementation == before
