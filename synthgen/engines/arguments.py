"""Arguments of an engine's own, as `--engine-args` gives them: how they are read, recorded and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthgen.errors import UserError, plain_os_error, refuse
from synthgen.models.loading import weights_sha256
from synthgen.runtime.provenance import public_values
from synthgen.text.toml_text import read_toml

Arguments = Mapping[str, Any]

LORA = "lora"
"""Our own argument: the folder of a LoRA adapter, through which every request goes."""
TENSOR, PIPELINE = "tensor_parallel_size", "pipeline_parallel_size"
OF_THE_MACHINE = frozenset({
    TENSOR, PIPELINE, "gpu_memory_utilization", "kv_cache_memory_bytes", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "block_size", "enforce_eager", "cpu_offload_gb", "enable_prefix_caching",
    "enable_chunked_prefill", "async_scheduling", "performance_mode", "optimization_level", "load_format",
    "distributed_executor_backend", "disable_custom_all_reduce", "disable_log_stats", "download_dir", "device_ids",
    "max_parallel_loading_workers", "cudagraph_capture_sizes", "max_cudagraph_capture_size", "attention_backend",
})  # fmt: skip
"""Arguments that say where and how fast a model runs, not what it replies: a run may go on with others."""


def read_arguments(value: str | None) -> dict[str, Any]:
    """Return the arguments in a JSON object, or in a TOML or JSON file; UserError when they cannot be read."""
    if value is None:
        return {}
    if value.lstrip().startswith("{"):
        return _json_object(value, where="--engine-args")
    path = Path(value).expanduser()
    if path.suffix == ".json":
        with plain_os_error(f"cannot read --engine-args {value}"):
            return _json_object(path.read_bytes().decode("utf-8-sig", "replace"), where=f"--engine-args {value}")
    if path.suffix != ".toml":
        raise UserError(f"--engine-args '{value}' is neither a file NAME.toml or NAME.json nor a JSON object {{...}}")
    return read_toml(path, "--engine-args ")


def _json_object(text: str, *, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f'{where} is not a JSON object, such as {{"gpu_memory_utilization": 0.8}}')
    return values


def manifest_arguments(arguments: Arguments) -> dict[str, Any]:
    """Return arguments as a manifest has them: no folders, an adapter by its name and the hash of its weights."""
    public = {name: public_values(value) for name, value in arguments.items()}
    if isinstance(adapter := arguments.get(LORA), str):
        public[LORA] = f"{public[LORA]}@{weights_sha256(Path(adapter).expanduser())[:16]}"
    return public


def reply_arguments(arguments: Arguments) -> dict[str, Any]:
    """Return those of a manifest's arguments that replies follow from."""
    return {name: value for name, value in arguments.items() if name not in OF_THE_MACHINE}


def gpus(arguments: Arguments) -> int:
    """Return how many GPUs one engine takes; UserError for sizes that are no whole numbers above 0."""
    sizes = {name: arguments.get(name, 1) for name in (TENSOR, PIPELINE)}
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise UserError(f"{name} in --engine-args is {size!r}; allowed: a whole number above 0")
    return int(sizes[TENSOR] * sizes[PIPELINE])


def with_gpus(arguments: Arguments, number: int | None, *, ray: str | None) -> dict[str, Any]:
    """Return the arguments of an engine over so many GPUs; UserError where they say another number, or without Ray."""
    configured = gpus(arguments)
    if number is None:
        return dict(arguments)
    if ray is None:
        refuse(
            f"without --ray one engine runs here; its number of GPUs is {TENSOR} in --engine-args",
            gpus_per_engine=number,
        )
    pipeline = arguments.get(PIPELINE, 1)
    if number < 1 or number % pipeline or (TENSOR in arguments and configured != number):
        allowed = (
            f"{TENSOR} × {PIPELINE} in --engine-args is {configured}" if number > 0 else "an engine needs 1 or more"
        )
        raise UserError(f"--gpus-per-engine {number}: {allowed}")
    return {**arguments, TENSOR: number // pipeline}
