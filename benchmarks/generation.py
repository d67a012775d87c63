"""Generation: the whole pipeline against raw `LLM.generate` on the same requests, in one process, interleaved.

    python benchmarks/generation.py --rows 200 --pairs 5

Each pair makes a set with `synthgen make`'s own code (controller, ledger, filters) on a started engine, then gives the
very same prompts and sampling parameters to `LLM.generate` of that engine. The prefix cache is emptied before both.
Printed: output tokens per second of both, and the median of the ratios. Engine start is excluded.

    python benchmarks/generation.py --rows 60 --pairs 3 --decodings

makes sets with plain completion and with JSON-schema decoding in turn and prints kept rows per second of each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from synthgen.dataset import Manifest
from synthgen.engines import NextRequest, Reply, Request
from synthgen.engines.base import Engine, EngineOptions
from synthgen.engines.vllm import VllmEngine
from synthgen.generation.make import make
from synthgen.models.packs import resolve


class Recorder(Engine):
    """An engine that passes everything through and keeps the requests."""

    name = "vllm"

    def __init__(self, engine: VllmEngine) -> None:
        self.engine = engine
        self.requests: list[Request] = []
        self.output_tokens = 0

    @property
    def versions(self) -> dict[str, str]:
        return self.engine.versions

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        def recorded() -> Request | None:
            request = next_request()
            if request is not None:
                self.requests.append(request)
            return request

        for reply in self.engine.run(recorded):
            self.output_tokens += reply.output_tokens
            yield reply

    def check(self, request: Request) -> None:
        self.engine.check(request)

    def close(self) -> None:
        self.engine.close()


@dataclass(frozen=True)
class Measured:
    """One set made from nothing."""

    tokens_per_second: float
    kept_per_second: float
    acceptance: float
    requests: list[Request]


def pipeline_rate(engine: VllmEngine, task: str, rows: int, seed: int, model: str, decoding: str = "plain") -> Measured:
    """Make a set and return its rates."""
    recorder = Recorder(engine)
    engine.llm.reset_prefix_cache()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        manifest = make(
            task, n=rows, model=model, out=Path(folder), seed=seed, decoding=decoding, started_engine=recorder
        )
        seconds = time.perf_counter() - begin
    assert isinstance(manifest, Manifest)
    finished = manifest.asked - manifest.rejected.get("surplus", 0)
    return Measured(
        recorder.output_tokens / seconds, manifest.kept / seconds, manifest.kept / finished, recorder.requests
    )


def raw_rate(engine: VllmEngine, requests: list[Request]) -> float:
    """Return the output tokens per second of `LLM.generate` on these requests."""
    engine.llm.reset_prefix_cache()
    parameters = [engine._sampling_params(request) for request in requests]
    begin = time.perf_counter()
    outputs = engine.llm.generate([request.prompt for request in requests], parameters, use_tqdm=False)
    seconds = time.perf_counter() - begin
    return sum(len(output.outputs[0].token_ids) for output in outputs) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="mnli")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--model", default="pack:smollm2-135m-instruct")
    parser.add_argument("--decodings", action="store_true", help="plain against json instead of ours against raw")
    arguments = parser.parse_args()
    engine = VllmEngine(resolve(arguments.model), EngineOptions())
    pipeline_rate(engine, arguments.task, 20, 999, arguments.model)  # warm-up: the first batches compile kernels
    measure = compare_decodings if arguments.decodings else compare_with_raw
    measure(engine, arguments)
    engine.close()


def compare_with_raw(engine: VllmEngine, arguments: argparse.Namespace) -> None:
    ratios = []
    for seed in range(arguments.pairs):
        ours = pipeline_rate(engine, arguments.task, arguments.rows, seed, arguments.model)
        raw = raw_rate(engine, ours.requests)
        ratios.append(ours.tokens_per_second / raw)
        rates = f"ours {ours.tokens_per_second:.1f} tokens/s, raw {raw:.1f}, ratio {ratios[-1]:.3f}"
        print(f"pair {seed}: {rates}, {len(ours.requests)} requests, {ours.kept_per_second:.2f} kept/s", flush=True)
    print(json.dumps({"ratios": [round(ratio, 3) for ratio in ratios], "median": round(statistics.median(ratios), 3)}))


def compare_decodings(engine: VllmEngine, arguments: argparse.Namespace) -> None:
    kept: dict[str, list[float]] = {"plain": [], "json": []}
    for seed in range(arguments.pairs):
        for decoding, rates in kept.items():
            made = pipeline_rate(engine, arguments.task, arguments.rows, seed, arguments.model, decoding)
            rates.append(made.kept_per_second)
            print(f"{decoding}: {made.kept_per_second:.2f} kept/s, acceptance {made.acceptance:.0%}", flush=True)
    print(json.dumps({name: round(statistics.median(rates), 2) for name, rates in kept.items()}))


if __name__ == "__main__":
    main()
