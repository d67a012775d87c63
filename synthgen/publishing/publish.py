"""`synthgen publish`: a finished, verified folder to the Hugging Face hub or to another folder, all of it or nothing.

Sent are the card, the manifest, the Croissant file, the shards and their fingerprints; never the ledger or the
rejected rows, whose reasons and counts the manifest has. Before anything leaves, the card is checked, its numbers are
recomputed, and everything is searched for this machine's names, paths and secrets.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthgen import options
from synthgen.cards.card import CARD_NAME, views, way_out
from synthgen.dataset.layout import MANIFEST_NAME, is_public
from synthgen.dataset.manifest import Manifest, read_manifest
from synthgen.errors import IncompleteError, UserError, disk_advice, first_line, plain_os_error, refuse, requires
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.publishing.verify import verify
from synthgen.runtime.drafts import sweep
from synthgen.runtime.files import check_writable, draft_folder, file_sha256
from synthgen.runtime.hub import endpoint, network_errors
from synthgen.runtime.lock import only_writer

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication, or in a dry run its plan: the place, each file with its bytes, the steps, and how it ended."""

    to: str
    files: dict[str, int]
    steps: tuple[str, ...]
    status: str


def publish(
    folder: options.Folder,
    *,
    to: options.Destination,
    private: options.Private = False,
    dry_run: options.DryRun = False,
) -> Publication:
    """Publish a finished set: card, manifest, Croissant, shards; never the ledger or the rejected rows.

    Examples: synthgen publish runs/mnli --to owner/mnli-synthetic --dry-run; synthgen publish runs/mnli --to ./public

    A path starts with `/`, `.` or `~`, or exists. The same call again finishes an interrupted upload and does nothing
    for a finished one. Raises UserError when the folder is unfinished, a number is wrong, something private would be
    sent, the name is invalid or taken by another set, or nobody is logged in; IncompleteError when the hub or the
    disk fails.
    """
    target = Path(to).expanduser()
    is_folder = to.startswith(("/", ".", "~")) or (bool(to) and target.exists())
    refuse(f"{to} is a folder, no repository", private=private and is_folder)
    manifest = read_manifest(folder)
    if not is_folder and not _REPO_ID.fullmatch(to):
        raise UserError(f"--to '{to}' is neither owner/name (letters, digits, '-', '_', '.') nor a path like ./{to}")
    if is_folder and target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"--to {to} is inside the set itself; give another --to")
    if faults := verify(folder).faults:
        more = f" (and {len(faults) - 1} more; synthgen card {folder} --verify)" if len(faults) > 1 else ""
        raise UserError("; ".join([f"not published: {faults[0]}{more}", *way_out(folder, faults)]))
    files = {name: (folder / name).stat().st_size for name in published_files(manifest)}
    if secrets := leaks(folder, list(files), secret_patterns()):
        raise UserError(f"not published: {'; '.join(secrets)}")
    if is_folder:
        return _to_folder(folder, manifest, target, files, dry_run=dry_run)
    return _to_hub(folder, manifest, to, files, private=private, dry_run=dry_run)


def published_files(manifest: Manifest) -> list[str]:
    """Return the names of the files that are published, the manifest last: it is what makes a folder finished."""
    return [*views(manifest), *filter(is_public, manifest.files), MANIFEST_NAME]


def _to_folder(folder: Path, manifest: Manifest, target: Path, files: dict[str, int], *, dry_run: bool) -> Publication:
    if (target / MANIFEST_NAME).is_file():
        sweep(target.absolute().parent)
        status = _same_or_refused(manifest, read_manifest(target), str(target))
        _refuse_other_files(folder, target, files)
        return Publication(str(target), files, (), status)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists and is not a published set; give another --to")
    steps = (f"copy {len(files)} files to {target}",)
    if dry_run:
        return Publication(str(target), files, steps, "dry run: nothing was sent")
    with plain_os_error(f"--to {target} cannot be a folder", "give another --to"):
        target.parent.mkdir(parents=True, exist_ok=True)
    check_writable(target.parent, f"to --to {target}")
    try:
        with only_writer(target), draft_folder(target) as draft:
            for name in files:
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, draft / name)
    except OSError as error:
        advice = f"{disk_advice(error) or 'see to it'}, then give the same command again"
        raise IncompleteError(f"cannot write {target}: {error.strerror}: nothing was published; {advice}") from None
    return Publication(str(target), files, steps, "published")


