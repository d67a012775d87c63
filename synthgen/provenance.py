"""What a manifest may say about the machine and the command: enough to judge a run by, nothing that names its owner."""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def hardware() -> dict[str, Any]:
    """Return the number of CPU cores this process may use and the names of the GPUs it has loaded."""
    found: dict[str, Any] = {"cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpus"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return found


def command_line(arguments: Sequence[str] | None = None) -> str:
    """Return the command that started this process, or an empty string outside the `synthgen` command.

    An absolute path keeps its last part only: folders above it are nobody's business.

    >>> command_line(["/opt/bin/synthgen", "make", "--task", "mnli", "--out=/data/ann/mnli", "--passages", "/tmp/p"])
    'synthgen make --task mnli --out=mnli --passages p'
    """
    program, *rest = list(sys.argv if arguments is None else arguments)
    if Path(program).name != "synthgen":
        return ""
    return " ".join(["synthgen", *(shlex.quote(_without_folders(each)) for each in rest)])


def source_hash(paths: Iterable[Path], *, settings: str = "") -> str:
    """Return the SHA-256 of source files and the settings they run with: the version of what they do."""
    sources = [path.read_text(encoding="utf-8") for path in sorted(paths)]
    return hashlib.sha256("\n".join([settings, *sources]).encode()).hexdigest()


def public_name(ref: str) -> str:
    """Return a model reference as others may read it: hub ids and packs as they are, a local folder by its own name.

    >>> public_name("/data/ann/models/tiny"), public_name("owner/name@main"), public_name("http://10.0.0.7:8000/v1#big")
    ('tiny', 'owner/name@main', 'http://HOST/v1#big')
    """
    if ref.startswith(("http://", "https://")):
        return f"http://HOST/v1{ref[ref.find('#') :] if '#' in ref else ''}"
    return Path(ref).name if ref.startswith(("/", "~", "./", "../")) else ref


def _without_folders(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    if not option.startswith("-"):
        option, equals, value = "", "", argument
    if value.startswith(("http://", "https://")):
        return f"{option}{equals}{public_name(value)}"
    return f"{option}{equals}{Path(value).name if value.startswith(('/', '~')) else value}"
