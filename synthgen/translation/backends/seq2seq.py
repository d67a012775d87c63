"""Translation models of the hub: OPUS-MT (Marian), NLLB-200 and M2M-100, MADLAD-400, through transformers.

CTranslate2 (see `ctranslate2`) runs the same models several times as fast.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version

from synthgen.models.checkpoint_files import check_weights
from synthgen.models.device import read_in_parts
from synthgen.models.loading import load_model, require
from synthgen.models.packs import ResolvedModel
from synthgen.translation.backends.base import BackendSpec, ComputeConfig
from synthgen.translation.backends.hub_model import LONGEST, TOKENS_A_BATCH, HubModel, no_model


class Seq2Seq(HubModel):
    """A sequence-to-sequence model: batches by tokens, beam 1 unless the model's own settings say otherwise."""

    name = "seq2seq"

    def __init__(self, model: ResolvedModel, compute: ComputeConfig | None = None) -> None:
        """Load tokenizer and model; UserError when the folder holds no translation model."""
        check_weights(model.path)
        require(f"--mt {model.ref}")
        import torch

        compute = compute or ComputeConfig()
        device = compute.choose(torch.cuda.device_count())
        if compute.threads:
            torch.set_num_threads(compute.threads)
        try:
            self._model = load_model("AutoModelForSeq2SeqLM", model.path).eval().to(device)
        except (ValueError, OSError) as error:
            raise no_model(model, error) from None
        self._positions = getattr(self._model.config, "max_position_embeddings", None) or 4 * LONGEST
        self.most = min(LONGEST, self._positions // 2)
        self.versions = {name: version(name) for name in ("torch", "transformers")}
        super().__init__(model)

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, in batches of about 4,096 padded tokens."""
        translations: list[str] = []
        start = self.languages.start(source, target)
        first = self._tokenizer.convert_tokens_to_ids(start.first) if start.first else None
        forced = {} if first is None else {"forced_bos_token_id": first}
        for batch in _batches([start.prefix + text for text in texts], self.length):
            translations += read_in_parts(partial(self._generated, forced), batch)
        return translations

    def _generated(self, forced: Mapping[str, int], batch: Sequence[str]) -> list[str]:
        """Return a translation for each text, empty for one that was cut off; `forced` names the first token."""
        import torch

        inputs = self._tokenizer(batch, return_tensors="pt", padding=True).to(self._model.device)
        room = min(2 * inputs.input_ids.shape[1] + 16, self._positions - 1)
        with torch.inference_mode():
            output = self._model.generate(**inputs, **forced, max_new_tokens=room)
        decoded = self._tokenizer.batch_decode(output, skip_special_tokens=True)
        # What filled all the room was cut off, also where an end token was forced into the last place.
        lengths = (output[:, 1:] != self._model.config.pad_token_id).sum(1).tolist()
        return [text if length < room else "" for text, length in zip(decoded, lengths, strict=True)]


def _batches(texts: Sequence[str], length: Callable[[str], int]) -> Iterator[list[str]]:
    """Yield runs of texts whose number times the longest's length is at most 4,096; they come longest first."""
    batch: list[str] = []
    longest = 0
    for text in texts:
        longest = max(longest, length(text))
        if batch and longest * (len(batch) + 1) > TOKENS_A_BATCH:
            yield batch
            batch, longest = [], length(text)
        batch.append(text)
    if batch:
        yield batch


def _load(model: ResolvedModel, compute: ComputeConfig) -> Seq2Seq:
    compute.refuse(f"--mt {model.ref} is not a CTranslate2 model", "compute")
    return Seq2Seq(model, compute)


BACKEND = BackendSpec(load=_load, place=1)
