"""`evaluator store`: what a store holds and takes, whether it is as it was written, and the removal of what is not."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evaluator import options
from evaluator.store.manifest import node_fault, read_own_node
from evaluator.store.mirror import is_address
from evaluator.store.store import STORE_FILE, Json, Store, has_head
from evaluator.store.tables import TABLES_FILE, table_faults
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError
from synthgen.runtime.drafts import is_draft, sweep
from synthgen.runtime.files import remove

KINDS = ("intermediate", "target", "predictions", "scores", "features", "overlap")
"""The kinds of nodes, in the order in which they depend on each other; `features` come first but are cheap."""

REMADE = ("intermediate", "features")
"""The kinds that `store clean` removes."""


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """What a check or a repair found: nodes read, faults by path inside the store, and what was removed."""

    store: str
    nodes: int
    faults: dict[str, str]
    removed: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """2 for a store with faults that stay."""
        return UserError.exit_code if self.faults.keys() - set(self.removed) else 0


def store_check(store: options.StorePlace) -> StoreCheck:
    """Read every file of a store and compare it with the SHA-256 that was recorded when it was finished.

    Exit code 2 if a file was changed or damaged since; `evaluator store repair` removes such runs.

    Example: `evaluator store check runs/store`
    """
    root = store_folder(store)
    return StoreCheck(str(root), sum(1 for _ in finished_nodes(root)), dict(_faults(root)))


def store_repair(store: options.StorePlace) -> StoreCheck:
    """Remove runs and tables that were changed or damaged since they were finished; `compare` makes them again.

    Example: `evaluator store repair runs/store`
    """
    root = store_folder(store)
    nodes, faults = sum(1 for _ in finished_nodes(root)), dict(_faults(root))
    for name in faults:
        remove(root / name)
    if any(name.partition("/")[0] not in KINDS for name in faults):
        (root / TABLES_FILE).unlink(missing_ok=True)  # `compare` writes the tables and this list of them anew
    if STORE_FILE in faults:
        Store.open(root, {})
    return StoreCheck(str(root), nodes, faults, list(faults))


def store_list(store: options.StorePlace) -> list[Json]:
    """List the nodes (finished parts of runs) of a store: kind, key, description, bytes.

    Example: `evaluator store list runs/store`
    """
    root = store_folder(store)
    return [
        {"kind": folder.parent.name, "key": folder.name, "what": _label(root, folder), "bytes": _size(folder)}
        for folder in finished_nodes(root)
    ]


def store_size(store: options.StorePlace) -> list[Json]:
    """List the disk space that a store takes: number of nodes and bytes by kind, and the bytes of all other files.

    Example: `evaluator store size runs/store`
    """
    root = store_folder(store)
    sizes = {kind: _size(root / kind) for kind in KINDS}
    kinds = [
        {"kind": kind, "nodes": len(list(finished_nodes(root, kind))), "bytes": size} for kind, size in sizes.items()
    ]
    rest = _size(root) - sum(sizes.values())
    return [*kinds, {"kind": "tables and logs", "nodes": 0, "bytes": rest}]


def store_clean(store: options.StorePlace) -> list[Json]:
    """Remove intermediate models and tokenised data, which take most of the space; scores and predictions stay.

    A finished comparison does not need them. If further targets need an intermediate model, it is trained again.
    Reports that are written later lack the epochs and tokens of intermediate training.

    Example: `evaluator store clean runs/store`

    Returns kind, number of nodes and bytes of what was removed. Raises UserError while a run writes to the store.
    """
    root = store_folder(store)
    has_head(root)  # of this version
    for kind in KINDS:
        sweep(root / kind)
        if (root / kind).is_dir() and any(is_draft(path.name) for path in (root / kind).iterdir()):
            raise UserError(
                f"a run writes to {root}/{kind} now; nothing was removed: run the command again when it has ended"
            )
    removed = []
    for kind in REMADE:
        nodes = list(finished_nodes(root, kind))
        removed.append({"kind": kind, "nodes": len(nodes), "bytes": sum(map(_size, nodes))})
        for folder in nodes:
            remove(folder)
    return removed


def store_folder(store: Path | str) -> Path:
    """Return the folder of a store; UserError where there is none."""
    refuse_address(store)
    if not any((Path(store) / name).exists() for name in (STORE_FILE, *KINDS)):
        raise UserError(f"no store at {store}: a store has a {STORE_FILE}; give the --store of `evaluator compare`")
    return Path(store)


def refuse_address(store: Path | str) -> None:
    """Raise UserError for a store that is no folder of this machine."""
    if is_address(str(store)):
        raise UserError(f"{store} is an address: runs check what they fetch from it; give a folder")


def finished_nodes(root: Path, *kinds: str) -> Iterator[Path]:
    """Yield the folders of finished nodes; OSError for a folder that cannot be read, which `glob` would pass over."""
    for folder in (root / kind for kind in kinds or KINDS if (root / kind).is_dir()):
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
        yield from (folder / name for name in names if (folder / name / MANIFEST_NAME).exists())


def _faults(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the path inside the store of what is not as it was finished, and what is wrong with it."""
    if not has_head(root):
        yield STORE_FILE, "cannot be read"
    for folder in finished_nodes(root):
        if fault := node_fault(folder, anew=True):
            yield folder.relative_to(root).as_posix(), fault
    yield from table_faults(root, anew=True)


def _label(root: Path, folder: Path) -> str:
    """Return what made a node, by its log, or of predictions and scores which run they are of."""
    try:
        inputs = read_own_node(folder)["inputs"]
        if folder.parent.name == "scores":
            return _label(root, root / "predictions" / inputs["predictions"])
        if folder.parent.name == "predictions":
            run = _logged(root, "target", inputs["model"]) or inputs["target"]
            return f"{run}: {inputs['language']} {inputs['split']}"
    except UserError as error:
        return str(error)
    except (KeyError, TypeError):
        return f"{MANIFEST_NAME} is not that of a node of {folder.parent.name}"
    return _logged(root, folder.parent.name, folder.name)


def _logged(root: Path, kind: str, key: str) -> str:
    log = root / "logs" / f"{kind}-{key}.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line.partition("  start  ")[2] for line in lines if "  start  " in line), "")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
