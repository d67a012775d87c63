"""The names, paths and secrets of this machine, searched for in everything that would be published."""

import getpass
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synthgen.text.parquet import read_batches, read_schema
from synthgen.text.toml_text import read_toml

_SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|KEY|(?:^|_)PAT$", re.IGNORECASE)
_WORDS = (".parquet", "tokenizer.json", "vocab.txt")
_SHORTEST_SECRET = 8
_SHORTEST_NAME = 5
_COMMON_USERS = {"root", "user", "admin", "ubuntu", "localhost"}


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """A pattern and what it matches; `in_rows` says whether rows are searched too, where names may be words.

    What has none of `holds` in it does not match.
    """

    what: str
    pattern: re.Pattern[bytes]
    in_rows: bool
    holds: tuple[bytes, ...] = (b"",)

    def is_in(self, text: bytes) -> bool:
        """Say whether a text has what the pattern matches."""
        return any(each in text for each in self.holds) and bool(self.pattern.search(text))


_PATH_START = rb"(?:(?<![\w/])|(?<=file://))"
_ROOTS = rb"home|root|mnt|tmp|Users|Volumes|scratch|gpfs|lustre|nfs|srv|private/var"
_PRIVATE_HOST = rb"(?:10|127)(?:\.\d{1,3}){3}|192\.168(?:\.\d{1,3}){2}|172\.(?:1[6-9]|2\d|3[01])(?:\.\d{1,3}){2}"
_PRIVATE_HOST += rb"|localhost|[\w.-]{1,200}\.(?:internal|local|lan|corp|intranet)"
_SECRET_QUERY = rb"https?://[^\s\"<>]{0,2000}[?&][\w-]{0,99}(?i:key|token|secret|passwd|password|sig|signature|auth)="
_OF_MANIFESTS = (
    ("a password in an address", rb"://[^\s/@\"]+:[^\s/@\"]+@"),
    ("a key in an address", _SECRET_QUERY),
    ("a private address", rb"://(?:" + _PRIVATE_HOST + rb")(?![\w.-])"),
    ("an absolute path", _PATH_START + rb"(?:/(?:" + _ROOTS + rb")/\w|[A-Za-z]:\\{1,2}Users\\{1,2}\w)"),
)


def _always() -> Iterator[SecretPattern]:
    """Yield what is private on any machine."""
    for whose, key in read_toml(Path(__file__).with_name("keys.toml")).items():
        holds = tuple(each.encode() for each in key["holds"])
        yield SecretPattern(f"a key {whose}", re.compile(key["shape"].encode()), in_rows=True, holds=holds)
    for what, shape in _OF_MANIFESTS:
        yield SecretPattern(what, re.compile(shape), in_rows=False)


def secret_patterns(environment: Mapping[str, str] | None = None) -> list[SecretPattern]:
    """Return the patterns of this machine: paths, host and user name, the hub's token, values of secret variables.

    Names that anybody's machine may have (root, user, localhost) and names of less than five letters are left out; a
    user's name is not searched for in the rows, where it may be a word.
    """
    environment = os.environ if environment is None else environment
    patterns = list(_always())
    if len(home := _known(lambda: str(Path.home()))) > 1:
        pattern = re.compile(_PATH_START + re.escape(home.encode()) + rb"(?!\w)")
        patterns.append(SecretPattern("the home path", pattern, in_rows=True, holds=(home.encode(),)))
    for what, name in (("the host name", socket.gethostname()), ("the user name", _known(getpass.getuser))):
        if len(name) >= _SHORTEST_NAME and name.casefold() not in _COMMON_USERS:
            pattern = re.compile(rb"(?<![\w/])" + re.escape(name.encode()) + rb"(?!\w)")
            patterns.append(
                SecretPattern(what, pattern, in_rows=bool(re.search(r"[\d.-]", name)), holds=(name.encode(),))
            )
    for variable, value in environment.items():
        if _SECRET_NAMES.search(variable) and len(value) >= _SHORTEST_SECRET:
            patterns.append(SecretPattern(f"the value of ${variable}", _secret_pattern(value), in_rows=True))
    if len(token := _stored_token(environment)) >= _SHORTEST_SECRET:
        patterns.append(SecretPattern("the token of `hf auth login`", _secret_pattern(token), in_rows=True))
    return patterns


def _known(ask: Callable[[], str]) -> str:
    """Return what the system says, or an empty text where it does not know."""
    try:
        return ask()
    except (KeyError, OSError, RuntimeError):  # a user without an entry, as in a container
        return ""


def _stored_token(environment: Mapping[str, str]) -> str:
    """Return the token that `hf auth login` wrote, to look for it; empty where there is none."""
    try:
        home = Path(environment.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
        return Path(environment.get("HF_TOKEN_PATH") or home / "token").read_text(encoding="utf-8").strip()
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ""


def _secret_pattern(value: str) -> re.Pattern[bytes]:
    """Return the pattern of a secret: also within a word, unless it could be a word itself."""
    escaped = re.escape(value.encode("utf-8", "surrogateescape"))
    return re.compile(rb"(?<!\w)" + escaped + rb"(?!\w)" if value.isalpha() else escaped)


def leaks(folder: Path, names: list[str], patterns: list[SecretPattern]) -> list[str]:
    """Return one line for each file that holds something private; the private value itself is not repeated.

    Rows and the words of a tokenizer may hold what is a path or a name elsewhere.
    """
    lines = []
    for name in names:
        applicable = [each for each in patterns if each.in_rows or not name.endswith(_WORDS)]
        hits = {each.what for chunk in _chunks(folder / name) for each in applicable if each.is_in(chunk)}
        lines += [f"{name} holds {what}" for what in sorted(hits)]
    return lines


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield a file's content in pieces no text of which is cut: whole files, and Arrow batches as plain bytes."""
    if path.suffix != ".parquet":
        yield path.read_bytes()
        return
    yield read_schema(path).serialize().to_pybytes()
    yield from (batch.serialize().to_pybytes() for batch in read_batches(path))
