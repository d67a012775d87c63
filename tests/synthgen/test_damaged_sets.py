"""Finished sets of which a file was cut, changed, replaced or removed: made again where that can be, else refused."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import synthgen
from synthgen.dataset import read_manifest, read_rows
from synthgen.errors import IncompleteError, UserError
from synthgen.models import packs
from synthgen.publishing.verify import verify
from tests.synthgen.conftest import edit_manifest, make_scripted, parquet_folder, random_rows
from tests.synthgen.translators import Backwards


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished set, to be touched."""
    return Path(shutil.copytree(finished, tmp_path / "set"))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _swap(path: Path) -> None:
    shutil.copy(path.parents[1] / "fingerprints.parquet", path)


DAMAGES = [_cut, _flip, _link, _folder, _swap, Path.unlink, lambda path: path.write_bytes(b"")]


def _shard(folder: Path, part: str = "data") -> Path:
    return next((folder / part).iterdir())


READERS = {
    "inspect": lambda folder, out: synthgen.inspect(folder),
    "filter": lambda folder, out: synthgen.filter(folder, out=out),
    "translate": lambda folder, out: synthgen.translate(folder, to="tlh", out=out, backend=Backwards()),
    "card": lambda folder, out: synthgen.card(folder),
    "publish": lambda folder, out: synthgen.publish(folder, to=str(out)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_reads_rows_names_the_damaged_file_and_the_way_out(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    damage(_shard(folder))
    for name, read in READERS.items():
        with pytest.raises(UserError) as error:
            read(folder, tmp_path / name)
        assert _shard_name in str(error.value), name
        assert "\n" not in str(error.value)
        assert "--verify" in str(error.value) or name == "publish"
    assert any(_shard_name in fault for fault in verify(folder).faults)


_shard_name = "data/train-00000-of-00001.parquet"


@pytest.mark.parametrize("part", ["data", "rejected"])
def test_why_reads_no_damaged_rows(folder: Path, part: str) -> None:
    (folder / "ledger.sqlite").unlink()
    row_id = next(iter(read_rows(folder)))["id"]
    _flip(_shard(folder, part))
    with pytest.raises(UserError, match=f"{part}/.* its SHA-256 differs; copy or make the set again"):
        synthgen.why(folder, row_id)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["data", "rejected", "fingerprints.parquet"])
def test_make_writes_damaged_rows_again_from_its_ledger(
    tiny_model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], object], name: str
) -> None:
    out = tmp_path / "set"
    files = make_scripted(tiny_model, out, n=12).files
    path = out / next(each for each in files if each.startswith(name))
    if damage is _swap and name == "fingerprints.parquet":
        pytest.skip("it is what others are swapped for")
    damage(path)
    capsys.readouterr()
    assert make_scripted(tiny_model, out, n=12).files == files
    assert capsys.readouterr().err.count("the rows are written again from the ledger") == 1
    assert verify(out).faults == ()
    make_scripted(tiny_model, out, n=12)
    assert "again" not in capsys.readouterr().err


def test_translate_writes_damaged_rows_again_from_its_ledger(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (manifest,) = synthgen.translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    _shard(tmp_path / "tlh").unlink()
    (again,) = synthgen.translate(folder, to="tlh", out=tmp_path / "tlh", backend=Backwards())
    assert again.files == manifest.files
    assert "is missing: the rows are written again from the ledger" in capsys.readouterr().err
    assert verify(tmp_path / "tlh").faults == ()


def test_a_filtered_or_imported_set_that_was_changed_is_not_taken_as_done(tmp_path: Path) -> None:
    source = parquet_folder(tmp_path / "in", random_rows(20))
    synthgen.filter(source, out=tmp_path / "out", origin="real")
    _flip(_shard(tmp_path / "out"))
    with pytest.raises(UserError, match=r"its SHA-256 differs; remove .*out to filter again"):
        synthgen.filter(source, out=tmp_path / "out", origin="real")
    synthgen.import_task("mnli", source="sample", n=6, out=tmp_path / "real")
    _flip(_shard(tmp_path / "real"))
    with pytest.raises(UserError, match=r"its SHA-256 differs; remove .*real to import again"):
        synthgen.import_task("mnli", source="sample", n=6, out=tmp_path / "real")


def test_rows_that_the_manifest_does_not_name_are_refused(folder: Path) -> None:
    _shard(folder).unlink()
    files = read_manifest(folder).files
    edit_manifest(folder, files={name: digest for name, digest in files.items() if not name.startswith("data/")})
    with pytest.raises(UserError, match=r"synthgen.json lists no file of its 60 rows; copy or make the set again"):
        synthgen.inspect(folder)


def test_consistent_hashes_of_changed_rows_are_those_of_another_set(folder: Path) -> None:
    before = read_manifest(folder)
    other = json.dumps(before.files | {_shard_name: "0" * 64})
    edit_manifest(folder, files=json.loads(other))
    assert read_manifest(folder).content_hash != before.content_hash


@pytest.mark.parametrize(
    "change",
    [
        {"label_counts": {"entailment": 21, "neutral": 19, "contradiction": 20}},
        {"language": "fr"},
        {"task": "qnli"},
        {"licence": "CC0-1.0"},
        {"seed": 1},
        {"command": "synthgen import mnli"},
        {"manifest_hash": "0" * 64},
    ],
)
def test_a_changed_fact_of_a_set_is_refused_by_whatever_reads_it(
    folder: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    path = folder / "synthgen.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    for read in [*READERS.values(), lambda folder, _: read_manifest(folder)]:
        with pytest.raises(UserError, match=r"synthgen\.json was changed after the set was finished: .*; .*again"):
            read(folder, tmp_path / "out")
    assert any(fault.startswith("synthgen.json was changed") for fault in verify(folder).faults)


def test_a_manifest_with_its_keys_in_another_order_is_the_same(folder: Path) -> None:
    path = folder / "synthgen.json"
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert verify(folder).faults == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", r"it lacks task, format, columns, .*; copy or make the set again"),
        ("[]", "it is not a JSON object"),
        ("", "is not JSON"),
        ('{"task": "mnli"}', "it lacks format, "),
    ],
)
def test_a_manifest_without_its_keys_says_which(folder: Path, text: str, fault: str) -> None:
    (folder / "synthgen.json").write_text(text)
    with pytest.raises(UserError, match=fault):
        synthgen.inspect(folder)


