"""Engines in Ray actors, one for each one or more GPUs of a cluster (one a machine without any), as a single engine.

The driver keeps the ledger and makes every decision: it fills each actor's queue with orders and collects results. What
can be done for a reply alone is done in the actors (`Work`). The orders of an actor that is lost, or whose engine
failed, go to the others, and Ray starts a new one.
"""

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from synthgen import console
from synthgen.engines.base import Engine, HasTag, NextRequest, NoWork, Order, Reply, Request, Result, Work
from synthgen.errors import IncompleteError, UserError, first_line
from synthgen.runtime.provenance import hardware
from synthgen.runtime.ray_cluster import joined, largest_node

StartEngine = Callable[[int], Engine]
"""Starts the engine with this number, in the process and on the machine that will serve."""

RESTARTS = 3
"""How many actors may be lost before the run ends."""

AGAIN = "run the same command again to continue"
DEFAULT_ROOM = 64
SECONDS_TOGETHER = 0.1
"""Results that come within it go to the driver together; what it adds to the wait of one is little."""
SHARE_TOGETHER = 4
"""A quarter of what an actor's queue holds goes to the driver at once: half of the queue would make the engine wait."""
SECONDS_WITHOUT = 1.0
"""After so long without a result an actor asks whether there are more orders."""


class Server:
    """An engine in a thread of its own, with a queue of orders and one of results."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Any] = queue.Queue()
        self.finished: queue.Queue[Any] = queue.Queue()
        self.open = 0

    def start(self, start: StartEngine, number: int) -> tuple[str, dict[str, str], int, list[str]]:
        """Start the engine, and return its name, its versions, how many orders to keep in its queue, and its GPUs.

        Not part of the actor's constructor, so that what the engine refuses is raised as it is.
        """
        self.engine = start(number)
        threading.Thread(target=self._serve, daemon=True).start()
        room = getattr(self.engine, "batch_size", DEFAULT_ROOM) * 3 // 2
        self.enough = max(1, room // SHARE_TOGETHER)
        return self.engine.name, self.engine.versions, room, hardware().get("gpus", [])

    def check(self, request: Request) -> None:
        """Raise what the engine says against requests of this kind."""
        self.engine.check(request)

    def begin(self, work: Work[Any, Any]) -> list[Any]:
        """Do this work for the orders that come next; none is open, so there is no result."""
        self.work = work
        return []

    def exchange(self, orders: list[Any]) -> list[Any]:
        """Queue orders, and return results: all there are after a moment, none where the engine takes long.

        A call costs the driver as much as some results do.
        """
        self.open += len(orders)
        for order in orders:
            self.orders.put(order)
        results: list[Any] = []
        until = time.monotonic() + SECONDS_WITHOUT
        while self.open and len(results) < self.enough:
            try:
                item = self.finished.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(item, Exception):
                if not results:
                    raise item
                self.finished.put(item)  # for the next call: what came before it counts
                break
            until = until if results else time.monotonic() + SECONDS_TOGETHER
            results.append(item)
            self.open -= 1
        return results

    def _serve(self) -> None:
        try:
            while True:
                first = [self.orders.get()]
                for result in self.engine.results(self.work, lambda waiting=first: self._next(waiting)):  # type: ignore[misc]
                    self.finished.put(result)
        except Exception as error:
            self.finished.put(error)

    def _next(self, first: list[Any]) -> Any:  # noqa: ANN401 - an order of any work
        if first:
            return first.pop()
        try:
            return self.orders.get_nowait()
        except queue.Empty:
            return None


@dataclass(eq=False)
class _Actor:
    handle: Any
    room: int
    in_flight: dict[tuple[int, int], HasTag] = field(default_factory=dict)
    ready: bool = False
    """Whether it has the work that its orders are for."""


class RayEngine(Engine):
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
        except (self._ray.exceptions.RayError, UserError) as error:
            self._stack.close()
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, self._ray.exceptions.RayError):
                cause = IncompleteError(f"an engine of the cluster did not start: {first_line(cause)}", AGAIN)
            raise cause from None

    @property
    def name(self) -> str:
        """The engine in the actors."""
        return self._name

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the engine in the actors, and of Ray; the GPUs that the engines began on."""
        gpus = ", ".join(f"{count} x {name}" for name, count in sorted(self._gpus.items()))
        return {**self._versions, "ray": self._ray.__version__} | ({"gpus": gpus} if gpus else {})

    def check(self, request: Request) -> None:
        """Check with the first actor's engine."""
        try:
            self._ray.get(self._actors[0].handle.check.remote(request))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def run(self, next_request: NextRequest) -> Iterator[Reply]:
        """Yield replies as any actor finishes them."""
        return self.results(NoWork(), next_request)

    def results(self, work: Work[Order, Result], next_order: Callable[[], Order | None]) -> Iterator[Result]:
        """Yield results as any actor finishes them, of work that is done there."""
        again: deque[Any] = deque()
        busy: dict[_Actor, Any] = {}
        there = self._ray.put(work.elsewhere())
        for actor in self._actors:
            actor.ready = False
        while True:
            calls = {actor: self._call(actor, there, again, next_order) for actor in self._actors if actor not in busy}
            busy |= {actor: call for actor, call in calls.items() if call is not None}
            if not busy:
                return
            (ended,), _ = self._ray.wait(list(busy.values()), num_returns=1)
            actor = next(actor for actor, call in busy.items() if call == ended)
            del busy[actor]
            for result in self._collected(actor, ended, again):
                del actor.in_flight[result.tag]
                yield result

    def _collected(self, actor: _Actor, ended: Any, again: deque[Any]) -> list[Any]:  # noqa: ANN401 - Ray's
        """Return what a call of an actor gave; nothing, and its orders go into `again`, when it is lost."""
        try:
            results: list[Any] = self._ray.get(ended)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error  # of a task: what its engine raised, such as a CUDA error
            if isinstance(cause, UserError):
                raise cause from None
            again.extend(actor.in_flight.values())
            self._replace(actor, first_line(cause))
            return []
        actor.ready = True
        return results

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
        name, self._versions, *_ = started[0]
        self._name = str(name)  # of the engine: Ray changes where it runs, not its replies
        if not self._lost:
            self._gpus = Counter(gpu for *_, gpus in started for gpu in gpus)
        return [_Actor(handle, room) for handle, (_, _, room, _) in zip(handles, started, strict=True)]

    def _call(self, actor: _Actor, work: Any, again: deque[Any], next_order: Callable[[], Order | None]) -> Any:  # noqa: ANN401 - Ray's
        """Let an actor have its work first, then orders, those of lost actors first; return the call, None for none."""
        if not actor.ready:
            return actor.handle.begin.remote(work)
        orders: list[Any] = []
        while len(actor.in_flight) < actor.room:
            order = again.popleft() if again else next_order()
            if order is None:
                break
            actor.in_flight[order.tag] = order
            orders.append(order)
        return actor.handle.exchange.remote(orders) if actor.in_flight else None

    def _replace(self, lost: _Actor, reason: str) -> None:
        """Start another actor for a lost one; without a machine to do so the others go on."""
        self._lost += 1
        self._actors.remove(lost)
        self._ray.kill(lost.handle)
        console.note(f"an engine of the cluster was lost: {reason}")
        if self._lost > RESTARTS:
            fault = f"{self._lost} engines were lost, the last with: {reason}"
            raise IncompleteError(fault, f"their replies are in the ledger; {AGAIN}")
        name, needed = next(iter(self._resources.items()))
        free = self._ray.available_resources().get({"num_gpus": "GPU", "num_cpus": "CPU"}[name], 0)
        if not self._actors or free >= needed:
            self._actors += self._new([len(self._actors) + self._lost])


def _resources(ray: Any, engines: int | None, gpus: int) -> tuple[dict[str, float], int]:  # noqa: ANN401 - a module
    """Return what Ray sets aside for one engine, and how many there are; UserError when none fits."""
    if largest := largest_node(ray, "GPU"):
        if gpus > largest:
            raise UserError(f"no machine of the cluster has the {gpus} GPUs of an engine: the largest has {largest:g}")
        fitting = sum(int(node["Resources"].get("GPU", 0) // gpus) for node in ray.nodes() if node["Alive"])
        return {"num_gpus": float(gpus), "num_cpus": 0.0}, engines or fitting  # Ray would set a core aside for each
    if gpus > 1:
        raise UserError(f"no machine of the cluster has the {gpus} GPUs of an engine: it has none")
    cores, machines = largest_node(ray, "CPU"), sum(node["Alive"] for node in ray.nodes())
    per_machine = -(-(engines or machines) // machines)
    return {"num_cpus": cores / per_machine}, engines or machines
