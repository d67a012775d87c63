"""Every fault at every change of every command, or a fixed part of them, in some processes."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from tests.faults.commands import Command, commands
from tests.faults.harness import Fault, Trial

_NEIGHBOURS = 40
"""Faults that one process tries after each other: they often leave one state."""


def main(scratch: Path) -> int:
    """Try the faults and print what is wrong; exit code 1 when anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--part", type=int, default=1, help="try one in so many")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--first", type=int, default=1, help="go on at this change of the first command")
    parser.add_argument("names", nargs="*", metavar="COMMAND")
    arguments = parser.parse_args()
    chosen = [each for each in commands(scratch / "inputs") if each.name in (arguments.names or [each.name])]
    for command in chosen:
        Trial.warm(command, scratch / "warm" / command.name)
    wrong = 0
    for number, command in enumerate(chosen):
        first = 1 if number else arguments.first
        wrong += try_all(command, scratch / command.name, first, arguments.part, arguments.jobs)
    return int(wrong > 0)


def try_all(command: Command, folder: Path, first: int, part: int, jobs: int) -> int:
    """Try one in `part` of a command's faults from a change on, in some processes.

    Printed is a line for it and one for each that is wrong.
    """
    start, before = time.monotonic(), _core_seconds()
    states = folder / "states"
    changes = Trial(command, folder / "count", states).changes
    points = [(change, fault) for change in range(first, changes + 1) for fault in Fault][part // 2 :: part]
    print(f"{command.name}: {changes} changes", flush=True)
    shares = [[point for place, point in enumerate(points) if place // _NEIGHBOURS % jobs == n] for n in range(jobs)]
    workers = [_in_a_fork(Trial(command, folder / str(n), states), share) for n, share in enumerate(shares)]
    wrong = sum(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) != 0 for worker in workers)
    print(
        f"{command.name}: {changes} changes, {len(points)} faults tried, {len([*states.iterdir()])} states continued, "
        f"{time.monotonic() - start:.0f} s, {_core_seconds() - before:.0f} s of a core",
        flush=True,
    )
    return wrong


def _core_seconds() -> float:
    return sum(os.times()[:4])


def _in_a_fork(trial: Trial, points: list[tuple[int, Fault]]) -> int:
    """Start a process that tries these faults; its exit code says whether anything is wrong."""
    if worker := os.fork():
        return worker
    code = 0
    try:
        for change, fault in points:
            for line in trial.faults_of(change, fault):
                code = 1
                print(f"  {trial.command.name}, change {change}, {fault.name}: {line}", flush=True)
    except BaseException as error:
        code = 2
        print(f"  {trial.command.name}: {error!r}", flush=True)
    finally:
        os._exit(code)
