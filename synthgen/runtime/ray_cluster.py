"""Connections to a Ray cluster, or to Ray started on this machine, for `make --ray` and `compare --ray`.

Only Ray Core is used: tasks and actors. Nothing here schedules anything.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from synthgen.console import note
from synthgen.errors import IncompleteError, UserError, first_line, missing_package
from synthgen.runtime.guard import ended_with_this_process
from synthgen.text.digits import whole_number

AUTO = "auto"
LOCAL = "local"
SECONDS_TO_ANSWER = 5.0
LAST_PORT = 65_535


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """Yield the `ray` module, connected; what was started or joined here is left again at the end.

    `auto` is the cluster of $RAY_ADDRESS or the one running on this machine, and where there is none, Ray is started
    here; `local` always starts one; anything else is HOST:PORT or ray://HOST:PORT. A session that the caller has joined
    already is used as it is. Raises UserError for an address that does not answer.
    """
    check_address(address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    with _short_messages(ray):
        with _own_signals():
            _connect(ray, address)
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _short_messages(ray: Any) -> Iterator[None]:  # noqa: ANN401 - a module that may be missing
    """Write the first line of what Ray says of a lost process or a full machine to stderr.

    It would print all of it, up to a hundred lines, to stdout, where the result of `--json` is read.
    """
    worker = ray._private.worker
    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda data, **_: note("Ray: " + "\n".join(data["lines"]).strip().partition("\n")[0])
    try:
        yield
    finally:
        worker.print_to_stdstream = before


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's way to end at SIGTERM, which Ray replaces by its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401 - a module that may be missing
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    # What ray.init's `logging_level` sets is set only with its handlers, after the first of its notes were printed.
    logging.getLogger(ray.__name__).setLevel(logging.ERROR)
    named = _named(address)
    if named != LOCAL:
        try:
            ray.init(address=named, **options)
            return
        except (ConnectionError, RuntimeError, ValueError) as error:
            if named != AUTO:
                raise UserError(f"--ray {named}: {first_line(error)}; {_ALLOWED}") from None
            if not isinstance(error, ConnectionError):
                raise
    try:
        os.environ.setdefault("RAY_worker_niceness", "0")  # by itself Ray gives way to every other process
        with _alone(ray), ended_with_this_process():
            ray.init(address=LOCAL, include_dashboard=False, **options)
    except Exception as error:  # Ray raises a bare one when its processes are not up in time
        raise IncompleteError(
            f"Ray could not be started on this machine: {first_line(error)}; nothing was run; the same command tries "
            "again, without --ray and --workers it runs in this process"
        ) from error


@contextmanager
def _alone(ray: Any) -> Iterator[None]:  # noqa: ANN401 - a module that may be missing
    """Let a Ray that is started in the block listen on 127.0.0.1 alone.

    As with `RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0`, which Ray reads when it is imported.
    """
    constants = ray._private.ray_constants
    before, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


_ALLOWED = "allowed: auto, local, HOST:PORT as `ray start --head` printed it, or ray://HOST:PORT"


def _named(address: str) -> str:
    return os.environ.get("RAY_ADDRESS") or AUTO if address == AUTO else address


def check_address(address: str) -> None:
    """Raise UserError without the package, or unless something listens at an address; nothing is joined.

    Ray itself would try for minutes and print pages. A session that was joined before stands for any address.
    """
    if not find_spec("ray"):
        raise missing_package("ray", "ray", "--ray")
    address, ray = _named(address), sys.modules.get("ray")
    if address in (AUTO, LOCAL) or (ray and ray.is_initialized()):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or (number := whole_number(port)) is None or number > LAST_PORT:
        raise UserError(f"--ray {address}: not an address; {_ALLOWED}")
    try:
        socket.create_connection((host, number), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--ray {address}: no Ray cluster answers there ({reason}); {_ALLOWED}") from None


def largest_node(ray: Any, resource: str) -> float:  # noqa: ANN401 - a module that may be missing
    """Return the largest amount of a resource (CPU, GPU) that one living node has."""
    return max((node["Resources"].get(resource, 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
