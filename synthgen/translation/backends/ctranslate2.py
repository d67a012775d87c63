"""CTranslate2: the hub's translation models (OPUS-MT, NLLB, M2M-100, MADLAD) converted, several times as fast.

`ct2:REF` converts a model folder or hub id once and keeps the result in the user cache; a folder that holds a converted
model (`model.bin`) is used as it is, with the tokenizer that lies in it.
"""

import hashlib
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, disk_advice, first_line, requires, unknown
from synthgen.models.checkpoint_files import check_weights
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.runtime.cache import cache_root
from synthgen.runtime.files import draft_folder
from synthgen.runtime.lock import only_writer
from synthgen.translation.backends.base import BackendSpec, ComputeConfig
from synthgen.translation.backends.hub_model import TOKENS_A_BATCH, HubModel, configuration, load_tokenizer

PREFIX = "ct2:"
CONVERTED = {"marian": "OPUS-MT", "m2m_100": "M2M-100, NLLB-200", "t5": "MADLAD-400"}
"""The types of models that are known to write the same with CTranslate2 as with transformers."""


class CTranslate2(HubModel):
    """A converted model: batches by tokens, sorted by length, one batch a thread; the likeliest word each time."""

    name = "ctranslate2"

    def __init__(self, model: ResolvedModel, compute: ComputeConfig | None = None) -> None:
        """Load a converted model, or convert one first; UserError without the package or for another kind of model."""
        with requires("ctranslate2", "ct2", f"--mt {model.ref}"):
            import ctranslate2
        compute = compute or ComputeConfig()
        device = compute.choose(ctranslate2.get_cuda_device_count())
        types = ("default", "auto", *sorted(ctranslate2.get_supported_compute_types(device)))
        if compute.compute not in types:
            raise unknown("--compute", compute.compute, types, where=f"CTranslate2 on {device}")
        converted = model.path if is_converted(model.path) else convert(model)
        threads = {"inter_threads": compute.cores, "intra_threads": 1} if device == "cpu" else {}
        where = {"device": device, "compute_type": compute.compute, **threads}
        try:
            self._model: Any = ctranslate2.Translator(str(converted), **where)
        except (RuntimeError, ValueError) as error:
            raise UserError(f"--mt {PREFIX}{model.ref} cannot be read by CTranslate2: {first_line(error)}") from None
        super().__init__(model)
        self.versions = {name: version(name) for name in ("ctranslate2", "transformers")}
        self.settings |= {"beam": 1, "compute": compute.compute}

    def translate_texts(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Return one translation for each text, an empty one where it filled all its room and so was cut off."""
        start = self.languages.start(source, target)
        ids = [self._tokenizer(start.prefix + text).input_ids for text in texts]
        tokens = [self._tokenizer.convert_ids_to_tokens(each) for each in ids]
        results = self._model.translate_batch(
            tokens,
            target_prefix=[[start.first]] * len(tokens) if start.first else None,
            beam_size=1,
            batch_type="tokens",
            max_batch_size=TOKENS_A_BATCH,
            max_input_length=0,  # its default cuts longer texts silently
            max_decoding_length=self.room(tokens),
            return_end_token=True,
        )
        return [self._text(each.hypotheses[0]) for each in results]

    def room(self, sources: Sequence[Sequence[str]]) -> int:
        """Return how many tokens a translation may have: twice those of the longest source, and a few."""
        return 2 * max(map(len, sources), default=0) + 16

    def close(self) -> None:
        """Free the model's memory."""
        self._model.unload_model()

    def _text(self, tokens: list[str]) -> str:
        if not tokens or tokens[-1] != self._tokenizer.eos_token:
            return ""
        text: str = self._tokenizer.decode(self._tokenizer.convert_tokens_to_ids(tokens), skip_special_tokens=True)
        return text


def is_converted(folder: Path) -> bool:
    """Say whether a folder holds a model that CTranslate2 can load."""
    return (folder / "model.bin").is_file()


def convert(model: ResolvedModel) -> Path:
    """Return the model converted with its weights' own type, from the user cache where it is there already."""
    if (model_type := configuration(model).get("model_type", "")) not in CONVERTED:
        families = ", ".join(f"{each} ({name})" for each, name in CONVERTED.items())
        raise UserError(f"--mt {PREFIX}{model.ref} is a model of type '{model_type}'; {PREFIX} takes {families}")
    check_weights(model.path)
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]  # it has no types
        """The package's converter, which loads safetensors only and our tokenizer."""

        def load_model(self, kind: Any, folder: str, **options: Any) -> Any:  # noqa: ANN401 - the same
            """Return the model, read from safetensors: other files may hold pickled code."""
            return super().load_model(kind, folder, **options, use_safetensors=True)

        def load_tokenizer(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - a class of transformers
            """Return the tokenizer with the languages that its class adds."""
            return load_tokenizer(model)

    files = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in sorted(model.path.iterdir())]
    named = f"{model.path} {model.revision} {files} {ctranslate2.__version__}"
    key = hashlib.blake2b(named.encode(), digest_size=8).hexdigest()
    folder = cache_root() / "ctranslate2" / f"{model.path.name[:40]}-{key}"
    if is_converted(folder):
        return folder
    try:
        with only_writer(folder, wait=True):
            if not is_converted(folder):  # by another process, meanwhile
                shutil.rmtree(folder, ignore_errors=True)
                with draft_folder(folder) as draft:
                    Converter(str(model.path)).convert(str(draft), force=True)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and disk_advice(error):
            raise
        raise UserError(f"--mt {PREFIX}{model.ref} cannot be converted by CTranslate2: {first_line(error)}") from None
    return folder


def _load(model: ResolvedModel, compute: ComputeConfig) -> CTranslate2 | None:
    return CTranslate2(model, compute) if is_converted(model.path) else None


BACKEND = BackendSpec(PREFIX, lambda ref, compute: CTranslate2(resolve(ref), compute), _load)
