"""What must never leave this machine: its names, paths and secrets, looked for in everything that would be sent."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from synthgen.dataset import ROWS_PER_GROUP

_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)
_SHORTEST_SECRET = 8
_SHORTEST_NAME = 5
_ANYBODY = {"root", "user", "admin", "ubuntu", "localhost"}


@dataclass(frozen=True, slots=True)
class Needle:
    """Something to look for. `in_rows` says whether it is looked for in running text too, where names are words."""

    what: str
    pattern: re.Pattern[bytes]
    in_rows: bool


def needles(environment: Mapping[str, str] | None = None) -> list[Needle]:
    """Return what to look for on this machine: home path, host and user name, and values of secret variables.

    Names that anybody's machine may have (root, user, localhost) and names of less than five letters are not looked
    for; a user's name is not looked for in the rows, where it may be a word.
    """
    environment = os.environ if environment is None else environment
    found = [_needle("the home path", str(Path.home()), in_rows=True)] if len(str(Path.home())) > 1 else []
    for what, name in (("the host name", socket.gethostname()), ("the user name", getpass.getuser())):
        if len(name) >= _SHORTEST_NAME and name.casefold() not in _ANYBODY:
            found.append(_needle(what, name, in_rows=bool(re.search(r"[\d.-]", name))))
    for variable, value in environment.items():
        if _SECRET_NAMES.search(variable) and len(value) >= _SHORTEST_SECRET:
            found.append(_needle(f"the value of ${variable}", value, in_rows=True))
    return found


def _needle(what: str, text: str, *, in_rows: bool) -> Needle:
    return Needle(what, re.compile(rb"(?<![\w/])" + re.escape(text.encode()) + rb"(?!\w)"), in_rows)


def leaks(folder: Path, names: list[str], wanted: list[Needle]) -> list[str]:
    """Return one line for each file that holds something private; the private value itself is not repeated."""
    found = []
    for name in names:
        looked_for = [needle for needle in wanted if needle.in_rows or not name.endswith(".parquet")]
        chunks = _chunks(folder / name)
        hits = {needle.what for chunk in chunks for needle in looked_for if needle.pattern.search(chunk)}
        found += [f"{name} holds {what}" for what in sorted(hits)]
    return found


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's content in pieces no text of which is cut: whole files, and Arrow batches as plain bytes."""
    if path.suffix != ".parquet":
        yield path.read_bytes()
        return
    with pq.ParquetFile(path) as file:
        yield file.schema_arrow.serialize().to_pybytes()
        for batch in file.iter_batches(ROWS_PER_GROUP):
            yield batch.serialize().to_pybytes()
