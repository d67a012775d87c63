"""`synthgen publish`: a finished, verified folder to the Hugging Face hub or to another folder, all of it or nothing.

Sent are the card, the manifest, the Croissant file, the shards and their fingerprints; never the ledger or the
rejected rows, whose reasons and counts the manifest has. Before anything leaves, the card is checked, its numbers are
recomputed, and everything is searched for this machine's names, paths and secrets.
"""

from synthgen import options
from synthgen.cards.card import CARD_NAME, views, way_out
from synthgen.dataset.layout import MANIFEST_NAME, is_public
from synthgen.dataset.manifest import Manifest, read_manifest
from synthgen.errors import UserError
from synthgen.publishing.parcel import Parcel, Publication, check_place, send
from synthgen.publishing.verify import verify


def publish(
    folder: options.Folder,
    *,
    to: options.Destination,
    private: options.Private = False,
    dry_run: options.DryRun = False,
) -> Publication:
    """Publish a finished dataset folder: card, manifest, Croissant metadata and rows, without ledger and rejected rows.

    Example: synthgen publish runs/mnli --to owner/mnli-synthetic --dry-run

    Example: synthgen publish runs/mnli --to ./public

    A path starts with `/`, `.` or `~`, or exists. The same call again finishes an interrupted upload and does nothing
    for a finished one. Raises UserError when the folder is unfinished, a number is wrong, something private would be
    sent, the name is invalid or taken by another set, or nobody is logged in; IncompleteError when the hub or the
    disk fails.
    """
    check_place(to, folder, "set", private=private)
    manifest = read_manifest(folder)
    if faults := verify(folder).faults:
        more = f" (and {len(faults) - 1} more; synthgen card {folder} --verify)" if len(faults) > 1 else ""
        raise UserError("; ".join([f"not published: {faults[0]}{more}", *way_out(folder, faults)]))
    names = published_files(manifest)

    def check_published(text: str, where: str) -> str:
        return _same_or_refused(manifest, Manifest.from_json(text, where=f"{MANIFEST_NAME} of {where}"), where)

    tag, message = f"data-{manifest.content_hash[:12]}", f"{manifest.task}, {manifest.origin}, {manifest.n} examples"
    parcel = Parcel(folder, dict(zip(names, names, strict=True)), "set", "dataset", tag, message, check_published)
    return send(parcel, to, private=private, dry_run=dry_run)


def published_files(manifest: Manifest) -> list[str]:
    """Return the names of the files that are published, the manifest last: it is what makes a folder finished."""
    return [*views(manifest), *filter(is_public, manifest.files), MANIFEST_NAME]


def _same_or_refused(manifest: Manifest, published: Manifest, where: str) -> str:
    if published == manifest:
        return "already published"
    is_same = published.content_hash == manifest.content_hash
    what = f"the same rows with another {CARD_NAME}" if is_same else "other rows"
    raise UserError(f"{where} exists and holds {what} ({published.task}, {published.n} examples); give another --to")
