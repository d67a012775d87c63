"""Retry with exponential backoff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from synthgen.engines.base import Engine, Reply, Request

TRIES = 4
FIRST_DELAY = 0.5
"""Seconds before the first second try; each later one waits twice as long."""


def run_with_retries(engine: Engine, requests: Sequence[Request], first_delay: float = FIRST_DELAY) -> Iterator[Reply]:
    """Yield a reply for every request, in any order; a failed one only after the last of `TRIES`. Tags must differ."""
    for tries in range(TRIES):
        delay = first_delay * 2**tries if tries else 0.0
        waiting = {request.tag: request for request in requests}
        source = (replace(request, delay=delay) for request in requests)
        requests = []
        for reply in engine.run(lambda source=source: next(source, None)):  # type: ignore[misc]
            if reply.outcome == "ok" or tries == TRIES - 1:
                yield reply
            else:
                requests.append(waiting[reply.tag])
        if not requests:
            return
