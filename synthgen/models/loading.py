"""Models and tokenizers of transformers from local folders: safetensors only, without remote code or progress bars."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, requires
from synthgen.runtime.files import file_sha256

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def require(what: str, *, torch: bool = True) -> Any:  # noqa: ANN401 - transformers ships no types
    """Return transformers; UserError with the install line of `what` where it is missing, or torch, to run a model."""
    with requires("transformers", "train", what):
        if torch:
            import_module("torch")
        transformers = import_module("transformers")
    return transformers


def check_checkpoint(folder: Path, option: str) -> None:
    """Raise UserError, naming `option`, when a folder is no checkpoint."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{option} {folder} is not a checkpoint folder: it has no config.json")


def weights_sha256(checkpoint: Path) -> str:
    """Return the SHA-256 of a checkpoint's safetensors file, or of the hashes of all its shards, in hexadecimal.

    That of the configuration where a checkpoint has no weights.
    """
    shards = sorted(checkpoint.glob("*.safetensors"))
    hashes = [file_sha256(path) for path in shards or [checkpoint / "config.json"]]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - transformers ships no types
    """Return a folder's tokenizer."""
    from transformers import AutoTokenizer

    with _quietly():
        return AutoTokenizer.from_pretrained(folder, **LOCAL)


def load_model(auto_class: str, folder: Path, **options: Any) -> Any:  # noqa: ANN401 - the same
    """Return a folder's model as one of transformers' Auto classes, as its `from_pretrained` does.

    Weights are read from safetensors alone: other files may hold pickled code. OSError where there are none.
    """
    import transformers

    with _quietly():
        return getattr(transformers, auto_class).from_pretrained(folder, use_safetensors=True, **LOCAL, **options)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers from printing bars, and reports of weights that are missing by intent."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