@pytest.mark.parametrize("made_with", [True, False])
@pytest.mark.parametrize("verified_with", [True, False])
def test_a_verification_depends_on_the_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_with: bool, verified_with: bool
) -> None:
    pytest.importorskip("tokenizers")
    source = parquet_folder(tmp_path / "in", random_rows(20))
    _cache(tmp_path, monkeypatch, whole=made_with)
    made = synthgen.filter(source, out=tmp_path / "out", origin="real")
    assert str(made.statistics["xlmr_tokens"]).startswith("not done") != made_with
    _cache(tmp_path, monkeypatch, whole=verified_with)
    assert verify(tmp_path / "out").faults == ()
    assert synthgen.publish(tmp_path / "out", to=str(tmp_path / "public")).status == "published"


def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, whole: bool) -> None:
    """Use a cache with or without the encoder's tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / ("full" if whole else "empty")))
    folder = packs.find_pack("multilingual-e5-small").folder
    if whole and not folder.exists():
        folder.mkdir(parents=True)
        tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "pack.json").write_text("{}")


WRITERS = {
    "filter": lambda folder, out: synthgen.filter(folder, out=out),
    "translate": lambda folder, out: synthgen.translate(folder, to="tlh", out=out, backend=Backwards()),
    "make": lambda folder, out: make_scripted(str(folder), out),
}


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_written_into_a_finished_set(folder: Path, name: str) -> None:
    for out in (folder / "other", folder / "data" / "other"):
        with pytest.raises(UserError, match=r"other is inside set, a finished folder; give another --out"):
            WRITERS[name](folder, out)
    assert verify(folder).faults == ()


def _flip_bits(content: bytearray, draw: random.Random) -> None:
    for _ in range(20):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _zero_bytes(content: bytearray, draw: random.Random) -> None:
    start = draw.randrange(len(content) - 300)
    content[start : start + 300] = bytes(300)


def _cut_off(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def _fill_page(content: bytearray, draw: random.Random) -> None:
    start = 4096 * draw.randrange(1, len(content) // 4096)
    content[start : start + 4096] = draw.randbytes(4096)


@pytest.mark.parametrize("damage", [_flip_bits, _zero_bytes, _cut_off, _fill_page])
@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_ledger_ends_in_one_line_at_most(
    tiny_model: str, folder: Path, damage: Callable[[bytearray, random.Random], None], seed: int
) -> None:
    row_id = next(iter(read_rows(folder)))["id"]
    content = bytearray((folder / "ledger.sqlite").read_bytes())
    damage(content, random.Random(seed))
    (folder / "ledger.sqlite").write_bytes(content)
    verify(folder)
    _shard(folder).unlink()
    said = [_error(lambda: synthgen.why(folder, row_id)), _error(lambda: make_scripted(tiny_model, folder, n=60))]
    assert all("\n" not in line and (not line or str(folder) in line) for line in said)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE replies SET text = text || ' ' WHERE seq = 1",
        "UPDATE replies SET error = 'none' WHERE seq = 2",
        "DELETE FROM replies WHERE seq = 3",
        "UPDATE verdicts SET evidence = 'seen' WHERE verdict = 'kept'",
        "UPDATE run SET value = value || ' ' WHERE key = 'seed'",
        "INSERT INTO slots VALUES (99999, 'neutral')",
    ],
)
def test_a_changed_row_of_the_ledger_is_a_fault_and_is_not_published(folder: Path, tmp_path: Path, change: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
        ledger.execute("VACUUM")
    assert verify(folder).faults == ()
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger, ledger:
        assert ledger.execute(change).rowcount > 0
    fault = "ledger.sqlite is not the one that the set was written from: its rows differ"
    assert fault in verify(folder).faults
    with pytest.raises(UserError, match="not published: "):
        synthgen.publish(folder, to=str(tmp_path / "public"))


def _error(read: Callable[[], object]) -> str:
    """Return the line that a command ends with; it may end well too."""
    try:
        read()
    except (UserError, IncompleteError) as error:
        return str(error)
    return ""
