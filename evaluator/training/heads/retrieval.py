"""Sentence retrieval with an encoder as it is: mean of a middle layer's states, cosine similarity."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from evaluator.experiment.recipe import Recipe, Stage
from evaluator.training.features import Feature, Features, pack
from evaluator.training.heads.base import Batch, Head, Output, load, token_ids
from synthgen.models.encoder import cut


@dataclass(frozen=True, slots=True)
class RetrievalHead(Head):
    """Unit vectors: the mean over all real positions, special tokens included, of hidden state `depth` x layers.

    The embeddings count as state 0, so 14 of 24 for large (JI taskmodels.EmbeddingModel, heads.MeanPoolerHead; XT
    run_tatoeba.sh LAYER=13 over the last 24 states is the same layer).
    """

    recipe: Recipe
    name: str = "retrieval"
    group: int = 1
    splits_steps: bool = True

    def build(self, checkpoint: Path, seed: int) -> PreTrainedModel:
        """Return the encoder cut after the layer in use; nothing is initialised, so the seed changes nothing."""
        model = load("retrieval", checkpoint, num_labels=2)
        cut(model, self.recipe.retrieval_layer(model.config.num_hidden_layers))
        return model

    def encode(self, records: Sequence[str], tokenizer: PreTrainedTokenizerBase, stage: Stage) -> Features:
        """Return one feature per text."""
        encoded = token_ids(records, tokenizer, self.recipe.retrieval_max_length)
        return pack(Feature((ids,), (), i) for i, ids in enumerate(encoded))

    def outputs(self, model: PreTrainedModel, batch: Batch) -> list[Output]:
        """Return each text's unit vector, (width,)."""
        output = model(**batch.inputs(model))
        layer = self.recipe.retrieval_layer(model.config.num_hidden_layers)
        states = (output.hidden_states[layer] if output.hidden_states else output.last_hidden_state).float()
        mask = batch.mask[:, :, None].to(states.dtype)
        means = (states * mask).sum(dim=1) / mask.sum(dim=1)
        return list(functional.normalize(means, dim=1).cpu().numpy())
