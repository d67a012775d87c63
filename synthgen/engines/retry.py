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
    open_requests = {request.tag: request for request in requests}
    for tries in range(TRIES):
        delay = first_delay * 2**tries if tries else 0.0
        source = iter([replace(request, delay=delay) for request in open_requests.values()])
        for reply in engine.run(lambda source=source: next(source, None)):  # type: ignore[misc]
            if reply.outcome == "ok" or tries == TRIES - 1:
                del open_requests[reply.tag]
                yield reply
        if not open_requests:
            return
