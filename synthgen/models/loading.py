"""Models and tokenizers of transformers from local folders: safetensors only, without remote code or progress bars."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, first_line, listed, requires
from synthgen.models.checkpoint_files import check_weights, trained_revision
from synthgen.runtime.entry import refused_by_machine
from synthgen.runtime.integrity import known_sha256

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def require(what: str, *, torch: bool = True) -> Any:  # noqa: ANN401 - transformers ships no types
    """Return transformers; UserError with the install line of `what` where it is missing, or torch, to run a model."""
    with requires("transformers", "train", what):
        if torch:
            import_module("torch")
        transformers = import_module("transformers")
    return transformers


def check_checkpoint(folder: Path, option: str) -> None:
    """Raise UserError, naming `option`, when a folder is no checkpoint; of a damaged one for its file."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{option} {folder} is not a checkpoint folder: it has no config.json")
    trained_revision(folder)
    check_weights(folder)


def weights_sha256(checkpoint: Path) -> str:
    """Return the SHA-256 of a checkpoint's safetensors file, or of the hashes of all its shards, in hexadecimal.

    UserError for a checkpoint without weights, or with damaged ones.
    """
    check_weights(checkpoint)
    hashes = [known_sha256(path) for path in sorted(checkpoint.glob("*.safetensors"))]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401 - transformers ships no types
    """Return a folder's tokenizer."""
    from transformers import AutoTokenizer

    with _quietly(), _readable(folder):
        return AutoTokenizer.from_pretrained(folder, **LOCAL)


def load_config(folder: Path, **changes: Any) -> Any:  # noqa: ANN401 - the same
    """Return a folder's configuration with some entries changed."""
    from transformers import AutoConfig

    with _readable(folder):
        return AutoConfig.from_pretrained(folder, **LOCAL, **changes)


def load_model(auto_class: str, folder: Path, **options: Any) -> Any:  # noqa: ANN401 - the same
    """Return a folder's model as one of transformers' Auto classes, as its `from_pretrained` does.

    Weights are read from safetensors alone: other files may hold pickled code. UserError where there are none or some
    are wrong; missing ones of a head are left to a caller that wants `output_loading_info`.
    """
    import transformers

    wants_info = options.pop("output_loading_info", False)
    with _quietly():
        load = partial(getattr(transformers, auto_class).from_pretrained, **LOCAL)
        model, info = load_checked(load, folder, new_head=wants_info, **options)
    return (model, info) if wants_info else model


def load_checked(
    load: Callable[..., Any],
    folder: Path,
    *,
    new_head: bool,
    **options: Any,  # noqa: ANN401 - the same
) -> tuple[Any, Any]:
    """Return what a `from_pretrained` gives for a folder's safetensors: the model and what it says of the loading.

    UserError when weights are missing, of another shape or not finite, or cannot be read. A pooler may be new, and with
    `new_head` all that does not belong to the encoder.
    """
    check_weights(folder)
    options |= {"use_safetensors": True, "ignore_mismatched_sizes": True, "output_loading_info": True}
    with _readable(folder):
        model, info = load(folder, **options)
    prefix = f"{model.base_model_prefix}." if new_head and model.base_model is not model else ""
    of_other_shape = {name for name, *_ in info["mismatched_keys"]}
    for fault, names in (("are missing", info["missing_keys"]), ("have another shape", of_other_shape)):
        if wrong := sorted(name for name in names if name.startswith(prefix) and "pooler." not in name):
            raise UserError(f"{folder} is not a whole checkpoint: weights {fault}: {listed(wrong, 3)}")
    _align(model)
    return model, info


def _align(model: Any) -> None:  # noqa: ANN401 - the same
    """Copy weights that lie where their file has them to where torch allocates, at a multiple of 64 bytes.

    On some processors the last bits of a matrix product depend on the alignment of its inputs (Intel oneMKL, "Getting
    Reproducible Results"): a model just trained and the same model read from its file would give different outputs.
    """
    for weights in [*model.parameters(), *model.buffers()]:
        if weights.data_ptr() % 64:
            weights.data = weights.data.clone()


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn whatever transformers raises for the content of a folder's files into a UserError that names the folder."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or refused_by_machine(error):
            raise
        raise UserError(f"{folder} cannot be read by transformers: {first_line(error)}") from None


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
