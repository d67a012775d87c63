"""Provenance for manifests: the machine, the command and model references, without anything that names their owner."""

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.runtime.workers import usable_cores


def hardware() -> dict[str, Any]:
    """Return the number of CPU cores this process may use and the names of the GPUs it has loaded."""
    machine: dict[str, Any] = {"cpu_cores": usable_cores()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        machine["gpus"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return machine


_MODELS = ("--model", "--judge", "--mt", "--aligner")
"""The options that take a hub id, which looks like a path."""


def command_line(arguments: Sequence[str] | None = None) -> str:
    """Return the command that started this process, or an empty string outside the `synthgen` command.

    A path keeps its last part only, an address its model, a cluster nothing, a command its program: the rest is
    nobody's business.

    >>> command_line(["/opt/bin/synthgen", "make", "--task", "mnli", "--out=/data/ann/mnli", "--passages", "ann, x/p"])
    'synthgen make --task mnli --out=mnli --passages p'
    >>> command_line(["synthgen", "translate", "--mt", "llm:/data/ann/x", "--ray", "node7:6379"])
    'synthgen translate --mt llm:x --ray HOST'
    """
    program, *rest = list(sys.argv if arguments is None else arguments)
    if Path(program).name != "synthgen":
        return ""
    public = [_public_argument(each, before) for before, each in zip(["", *rest], rest, strict=False)]
    return " ".join(["synthgen", *map(shlex.quote, public)])


def _public_argument(argument: str, before: str) -> str:
    """Return an argument as others may read it; `before` is the one before it."""
    option, equals, value = argument.partition("=")
    if option.startswith("--") and equals:
        return f"{option}={_public_argument(value, option)}"
    if before == "--ray":
        return argument if argument == "auto" else "HOST"
    if before == "--qe":
        return public_command(argument)
    if before == "--engine-args" and argument.lstrip().startswith("{"):
        return json.dumps(public_values(json.loads(argument)))
    return public_name(argument) if before in _MODELS or _ADDRESS.match(argument) else last_part(argument)


def public_command(command: str) -> str:
    """Return a command's program and, for its arguments, which may hold keys and addresses, a hash.

    >>> public_command("/opt/ann/bin/python qe.py --api-key abc")
    'python sha256:3766f510359a'
    """
    program, *arguments = shlex.split(command)
    digest = hashlib.sha256(json.dumps(arguments).encode()).hexdigest()[:12]
    return " ".join([last_part(program), *([f"sha256:{digest}"] if arguments else [])])


def version_hash(parts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of names, settings and `VERSION` numbers: what a result follows from beside its input.

    Source text is no part of it: code may be moved and renamed, and a number is raised when results change.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


_ADDRESS = re.compile(r"((?:\w[\w-]+:)?)https?://[^#]*", re.IGNORECASE)
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+(@[\w./-]+)?")


def last_part(path: str) -> str:
    r"""Return the last part of a path, also of one of Windows.

    >>> last_part("/data/ann/My Set,x=1/real/"), last_part("C:\\ann\\real"), last_part("mnli")
    ('real', 'real', 'mnli')
    """
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def public_name(ref: str) -> str:
    """Return a model reference as others may read it: hub ids and packs as they are, a local folder by its own name.

    >>> public_name("/data/ann/models/tiny"), public_name("owner/name@main"), public_name("http://10.0.0.7:8000/v1#big")
    ('tiny', 'owner/name@main', 'http://HOST/v1#big')
    >>> public_name("file:///data/ann/x"), public_name("llm:~/x/"), public_name("llm:owner/name")
    ('x', 'llm:x', 'llm:owner/name')
    >>> public_name("/data/Ann Smith/a,b=c/My-Model"), public_name("llm:http://ann:pw@h/v1?key=1#/data/ann/big")
    ('My-Model', 'llm:http://HOST/v1#big')
    """
    if address := _ADDRESS.match(ref):
        _, hash_sign, model = ref.partition("#")
        return f"{address[1]}http://HOST/v1{hash_sign}{public_name(model)}"
    if scheme := re.match(r"(?!file:)[a-z][\w-]+:", ref):
        return scheme[0] + public_name(ref.removeprefix(scheme[0]))
    return ref if _HUB_ID.fullmatch(ref) and not Path(ref).is_dir() else last_part(ref)


def public_values(value: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return a JSON value as others may read it: paths, at any depth, by their last part.

    >>> public_values({"model": "/data/ann/draft", "tokens": 3, "of": ["owner/name", "fp8"]})
    {'model': 'draft', 'tokens': 3, 'of': ['owner/name', 'fp8']}
    """
    if isinstance(value, dict):
        return {name: public_values(each) for name, each in value.items()}
    if isinstance(value, list):
        return [public_values(each) for each in value]
    return public_name(value) if isinstance(value, str) else value


def public_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a filter as others may read them.

    >>> public_settings({"encoder": "/data/ann/e5", "margin": 0.2})
    {'encoder': 'e5', 'margin': 0.2}
    """
    refs = {name: public_name(settings[name]) for name in ("encoder", "model") if settings.get(name)}
    return {**settings, **refs}
