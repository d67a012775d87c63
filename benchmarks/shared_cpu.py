"""Training speed while another process keeps a core busy, with waiting threads that sleep or spin.

    python benchmarks/shared_cpu.py --rounds 3

In turn, each in a process of its own: a fixed training of a small model alone, and beside one process that keeps one
core busy; with threads that sleep while they wait (as the evaluator sets them) and with threads that spin (torch's
default). Printed: seconds of each, CPU seconds, medians, and the share of its idle speed that training keeps. On a
machine that others use too, `idle` is not idle; compare the CPU seconds and the two ways of waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

WAYS = {
    "sleeping": {},
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "INFINITY", "KMP_BLOCKTIME": "200"},
}
TRAINING = """
import json, time
import evaluator.training
import torch
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification
torch.manual_seed(0)
torch.set_num_threads(2)
config = XLMRobertaConfig(vocab_size=8000, hidden_size=256, num_hidden_layers=6, num_attention_heads=4,
                          intermediate_size=1024, max_position_embeddings=130, num_labels=3)
model = XLMRobertaForSequenceClassification(config)
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
ids, labels = torch.randint(5, 8000, (32, 32)), torch.randint(0, 3, (32,))
def step():
    optimizer.zero_grad()
    model(input_ids=ids, labels=labels).loss.backward()
    optimizer.step()
step()
wall, cpu = time.perf_counter(), time.process_time()
for _ in range(STEPS):
    step()
print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""


def train(way: str, steps: int) -> tuple[float, float]:
    """Return the wall and CPU seconds of the training in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    script = TRAINING.replace("STEPS", str(steps))
    ended = subprocess.run(
        [sys.executable, "-c", script], env=clean | WAYS[way], capture_output=True, text=True, check=True
    )
    wall, cpu = json.loads(ended.stdout.splitlines()[-1])
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    seconds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for way in WAYS:
            seconds.setdefault(f"{way}, alone", []).append(train(way, arguments.steps))
            with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
                seconds.setdefault(f"{way}, beside a busy process", []).append(train(way, arguments.steps))
                busy.kill()
        print(json.dumps({name: each[-1] for name, each in seconds.items()}), flush=True)
    medians = {
        name: [round(statistics.median(column), 2) for column in zip(*each, strict=True)]
        for name, each in seconds.items()
    }
    kept = {way: round(medians[f"{way}, alone"][0] / medians[f"{way}, beside a busy process"][0], 2) for way in WAYS}
    print(json.dumps({"median wall and CPU seconds": medians, "share of the speed alone": kept}))


if __name__ == "__main__":
    main()
