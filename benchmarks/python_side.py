"""CPU time of our process for each kept row: a real vLLM client whose engine core only replays tokens.

    python benchmarks/python_side.py in-process --n 6000       controller, ledger, filters, prompts, vLLM's client
    python benchmarks/python_side.py ray --n 12000             the driver of eight scripted engines in Ray actors
    python benchmarks/python_side.py in-process --profile FILE

MNLI with JSON objects, four requests for three rows and about 40 output tokens a row. vLLM's own code checks and sends
the requests and reads the tokens, as it does on a GPU; the model is the bundled generator's tokenizer. CPU seconds are
those of the main thread, which is what limits a run, and of the process; time asleep does not count. A first run warms
up, the second one is measured. Printed: one JSON line.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from synthgen.engines import Engine, Request
from synthgen.engines.scripted import ScriptedEngine
from synthgen.generation.make import make
from synthgen.models.packs import resolve
from tests.mock_endpoint import WORDS

MODEL = "pack:smollm2-135m-instruct"
GPU_SEQUENCES = 256


def written(number: int, schema: str | None) -> str:
    """Return the reply to a request: an object of the schema with a sentence of its own."""
    draw = random.Random(number)
    text = f"The {' '.join(draw.choices(WORDS, k=15))}."
    fields = json.loads(schema)["required"] if schema else []
    return json.dumps(dict.fromkeys(fields, text)) if fields else text


def reply(request: Request) -> str:
    """Reply of a scripted engine."""
    return written(request.nonce * 2 + request.tag[1], request.sampling.schema)


class ReplayCore:
    """An engine core that replies with tokens of written texts, one a step for as many requests as a GPU runs."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - transformers ships no types
        from vllm.v1.serial_utils import MsgpackEncoder

        self.resources = SimpleNamespace(engine_dead=False, engine_manager=None)
        self._encoder, self._tokenizer = MsgpackEncoder(), tokenizer
        self._waiting: list[tuple[str, list[int]]] = []
        self._running: list[tuple[str, list[int]]] = []
        self._serial, self.tokens, self.thread_seconds = 0, 0, 0.0

    def add_request(self, request: Any) -> None:  # noqa: ANN401 - vLLM's own type
        self._encoder.encode(request)
        began = time.thread_time()
        self._serial += 1
        outputs = request.sampling_params.structured_outputs
        ids = self._tokenizer.encode(written(self._serial, outputs.json if outputs else None))
        self.tokens += len(ids) + 1
        self._waiting.append((request.request_id, [self._tokenizer.eos_token_id, *reversed(ids)]))
        self.thread_seconds += time.thread_time() - began

    def get_output(self) -> Any:  # noqa: ANN401 - vLLM's own type
        from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason

        began = time.thread_time()
        while self._waiting and len(self._running) < GPU_SEQUENCES:
            self._running.append(self._waiting.pop(0))
        outputs = []
        for name, ids in self._running:
            token = ids.pop()
            outputs.append(EngineCoreOutput(name, [token], finish_reason=None if ids else FinishReason.STOP))
        self._running = [each for each in self._running if each[1]]
        self.thread_seconds += time.thread_time() - began
        return EngineCoreOutputs(outputs=outputs)

    def get_supported_tasks(self) -> tuple[str, ...]:
        return ("generate",)

    def abort_requests(self, names: list[str]) -> None:
        self._waiting = [each for each in self._waiting if each[0] not in names]

    def reset_mm_cache(self) -> None: ...
    def shutdown(self) -> None: ...


def in_process(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the CPU time of `make` with vLLM's client."""
    from synthgen.engines.vllm_arguments import prepare_environment

    prepare_environment(on_gpu=False)
    from vllm.v1.engine.core_client import EngineCoreClient

    from synthgen.engines import open_engine

    cores: list[ReplayCore] = []

    def client(*, renderer: Any, **_: Any) -> ReplayCore:  # noqa: ANN401 - vLLM's own type
        cores.append(ReplayCore(renderer.tokenizer))
        return cores[0]

    with patch.object(EngineCoreClient, "make_client", client):
        engine = open_engine("vllm", resolve(MODEL), seed=0)
    engine.batch_size = GPU_SEQUENCES  # type: ignore[attr-defined]
    with closing(engine):
        return measured(engine, arguments, lambda: (cores[0].thread_seconds, cores[0].tokens))


def engines(_: int) -> ScriptedEngine:
    """An engine of one actor."""
    return ScriptedEngine(reply, batch_size=GPU_SEQUENCES)


def ray(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the CPU time of the driver of eight scripted engines."""
    from synthgen.engines.ray_engine import RayEngine

    with closing(RayEngine(engines, address="local", engines=arguments.engines)) as engine:
        return measured(engine, arguments, lambda: (0.0, 0))


def measured(
    engine: Engine, arguments: argparse.Namespace, replayed: Callable[[], tuple[float, int]]
) -> dict[str, Any]:
    """Make a set twice; return the CPU milliseconds a kept row of the second time, without what was replayed."""
    profile = cProfile.Profile()
    for n in (500, arguments.n):
        with tempfile.TemporaryDirectory() as folder:
            before, began = replayed(), (time.thread_time(), time.process_time(), time.perf_counter())
            if n == arguments.n and arguments.profile:
                profile.enable()
            given = {"model": MODEL, "decoding": "json", "started_engine": engine, "out": Path(folder) / "set"}
            with patch("synthgen.generation.make.write_folder", lambda _, controller, *__, **___: controller.kept):
                kept = make("mnli", n=n, **given)  # type: ignore[arg-type]
            profile.disable()
            thread, process, wall = time.thread_time() - began[0], time.process_time() - began[1], time.perf_counter()
    if arguments.profile:
        profile.dump_stats(arguments.profile)
    assert kept == arguments.n
    seconds, tokens = (now - then for now, then in zip(replayed(), before, strict=True))
    facts = {"n": arguments.n, "thread_ms_per_row": 1000 * (thread - seconds) / arguments.n}
    facts |= {"process_ms_per_row": 1000 * (process - seconds) / arguments.n, "tokens_per_row": tokens / arguments.n}
    return {name: round(value, 3) for name, value in facts.items()} | {"wall_s": round(wall - began[2], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["in-process", "ray"])
    parser.add_argument("--n", type=int, default=6_000)
    parser.add_argument("--engines", type=int, default=8)
    parser.add_argument("--profile", type=Path, help="write the profile of the measured run here")
    arguments = parser.parse_args()
    print(json.dumps({"in-process": in_process, "ray": ray}[arguments.what](arguments)))


if __name__ == "__main__":
    main()