def _refuse_other_files(folder: Path, target: Path, files: dict[str, int]) -> None:
    for name in files:
        if not (target / name).is_file() or file_sha256(target / name) != file_sha256(folder / name):
            raise UserError(f"{target} holds this set, but {name} is missing or another file there; give another --to")


def _to_hub(
    folder: Path, manifest: Manifest, repo: str, files: dict[str, int], *, private: bool, dry_run: bool
) -> Publication:
    tag = f"data-{manifest.content_hash[:12]}"
    create = f"create the {'private' if private else 'public'} dataset repository {repo}, unless it is there and empty"
    steps = (create, f"one commit of {len(files)} files", f"tag {tag}")
    if dry_run:
        return Publication(repo, files, steps, "dry run: nothing was sent")
    with requires("huggingface_hub", "hub", f"--to {repo}"):
        from huggingface_hub import CommitOperationAdd, HfApi
    api = HfApi(endpoint=endpoint())
    with _plain_errors(repo):
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        published = _published_manifest(api, repo)
        status = _same_or_refused(manifest, published, repo) if published else "published"
        if not published:
            operations = [CommitOperationAdd(name, folder / name) for name in files]
            message = f"{manifest.task}, {manifest.origin}, {manifest.n} examples"
            api.create_commit(repo, operations, commit_message=message, repo_type="dataset")
        api.create_tag(repo, tag=tag, repo_type="dataset", exist_ok=True)
    return Publication(repo, files, steps, status)


def _published_manifest(api: HfApi, repo: str) -> Manifest | None:
    """Return the manifest that a repository holds, None for an empty one; UserError when it holds something else."""
    names = set(api.list_repo_files(repo, repo_type="dataset")) - {".gitattributes"}
    if not names:
        return None
    if MANIFEST_NAME not in names:
        some = ", ".join(sorted(names)[:3])
        raise UserError(f"{repo} exists and holds {some}: not a set of synthgen; give another --to")
    path = api.hf_hub_download(repo, MANIFEST_NAME, repo_type="dataset")
    return Manifest.from_json(Path(path).read_text(encoding="utf-8"), where=f"{MANIFEST_NAME} of {repo}")


def _same_or_refused(manifest: Manifest, published: Manifest, where: str) -> str:
    if published == manifest:
        return "already published"
    is_same = published.content_hash == manifest.content_hash
    what = f"the same rows with another {CARD_NAME}" if is_same else "other rows"
    raise UserError(f"{where} exists and holds {what} ({published.task}, {published.n} examples); give another --to")


@contextmanager
def _plain_errors(repo: str) -> Iterator[None]:
    """Turn what the hub's library raises into one line that says what to do."""
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise UserError(f"--to '{repo}' is no valid repository name: {first_line(error)}") from None
    except LocalTokenNotFoundError:
        raise UserError(_LOGIN) from None
    except network_errors() as error:
        code = getattr(getattr(error, "response", None), "status_code", None)
        message = " ".join(str(getattr(error, "server_message", None) or "").split())
        raise _by_code(code, repo, message or first_line(error)) from None


_LOGIN = "the hub does not know you: run `hf auth login`, or set HF_TOKEN to a token with write access"


def _by_code(code: int | None, repo: str, reason: str) -> UserError | IncompleteError:
    """Return the error for an HTTP status; no status means that no answer came.

    >>> print(_by_code(403, "ann/set", "Forbidden"))
    your token may not write to ann/set; give a repository of yours, or a token with write access
    """
    advice = "give a repository of yours, or a token with write access"
    refusals = {
        400: f"the hub refuses what would go to {repo}: {reason}; nothing was published",
        401: _LOGIN,
        403: f"your token may not write to {repo}; {advice}",
        409: f"{repo} was changed or made by somebody else meanwhile ({reason}); look at it and run again",
    }
    if code in refusals:
        return UserError(refusals[code])
    again = "nothing is half-published: files arrive in one commit. Run the command again"
    if code == 429:
        return IncompleteError(f"the hub asks to wait (too many requests); {again} later")
    return IncompleteError(f"cannot publish to {repo}: {reason}; {again} when the hub answers")
