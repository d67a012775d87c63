"""What is sent somewhere, all of it or nothing: to a repository of the hub in one commit, or to a new folder.

The same call again finishes an interrupted upload and does nothing for a finished one: a file of what is sent, its
manifest, says whether it is there already.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthgen.errors import IncompleteError, UserError, disk_advice, first_line, plain_os_error, refuse, requires
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.runtime.drafts import sweep
from synthgen.runtime.files import check_writable, draft_folder, file_sha256
from synthgen.runtime.hub import endpoint, network_errors
from synthgen.runtime.lock import only_writer

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication, or in a dry run its plan: the place, each file with its bytes, the steps, and how it ended."""

    to: str
    files: dict[str, int]
    steps: tuple[str, ...]
    status: str

    def lines(self) -> list[str]:
        """Return what a command prints of it."""
        files = (f"{size:>12,} bytes  {name}" for name, size in self.files.items())
        return [*files, *(f"step: {step}" for step in self.steps), f"{self.to}: {self.status}"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: a folder's files by the names that they get, the last one being the manifest.

    `kind` is what it is called, `check_published` says that a manifest's text, found at a place, is this one's, else
    UserError. `repository` is the hub's type, `tag` that of the commit with this message.
    """

    folder: Path
    files: Mapping[str, str]
    kind: str
    repository: str
    tag: str
    message: str
    check_published: Callable[[str, str], str]

    @property
    def manifest(self) -> str:
        """The name of the file that says what is there."""
        return list(self.files)[-1]

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file."""
        return {name: (self.folder / source).stat().st_size for name, source in self.files.items()}


def send(parcel: Parcel, to: str, *, private: bool, dry_run: bool) -> Publication:
    """Send a parcel to a repository or a folder; UserError for a place that cannot be, or something private in it."""
    target, is_folder = Path(to).expanduser(), is_path(to)
    check_place(to, parcel.folder, parcel.kind, private=private)
    searched = [source for source in parcel.files.values() if not source.endswith(_WEIGHTS)]
    if secrets := leaks(parcel.folder, searched, secret_patterns()):
        raise UserError(f"not published: {'; '.join(secrets)}")
    if is_folder:
        return _to_folder(parcel, target, dry_run=dry_run)
    return _to_hub(parcel, to, private=private, dry_run=dry_run)


def is_path(to: str) -> bool:
    """Say whether a destination is a folder, not a repository."""
    return to.startswith(("/", ".", "~")) or (bool(to) and Path(to).expanduser().exists())


def check_place(to: str, folder: Path, kind: str, *, private: bool) -> None:
    """Raise UserError for a destination that is none, before anything is read."""
    is_folder = is_path(to)
    refuse(f"{to} is a folder, not a repository", private=private and is_folder)
    if not is_folder and not _REPO_ID.fullmatch(to):
        raise UserError(f"--to '{to}' is neither owner/name (letters, digits, '-', '_', '.') nor a path like ./{to}")
    if is_folder and Path(to).expanduser().resolve().is_relative_to(folder.resolve()):
        raise UserError(f"--to {to} is inside the {kind} itself; give another --to")


def _to_folder(parcel: Parcel, target: Path, *, dry_run: bool) -> Publication:
    files = parcel.sizes
    if (target / parcel.manifest).is_file():
        sweep(target.absolute().parent)
        text = (target / parcel.manifest).read_text(encoding="utf-8", errors="replace")
        status = parcel.check_published(text, str(target))
        _refuse_other_files(parcel, target)
        return Publication(str(target), files, (), status)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} exists and is not a published {parcel.kind}; give another --to")
    steps = (f"copy {len(files)} files to {target}",)
    if dry_run:
        return Publication(str(target), files, steps, "dry run: nothing was sent")
    with plain_os_error(f"--to {target} cannot be a folder", "give another --to"):
        target.parent.mkdir(parents=True, exist_ok=True)
    check_writable(target.parent, f"to --to {target}")
    try:
        with only_writer(target), draft_folder(target) as draft:
            for name, source in parcel.files.items():
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(parcel.folder / source, draft / name)
    except OSError as error:
        advice = f"{disk_advice(error) or 'check the disk'}, then run the same command again"
        raise IncompleteError(f"cannot write {target}: {error.strerror}: nothing was published; {advice}") from None
    return Publication(str(target), files, steps, "published")


def _refuse_other_files(parcel: Parcel, target: Path) -> None:
    for name, source in parcel.files.items():
        if not (target / name).is_file() or file_sha256(target / name) != file_sha256(parcel.folder / source):
            here = f"{target} holds this {parcel.kind}"
            raise UserError(f"{here}, but {name} is missing or another file there; give another --to")


def _to_hub(parcel: Parcel, repo: str, *, private: bool, dry_run: bool) -> Publication:
    files, kind = parcel.sizes, parcel.repository
    create = f"create the {'private' if private else 'public'} {kind} repository {repo}, unless it is there and empty"
    steps = (create, f"one commit of {len(files)} files", f"tag {parcel.tag}")
    if dry_run:
        return Publication(repo, files, steps, "dry run: nothing was sent")
    with requires("huggingface_hub", "hub", f"--to {repo}"):
        from huggingface_hub import CommitOperationAdd, HfApi
    api = HfApi(endpoint=endpoint())
    with _plain_errors(repo):
        api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        published = _published_manifest(api, parcel, repo)
        status = "published" if published is None else parcel.check_published(published, repo)
        if published is None:
            operations = [CommitOperationAdd(name, parcel.folder / source) for name, source in parcel.files.items()]
            api.create_commit(repo, operations, commit_message=parcel.message, repo_type=kind)
        api.create_tag(repo, tag=parcel.tag, repo_type=kind, exist_ok=True)
    return Publication(repo, files, steps, status)


def _published_manifest(api: HfApi, parcel: Parcel, repo: str) -> str | None:
    """Return the manifest that a repository holds, None for an empty one; UserError when it holds something else."""
    names = set(api.list_repo_files(repo, repo_type=parcel.repository)) - {".gitattributes"}
    if not names:
        return None
    if parcel.manifest not in names:
        some = ", ".join(sorted(names)[:3])
        raise UserError(f"{repo} exists and holds {some}: not a {parcel.kind} of synthgen; give another --to")
    path = api.hf_hub_download(repo, parcel.manifest, repo_type=parcel.repository)
    return Path(path).read_text(encoding="utf-8")


@contextmanager
def _plain_errors(repo: str) -> Iterator[None]:
    """Turn what the hub's library raises into one line that says what to do."""
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise UserError(f"--to '{repo}' is not a valid repository name: {first_line(error)}") from None
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
