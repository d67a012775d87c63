"""Engines in Ray actors, one for each one or more GPUs of a cluster (one a machine without any), as a single engine.

The driver keeps the ledger and makes every decision: it fills each actor's queue and collects finished replies. The
requests of an actor that is lost, or whose engine failed, go to the others, and Ray starts a new one.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from synthgen import console
from synthgen.engines.base import Engine, NextRequest, Reply, Request
from synthgen.errors import IncompleteError, UserError, first_line
from synthgen.runtime.ray_cluster import joined, largest_node

StartEngine = Callable[[int], Engine]
"""Starts the engine with this number, in the process and on the machine that will serve."""

RESTARTS = 3
"""How many actors may be lost before the run ends."""

DEFAULT_ROOM = 64
SECONDS_TOGETHER = 0.05
"""Replies that come within it go to the driver together; what it adds to the wait of one is little."""


class Server:
    """An engine in a thread of its own, with a queue of requests and one of finished replies."""

    def __init__(self) -> None:
        self.requests: queue.Queue[Request] = queue.Queue()
        self.finished: queue.Queue[Reply | Exception] = queue.Queue()
        self.open = 0

    def start(self, start: StartEngine, number: int) -> tuple[str, dict[str, str], int]:
        """Start the engine, and return its name, its versions, and how many requests to keep in its queue.

        Not part of the actor's constructor, so that what the engine refuses is raised as it is.
        """
        self.engine = start(number)
        threading.Thread(target=self._serve, daemon=True).start()
        return self.engine.name, self.engine.versions, getattr(self.engine, "batch_size", DEFAULT_ROOM) * 3 // 2

    def check(self, request: Request) -> None:
        """Raise what the engine says against requests of this kind."""
        self.engine.check(request)

    def submit(self, requests: list[Request]) -> None:
        """Queue requests."""
        self.open += len(requests)
        for request in requests:
            self.requests.put(request)

    def replies(self) -> list[Reply]:
        """Wait for a reply, and a moment for those that come next; return all there are.

        A call costs the driver as much as some replies do. Nothing is waited for when no request is open.
        """
        replies: list[Reply] = []
        until = None
        while not replies or not self.finished.empty() or (self.open and time.monotonic() < (until or 0)):
            try:
                item = self.finished.get(timeout=until and max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(item, Exception):
                if not replies:
                    raise item
                self.finished.put(item)  # for the next call: what came before it counts
                break
            replies.append(item)
            self.open -= 1
            until = until or time.monotonic() + SECONDS_TOGETHER
        return replies

    def _serve(self) -> None:
        try:
            while True:
                first: list[Request] = [self.requests.get()]
                for reply in self.engine.run(lambda waiting=first: self._next(waiting)):  # type: ignore[misc]
                    self.finished.put(reply)
        except Exception as error:
            self.finished.put(error)

    def _next(self, first: list[Request]) -> Request | None:
        if first:
            return first.pop()
        try:
            return self.requests.get_nowait()
        except queue.Empty:
            return None


@dataclass
class _Actor:
    handle: Any
    room: int
    in_flight: dict[tuple[int, int], Request] = field(default_factory=dict)


class RayEngine:
    """All engines of a cluster as one. Close it, or use it in `contextlib.closing`."""

    def __init__(self, start: StartEngine, *, address: str, engines: int | None = None, gpus: int = 1) -> None:
        """Join the cluster and start `engines` of them, as many as fit with so many GPUs each when not said.

        Without any GPU, one a machine. UserError when no machine has that many.
        """
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(joined(address))
        self._start, self._lost = start, 0
        try:
            self._resources, count = _resources(self._ray, engines, gpus)
            self._actors = self._new(range(count))
        except (self._ray.exceptions.RayTaskError, UserError) as error:
            self._stack.close()
            raise getattr(error, "cause", None) or error from None

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the engine in the actors, and of Ray."""
        return {**self._versions, "ray": self._ray.__version__}

    def check(self, request: Request) -> None:
        """Check with the first actor's engine."""
        try:
            self._ray.get(self._actors[0].handle.check.remote(request))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as any actor finishes them."""
        again: deque[Request] = deque()
        polls: dict[Any, _Actor] = {}
        while True:
            for actor in self._actors:
                self._fill(actor, again, next_request)
                if actor.in_flight and actor not in polls.values():
                    polls[actor.handle.replies.remote()] = actor
            if not polls:
                return
            ended, _ = self._ray.wait(list(polls), num_returns=1)
            actor = polls.pop(ended[0])
            try:
                replies = self._ray.get(ended[0])
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.RayTaskError) as error:
                cause = (
                    getattr(error, "cause", None) or error
                )  # of a task: what its engine raised, such as a CUDA error
                if isinstance(cause, UserError):
                    raise cause from None
                again.extend(actor.in_flight.values())
                self._replace(actor, first_line(cause))
                continue
            for reply in replies:
                del actor.in_flight[reply.tag]
                yield reply

    def close(self) -> None:
        """Stop the actors and leave the cluster."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []
        self._stack.close()

    def _new(self, numbers: Sequence[int]) -> list[_Actor]:
        """Return started actors; engines start side by side."""
        server = self._ray.remote(max_concurrency=2, **self._resources)(Server)
        handles = [server.remote() for _ in numbers]
        started = self._ray.get([h.start.remote(self._start, n) for h, n in zip(handles, numbers, strict=True)])
        self.name, self._versions, _ = started[0]  # of the engine: Ray changes where it runs, not its replies
        return [_Actor(handle, room) for handle, (_, _, room) in zip(handles, started, strict=True)]

    def _fill(self, actor: _Actor, again: deque[Request], next_request: NextRequest) -> None:
        requests: list[Request] = []
        while len(actor.in_flight) < actor.room:
            request = again.popleft() if again else next_request()
            if request is None:
                break
            actor.in_flight[request.tag] = request
            requests.append(request)
        if requests:
            actor.handle.submit.remote(requests)

    def _replace(self, lost: _Actor, reason: str) -> None:
        """Start another actor for a lost one; without a machine to do so the others go on."""
        self._lost += 1
        self._actors.remove(lost)
        self._ray.kill(lost.handle)
        console.note(f"an engine of the cluster was lost: {reason}")
        if self._lost > RESTARTS:
            fault = f"{self._lost} engines were lost, the last with: {reason}"
            raise IncompleteError(fault, "what they replied is in the ledger, the same command goes on")
        name, needed = next(iter(self._resources.items()))
        free = self._ray.available_resources().get({"num_gpus": "GPU", "num_cpus": "CPU"}[name], 0)
        if not self._actors or free >= needed:
            self._actors += self._new([len(self._actors) + self._lost])


def _resources(ray: Any, engines: int | None, gpus: int) -> tuple[dict[str, float], int]:  # noqa: ANN401 - a module
    """Return what Ray sets aside for one engine, and how many there are; UserError when none fits."""
    if largest := largest_node(ray, "GPU"):
        if gpus > largest:
            raise UserError(f"an engine over {gpus} GPUs fits no machine of the cluster: the largest has {largest:g}")
        fitting = sum(int(node["Resources"].get("GPU", 0) // gpus) for node in ray.nodes() if node["Alive"])
        return {"num_gpus": float(gpus), "num_cpus": 0.0}, engines or fitting  # Ray would set a core aside for each
    if gpus > 1:
        raise UserError(f"an engine over {gpus} GPUs fits no machine of the cluster: it has no GPU")
    cores, machines = largest_node(ray, "CPU"), sum(node["Alive"] for node in ray.nodes())
    per_machine = -(-(engines or machines) // machines)
    return {"num_cpus": cores / per_machine}, engines or machines
