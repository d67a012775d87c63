"""The names, paths and secrets of this machine, searched for in everything that would be published."""

import getpass
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthgen.text.parquet import read_batches, read_schema

_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|KEY|(?:^|_)PAT$", re.IGNORECASE)
_SHORTEST_SECRET = 8
_SHORTEST_NAME = 5
_ANYBODY = {"root", "user", "admin", "ubuntu", "localhost"}


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """A pattern and what it matches; `in_rows` says whether rows are searched too, where names may be words."""

    what: str
    pattern: re.Pattern[bytes]
    in_rows: bool


_PATH_START = rb"(?:(?<![\w/])|(?<=file://))"
_ALWAYS = (
    SecretPattern("a token of the hub", re.compile(rb"hf_[A-Za-z0-9]{20,}"), in_rows=True),
    SecretPattern("a password in an address", re.compile(rb"://[^\s/@\"]+:[^\s/@\"]+@"), in_rows=False),
    SecretPattern("an absolute path", re.compile(_PATH_START + rb"/(?:home|root|mnt|tmp|Users)/\w"), in_rows=False),
)


def secret_patterns(environment: Mapping[str, str] | None = None) -> list[SecretPattern]:
    """Return the patterns of this machine: paths, host and user name, the hub's token, values of secret variables.

    Names that anybody's machine may have (root, user, localhost) and names of less than five letters are left out; a
    user's name is not searched for in the rows, where it may be a word.
    """
    environment = os.environ if environment is None else environment
    patterns = list(_ALWAYS)
    if len(home := str(Path.home())) > 1:
        pattern = re.compile(_PATH_START + re.escape(home.encode()) + rb"(?!\w)")
        patterns.append(SecretPattern("the home path", pattern, in_rows=True))
    for what, name in (("the host name", socket.gethostname()), ("the user name", getpass.getuser())):
        if len(name) >= _SHORTEST_NAME and name.casefold() not in _ANYBODY:
            pattern = re.compile(rb"(?<![\w/])" + re.escape(name.encode()) + rb"(?!\w)")
            patterns.append(SecretPattern(what, pattern, in_rows=bool(re.search(r"[\d.-]", name))))
    for variable, value in environment.items():
        if _SECRET_NAMES.search(variable) and len(value) >= _SHORTEST_SECRET:
            patterns.append(SecretPattern(f"the value of ${variable}", _secret_pattern(value), in_rows=True))
    if len(token := _stored_token(environment)) >= _SHORTEST_SECRET:
        patterns.append(SecretPattern("the token of `hf auth login`", _secret_pattern(token), in_rows=True))
    return patterns


def _stored_token(environment: Mapping[str, str]) -> str:
    """Return the token that `hf auth login` wrote, to look for it; empty where there is none."""
    home = Path(environment.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    try:
        return Path(environment.get("HF_TOKEN_PATH") or home / "token").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _secret_pattern(value: str) -> re.Pattern[bytes]:
    """Return the pattern of a secret: also within a word, unless it could be a word itself."""
    escaped = re.escape(value.encode("utf-8", "surrogateescape"))
    return re.compile(rb"(?<!\w)" + escaped + rb"(?!\w)" if value.isalpha() else escaped)


def leaks(folder: Path, names: list[str], patterns: list[SecretPattern]) -> list[str]:
    """Return one line for each file that holds something private; the private value itself is not repeated."""
    lines = []
    for name in names:
        applicable = [each for each in patterns if each.in_rows or not name.endswith(".parquet")]
        hits = {each.what for chunk in _chunks(folder / name) for each in applicable if each.pattern.search(chunk)}
        lines += [f"{name} holds {what}" for what in sorted(hits)]
    return lines


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's content in pieces no text of which is cut: whole files, and Arrow batches as plain bytes."""
    if path.suffix != ".parquet":
        yield path.read_bytes()
        return
    yield read_schema(path).serialize().to_pybytes()
    yield from (batch.serialize().to_pybytes() for batch in read_batches(path))
