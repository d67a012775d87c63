"""Finished runs without their weights, in one file: another machine goes on where this one was.

The file is a tar archive, packed by gzip, of the nodes that say what a run predicted and how its training went. Two
archives of the same nodes have the same bytes.
"""

import gzip
import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluator import options
from evaluator.store.commands import finished_nodes, refuse_address, store_folder
from evaluator.store.manifest import node_fault
from evaluator.store.store import STORE_FILE, Store, has_head
from synthgen.dataset.layout import MANIFEST_NAME
from synthgen.errors import UserError
from synthgen.runtime.files import atomic_file, check_writable, move, new_file, scratch_folder

PACKED_KINDS = ("target", "predictions")
"""What an archive holds: scores are made from predictions in seconds, checkpoints are large."""

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes: weights that `--keep-heads` left in a target's folder stay out."""

LARGEST_ARCHIVE = 4 * 1024 * 1024 * 1024
"""Bytes that the files of an archive may take: none fills a disk."""

_MEMBER = re.compile(rf"({'|'.join(PACKED_KINDS)})/([0-9a-f]{{24}})/([A-Za-z0-9][A-Za-z0-9_.-]*)")


@dataclass(frozen=True, slots=True)
class PackedRuns:
    """The archive and the store of a `store pack` or `store unpack`, and how many nodes went over."""

    archive: str
    store: str
    nodes: int


def store_pack(store: options.StorePlace, *, out: options.Archive) -> PackedRuns:
    """Write the finished runs of a store, without weights, to an archive for `evaluator store unpack`.

    Example: `evaluator store pack runs/store --out runs.tar.gz`

    Raises UserError where there is no store, or when the archive cannot be written.
    """
    root = store_folder(store)
    check_writable(Path(out).parent, f"to --out {out}")
    if not has_head(root):
        raise UserError(f"{root / STORE_FILE} cannot be read: evaluator store repair {root} writes it again")
    if not (folders := list(_whole(root))):
        raise UserError(f"no finished runs at {root}; give the --store of `evaluator compare`")
    with (
        atomic_file(Path(out)) as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in (path for folder in folders for path in sorted(folder.iterdir())):
            member = tarfile.TarInfo(path.relative_to(root).as_posix())
            content = path.read_bytes()
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return PackedRuns(str(out), str(root), len(folders))


def store_unpack(archive: options.ArchiveRead, *, store: options.StoreFolder = "runs/store") -> PackedRuns:
    """Add the runs of an archive to a store; `evaluator compare` with the same arguments reuses them.

    Each run is checked against the SHA-256 that was recorded when it was finished. Runs that the store already has stay
    as they are.

    Example: `evaluator store unpack runs.tar.gz --store runs/store`

    Raises UserError for a file that is no such archive.
    """
    refuse_address(store)
    path, root = Path(archive), Path(store)
    if not path.is_file():
        raise UserError(f"{path} is no file; `evaluator store pack STORE --out {path.name}` writes one")
    with scratch_folder(root / "unpacked") as draft:
        _extract(path, draft)
        folders = [folder.parent for folder in sorted(draft.glob(f"*/*/{MANIFEST_NAME}"))]
        for folder in folders:
            if fault := node_fault(folder):
                raise UserError(f"{path}: {folder.relative_to(draft).as_posix()}: {fault}; fetch the archive again")
        Store.open(root, {})
        for folder in folders:
            target = root / folder.relative_to(draft)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target / MANIFEST_NAME).exists():
                move(folder, target)
    return PackedRuns(str(path), str(root), len(folders))


def _whole(root: Path) -> Iterator[Path]:
    """Yield the folders of finished nodes that go into an archive."""
    for folder in finished_nodes(root, *PACKED_KINDS):
        is_small = all(path.is_file() and path.stat().st_size <= LARGEST_FILE for path in folder.iterdir())
        if is_small and not node_fault(folder):
            yield folder


def _extract(path: Path, draft: Path) -> None:
    """Write the files of an archive below a folder; UserError for any other member or a damaged archive."""
    total = 0
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                total += member.size
                if not member.isreg() or not _MEMBER.fullmatch(member.name) or member.size > LARGEST_FILE:
                    raise UserError(
                        f"{path}: {member.name!r} is not a file of a run; is it an archive of `store pack`?"
                    )
                if total > LARGEST_ARCHIVE:
                    raise UserError(f"{path} unpacks to more than {LARGEST_ARCHIVE >> 30} GB; runs take far less")
                content = archive.extractfile(member)
                assert content is not None  # a regular file has content
                target = draft / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with new_file(target) as file:
                    shutil.copyfileobj(content, file)
    except UserError:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error) as error:
        if getattr(error, "errno", None):  # a fault of the disk, such as a full one
            raise
        raise UserError(f"{path} is not an archive of `evaluator store pack`: {error}") from None
