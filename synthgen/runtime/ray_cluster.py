"""Connections to a Ray cluster, or to Ray started on this machine, for `make --ray` and `compare --ray`.

Only Ray Core is used: tasks and actors. Nothing here schedules anything.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from synthgen.errors import IncompleteError, UserError, first_line, missing_package

AUTO = "auto"
LOCAL = "local"
SECONDS_TO_ANSWER = 5.0


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
    _connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:  # noqa: ANN401 - a module that may be missing
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
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
        ray.init(address=LOCAL, include_dashboard=False, **options)
    except Exception as error:  # Ray raises a bare one when its processes are not up in time
        raise IncompleteError(
            f"Ray could not be started on this machine: {first_line(error)}; nothing was run; the same command tries "
            "again, without --ray and --workers it runs in this process"
        ) from error


_ALLOWED = "allowed are auto, local, HOST:PORT as `ray start --head` printed it, or ray://HOST:PORT"


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
    if not host or not port.isdecimal():
        raise UserError(f"--ray {address}: not an address; {_ALLOWED}")
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--ray {address}: no Ray cluster answers there ({reason}); {_ALLOWED}") from None


def largest_node(ray: Any, resource: str) -> float:  # noqa: ANN401 - a module that may be missing
    """Return the largest amount of a resource (CPU, GPU) that one living node has."""
    return max((node["Resources"].get(resource, 0.0) for node in ray.nodes() if node["Alive"]), default=0.0)
