"""vLLM's arguments and environment: what we give it, what `--engine-args` may say, on a GPU and without one."""

import ctypes.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthgen import console
from synthgen.engines.arguments import LORA, gpus
from synthgen.engines.base import EngineOptions
from synthgen.errors import UserError, first_line, missing_package, requires, unknown
from synthgen.models.packs import ResolvedModel
from synthgen.text.json_text import read_json_object

SEQUENCES_ON_CPU = 32
ROWS_WORTH_COMPILING = 200
"""On CPUs: compiling a model takes longer than generating fewer rows without it (docs/benchmarks)."""
KV_CACHE_GIB_ON_CPU = 2
WHAT_FITS = -1
"""As `max_model_len`: the longest context that the model has and its memory holds."""
ELSEWHERE = {
    "model": "--model",
    "seed": "--seed",
    "revision": "--model owner/name@REVISION",
    "hf_token": "the environment variable HF_TOKEN",
    "enable_lora": f"{LORA} = FOLDER",
    "data_parallel_size": "--ray auto, an engine a GPU, or several servers behind --engine endpoint",
}
"""Arguments of vLLM's that are said in another way."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def see_gpu() -> bool:
    """Say whether torch has a CUDA device, and set the environment for vLLM; before vLLM is imported."""
    # torch's usual check starts CUDA's driver in this process; vLLM sets this too, but later.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    import torch

    on_gpu = bool(torch.cuda.is_available())
    prepare_environment(on_gpu=on_gpu)
    return on_gpu


def name_idle_gpus(user_arguments: Mapping[str, Any]) -> None:
    """Say how many GPUs one engine with these arguments leaves idle, and what uses them."""
    import torch

    if (idle := torch.cuda.device_count() - gpus(user_arguments)) > 0:
        more = f"{idle} more GPU{'s are' if idle > 1 else ' is'} idle"
        console.note(f"{more}: --ray auto runs an engine on each, tensor_parallel_size in --engine-args one on all")


def prepare_environment(*, on_gpu: bool) -> None:
    """Set what vLLM reads from the environment, unless the user has set it; must run before vLLM is imported."""
    variables = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    variables["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if on_gpu and not (shutil.which("nvcc") or os.environ.get("CUDA_HOME")):
        variables["VLLM_USE_FLASHINFER_SAMPLER"] = "0"  # it is compiled with nvcc at start; vLLM's other one needs none
    if not on_gpu:
        variables |= {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", "VLLM_CPU_KVCACHE_SPACE": str(KV_CACHE_GIB_ON_CPU)}
        # vLLM's own cache of a compiled model cannot be loaded on CPUs (vllm-project/vllm#45447), so that every start
        # compiled again; torch's cache, used without it, can.
        variables["VLLM_USE_AOT_COMPILE"] = "0"
        # Libraries that make vLLM's CPU worker faster, where they are installed: Intel's OpenMP, tcmalloc.
        openmp, tcmalloc = Path(sys.prefix) / "lib" / "libiomp5.so", ctypes.util.find_library("tcmalloc_minimal")
        if libraries := [name for name in (str(openmp) if openmp.is_file() else None, tcmalloc) if name]:
            variables["LD_PRELOAD"] = ":".join(libraries)
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def engine_arguments(model: ResolvedModel, options: EngineOptions, *, on_gpu: bool) -> dict[str, Any]:
    """Return the arguments of `vllm.LLM`, those given in place of ours."""
    user_arguments, is_short = options.arguments, options.rows is not None and options.rows < ROWS_WORTH_COMPILING
    on_cpu: dict[str, Any] = {
        "dtype": "float32",
        "enforce_eager": is_short or shutil.which("g++") is None,  # vLLM compiles a model with it
        "max_num_seqs": SEQUENCES_ON_CPU,
    }
    arguments: dict[str, Any] = {"performance_mode": "throughput"} if on_gpu else on_cpu
    arguments |= {"max_model_len": WHAT_FITS, "disable_log_stats": True, "enable_prefix_caching": True}
    if gpus(user_arguments) > 1:
        arguments["distributed_executor_backend"] = "mp"  # within a Ray actor vLLM would start Ray tasks of its own
    arguments |= {name: value for name, value in user_arguments.items() if name != LORA}
    if LORA in user_arguments:
        arguments |= {"enable_lora": True} | (
            {} if "max_lora_rank" in user_arguments else {"max_lora_rank": _rank(user_arguments[LORA])}
        )
    return arguments | {"model": str(model.path), "seed": options.seed}


def check_arguments(user_arguments: Mapping[str, Any]) -> None:
    """Raise UserError for an argument that vLLM does not have or that is said elsewhere.

    Names are checked where vLLM is installed; on a cluster, its engines check them otherwise.
    """
    if not user_arguments:
        return
    gpus(user_arguments)
    for name in user_arguments:
        if name in ELSEWHERE:
            raise UserError(f"'{name}' is not an argument for --engine-args; give {ELSEWHERE[name]}")
    if LORA in user_arguments:
        _rank(user_arguments[LORA])
    if find_spec("torch") and find_spec("vllm"):
        see_gpu()
        with requires("vllm", "vllm", "--engine-args"):
            from vllm.engine.arg_utils import EngineArgs
        known = {item.name for item in fields(EngineArgs) if not item.name.startswith("_")} - ELSEWHERE.keys() | {LORA}
        for name in user_arguments:
            if name not in known:
                near = unknown("engine argument", name, sorted(known), where="--engine-args")
                raise UserError(str(near).partition(" known: ")[0].rstrip(";") + "; `vllm serve --help` lists them")


def check_installed() -> None:
    """Raise UserError where vLLM is not installed, naming what works without it."""
    for package in ("torch", "vllm"):
        if not find_spec(package):
            missing = missing_package(package, "vllm", "--engine vllm")
            raise UserError(f"{missing} (Linux), or use a server: --engine endpoint --model http://HOST/v1")


def refusal(error: Exception) -> str:
    """Return in one line what vLLM refuses: of a wrong value its name and what is allowed, else the first line."""
    details = getattr(error, "errors", None)
    if callable(details) and (first := next(iter(details()), None)):  # pydantic's
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, not {first['input']!r}"
    return first_line(error)


def _rank(adapter: object) -> int:
    """Return the smallest rank of vLLM's that holds an adapter; UserError for what is no folder of one."""
    try:
        rank = read_json_object(Path(str(adapter)).expanduser() / "adapter_config.json").get("r")
        return next(most for most in LORA_RANKS if type(rank) is int and 0 < rank <= most)
    except (ValueError, RuntimeError, StopIteration):  # UserError is a ValueError; RuntimeError: of a home nobody has
        allowed = "a folder with adapter_config.json, whose r is 512 at most, and adapter_model.safetensors"
        raise UserError(f"{LORA} in --engine-args is {adapter!r}; allowed: {allowed}") from None
