"""Sentence retrieval with an encoder as it is: mean of a middle layer's states, cosine similarity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Recipe, Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import Batch, Head, Output, load, token_ids


@dataclass(frozen=True, slots=True)
class RetrievalHead(Head):
    """Unit vectors: the mean over all real positions, <s> and </s> included, of hidden state `depth` x layers.

    The embeddings count as state 0, so 14 of 24 for large (JI taskmodels.EmbeddingModel, heads.MeanPoolerHead; XT
    run_tatoeba.sh LAYER=13 over the last 24 states is the same layer).
    """

    recipe: Recipe
    name: str = "retrieval"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder cut after the layer in use; nothing is initialised, so the seed changes nothing."""
        model = load(AutoModel, checkpoint, num_labels=2)
        layers = model.encoder.layer
        model.encoder.layer = nn.ModuleList(layers[: self.recipe.retrieval_layer(len(layers))])
        return model

    def encode(self, records: Sequence[str], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per text."""
        encoded = token_ids(records, tokenizer, self.recipe.retrieval_max_length)
        return pack(Feature((ids,), (), i) for i, ids in enumerate(encoded))

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return each text's unit vector, (width,)."""
        states = model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state.float()
        mask = batch.mask[:, :, None].to(states.dtype)
        means = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return list(functional.normalize(means, dim=1).cpu().numpy())
