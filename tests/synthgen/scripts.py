"""Scripted answers that look like a model's: distinct, deterministic, with faults planted on request."""

from __future__ import annotations

import random

from synthgen.engines import Request

_WORDS = [
    "river",
    "museum",
    "garden",
    "council",
    "winter",
    "doctor",
    "bridge",
    "station",
    "lawyer",
    "window",
    "market",
    "teacher",
    "harbour",
]


def sentence(request: Request) -> str:
    """Return a sentence that is the same for the same request and different for others."""
    draw = random.Random(repr((request.nonce, request.tag[1], request.prompt[-40:])))
    return "The " + " ".join(draw.choice(_WORDS) for _ in range(9)) + "."


def mostly(share: float, other: str | Exception):
    """Return an answer function that gives `other` for a fixed share of the requests."""

    def answer(request: Request):
        draw = random.Random(f"fault {request.nonce} {request.tag}")
        return other if draw.random() < share else sentence(request)

    return answer
