"""Publishing: what is sent and what never is, through the hub library's own calls against a loopback server."""

from __future__ import annotations

import base64
import errno
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from synthgen.dataset import file_sha256, read_manifest, read_rows
from synthgen.errors import IncompleteError, UserError
from synthgen.publishing.publish import publish, published_files
from synthgen.publishing.secrets import leaks, secret_patterns
from synthgen.publishing.verify import verify
from tests.hub import Answer, Hub, serving
from tests.synthgen.conftest import edit_manifest

pytest.importorskip("huggingface_hub")

SENT = ["README.md", "croissant.json", "data/train-00000-of-00001.parquet", "figures/artefacts.svg"]
SENT += ["figures/funnel.svg", "figures/labels.svg", "figures/lengths.svg", "fingerprints.parquet", "synthgen.json"]


class WritableHub(Hub):
    """A hub that takes repositories, commits and tags, or refuses every write with one status."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = WritableAnswer
        self.refusal: int | None = None
        self.tags: list[str] = []
        self.commits: list[list[str]] = []
        self.private: bool | None = None


class WritableAnswer(Answer):
    server: WritableHub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if "/tree/" not in path:
            repo = "/".join(path.removeprefix("/datasets").split("/")[1:3])
            commit = self.server.commit(repo) if "/resolve/main/" in path else ""
            self.path = self.path.replace("/resolve/main/", f"/resolve/{commit}/")
            return super().do_GET()
        files = self.server.repos["/".join(path.split("/")[3:5])]
        tree = [{"type": "file", "path": name, "size": len(content), "oid": "0"} for name, content in files.items()]
        return self.json(tree)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.requests.append(f"POST {path}")
        if self.server.refusal:
            return self.refuse(self.server.refusal)
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        repo, step = "/".join(path.split("/")[3:5]), path.split("/")[5]
        return {"preupload": self.preupload, "commit": self.commit, "tag": self.tag}[step](repo, body)

    def create(self, asked: dict) -> None:
        repo = f"{asked['organization']}/{asked['name']}"
        self.server.private = asked.get("visibility") == "private" or bool(asked.get("private"))
        if repo in self.server.repos:
            return self.refuse(409)
        self.server.repos[repo] = {".gitattributes": b""}
        return self.json({"url": f"{self.server.endpoint}/datasets/{repo}"})

    def refuse(self, status: int) -> None:
        facts = {"url": f"{self.server.endpoint}/datasets/ann/mnli", "error": "the card's\nlicense is odd"}
        self.send(json.dumps(facts).encode(), {"Content-Type": "application/json"}, status=status)

    def preupload(self, repo: str, body: bytes) -> None:
        names = [file["path"] for file in json.loads(body)["files"]]
        self.json({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})

    def commit(self, repo: str, body: bytes) -> None:
        entries = [json.loads(line) for line in body.decode().splitlines()]
        files = {e["value"]["path"]: base64.b64decode(e["value"]["content"]) for e in entries if e["key"] == "file"}
        self.server.repos[repo] |= files
        self.server.commits.append(sorted(files))
        self.json({"commitUrl": f"{self.server.endpoint}/datasets/{repo}/commit/0", "commitOid": "0"})

    def tag(self, repo: str, body: bytes) -> None:
        self.server.tags.append(json.loads(body)["tag"])
        self.json({})

    def json(self, value: object) -> None:
        self.send(json.dumps(value).encode(), {"Content-Type": "application/json"})


@contextmanager
def writable_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    """Serve a hub that takes commits, and have the library know it and a token."""
    server = WritableHub()
    # Both are read once, when the library is first imported.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.endpoint)
    template = server.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test_and_nothing_else")
    with serving(server, tmp_path, monkeypatch):
        yield server


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WritableHub]:
    with writable_hub(tmp_path, monkeypatch) as server:
        yield server


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "set"))


def test_a_set_goes_to_the_hub_in_one_commit_with_a_tag(hub: WritableHub, folder: Path) -> None:
    publication = publish(folder, to="ann/mnli", private=True)
    assert publication.status == "published"
    assert sorted(publication.files) == SENT
    assert hub.commits == [SENT]
    assert hub.tags == [f"data-{read_manifest(folder).content_hash[:12]}"]
    assert hub.private is True
    assert hub.repos["ann/mnli"]["synthgen.json"] == (folder / "synthgen.json").read_bytes()


def test_publishing_again_sends_nothing_and_another_set_is_refused(hub: WritableHub, folder: Path) -> None:
    publish(folder, to="ann/mnli")
    assert publish(folder, to="ann/mnli").status == "already published"
    assert len(hub.commits) == 1
    hub.repos["ann/other"] = {"README.md": b"mine"}
    with pytest.raises(UserError, match=r"ann/other exists and holds README\.md: not a set of synthgen"):
        publish(folder, to="ann/other")


def test_an_upload_that_stopped_after_the_repository_was_made_goes_on(hub: WritableHub, folder: Path) -> None:
    hub.repos["ann/mnli"] = {".gitattributes": b""}
    assert publish(folder, to="ann/mnli").status == "published"


def test_a_dry_run_lists_the_files_and_sends_nothing(hub: WritableHub, folder: Path) -> None:
    publication = publish(folder, to="ann/mnli", dry_run=True)
    assert sorted(publication.files) == SENT
    assert publication.files["README.md"] == (folder / "README.md").stat().st_size
    assert hub.requests == []


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (400, UserError, "refuses what would go to ann/mnli: the card's license is odd; nothing was published"),
        (401, UserError, "run `hf auth login`"),
        (403, UserError, "may not write to ann/mnli"),
        (409, UserError, "somebody else meanwhile"),
        (429, IncompleteError, "asks to wait"),
        (500, IncompleteError, "nothing is half-published"),
    ],
)
def test_an_error_of_the_hub_is_one_line(
    hub: WritableHub, folder: Path, status: int, error: type, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.repos["ann/mnli"] = {".gitattributes": b""}
    hub.refusal = status
    with pytest.raises(error, match=says) as caught:
        publish(folder, to="ann/mnli")
    assert "\n" not in str(caught.value)
    assert hub.commits == []


def test_no_network_is_one_line_with_exit_code_three(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with pytest.raises(IncompleteError, match="cannot publish to ann/mnli") as caught:
        publish(folder, to="ann/mnli")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ann", "ann/b/c", "ann/ä", "ann/-x", "a b/c"])
def test_an_invalid_name_is_refused_before_anything_is_sent(hub: WritableHub, folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="neither owner/name"):
        publish(folder, to=name)
    assert hub.requests == []


def test_a_folder_gets_the_same_rows_and_verifies(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    target = tmp_path / "public" / "mnli"
    assert publish(folder, to=str(target)).status == "published"
    assert sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()) == SENT
    assert list(read_rows(target)) == list(read_rows(folder))
    assert verify(target).faults == ()
    loaded = datasets.load_dataset(str(target), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == list(read_rows(folder))
    assert loaded.features["label"].names == ["entailment", "neutral", "contradiction"]
    assert publish(folder, to=str(target)).status == "already published"


def test_a_set_with_a_wrong_number_is_not_published(folder: Path, tmp_path: Path) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text().replace("| kept | 60 |", "| kept | 61 |"))
    with pytest.raises(UserError, match=r"not published: README\.md says"):
        publish(folder, to=str(tmp_path / "public"))
    assert not (tmp_path / "public").exists()


@pytest.mark.parametrize("name", ["../private.txt", "ledger.sqlite", "data/notes.txt", "/etc/hostname"])
def test_a_file_that_is_no_part_of_a_set_is_not_published_though_the_manifest_lists_it(
    folder: Path, tmp_path: Path, name: str
) -> None:
    if not name.startswith("/"):
        (folder / name).write_text("private")
    listed = read_manifest(folder).files | {name: file_sha256(folder / name)}
    edit_manifest(folder, files=listed)
    assert name not in published_files(read_manifest(folder))
    with pytest.raises(UserError, match=f"not published: synthgen.json lists '{name}', which is not a file of a set"):
        publish(folder, to=str(tmp_path / "deep" / "public"))
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("name", ["data/train-00000-of-00001.parquet", "README.md"])
def test_a_link_is_not_published(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"not published: {name} is a link"):
        publish(folder, to=str(tmp_path / "public"))


def test_a_set_without_one_of_its_pictures_is_not_published(folder: Path, tmp_path: Path) -> None:
    (folder / "figures" / "funnel.svg").unlink()
    with pytest.raises(UserError, match=r"not published: figures/funnel\.svg is missing; synthgen card set writes it"):
        publish(folder, to=str(tmp_path / "public"))


def test_an_unfinished_folder_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "half" / "data").mkdir(parents=True)
    with pytest.raises(UserError, match="not a finished dataset folder"):
        publish(tmp_path / "half", to=str(tmp_path / "public"))


def test_a_full_disk_leaves_nothing_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", no_space)
    with pytest.raises(IncompleteError, match="No space left on device: nothing was published; make room"):
        publish(folder, to=str(tmp_path / "public"))
    assert not list(tmp_path.glob("*public*"))


def test_nothing_of_this_machine_is_in_what_is_sent(folder: Path) -> None:
    sent = published_files(read_manifest(folder))
    assert "ledger.sqlite" not in sent
    assert not [name for name in sent if name.startswith("rejected")]
    assert leaks(folder, sent, secret_patterns()) == []


def test_planted_secrets_names_and_paths_are_found_and_not_repeated(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node-17.example")
    monkeypatch.setenv("LOGNAME", "annexample")
    monkeypatch.setenv("HOME", "/home/annexample")
    monkeypatch.setenv("HF_TOKEN", "hf_planted_secret")
    planted = ["on node-17.example", "by annexample", "in /home/annexample/sets", "with hf_planted_secret"]
    for text, what in zip(planted, ("the host name", "the user name", "the home path", "$HF_TOKEN"), strict=True):
        (folder / "README.md").write_text(f"made {text}\n")
        (line,) = [line for line in leaks(folder, ["README.md"], secret_patterns()) if what in line]
        assert "planted" not in line


LEAKS = [
    ("--out file:///home/annexample/x", "the home path"),
    ("--out /home/alice/x", "an absolute path"),
    ("--mt llm:/mnt/scratch/x", "an absolute path"),
    ("--out ../../../home/alice/x", "an absolute path"),
    ("http://h/sk-planted-0123/x", "$MY_SIGNING_KEY"),
    ("keysk-planted-0123", "$MY_SIGNING_KEY"),
    ("ghp_planted0123", "$GH_PAT"),
    ("hunter2hunter2", "$DB_PASS"),
    ("hf_" + "a1" * 12, "a key of the Hugging Face hub"),
    ("stored-planted-token", "the token of `hf auth login`"),
    ("https://ann:planted@server.example/v1", "a password in an address"),
]


@pytest.mark.parametrize(("text", "what"), LEAKS)
def test_secrets_and_paths_are_found_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, what: str
) -> None:
    monkeypatch.setenv("HOME", "/home/annexample")
    (tmp_path / "token").write_text("stored-planted-token\n")
    secrets = {"MY_SIGNING_KEY": "sk-planted-0123", "GH_PAT": "ghp_planted0123", "DB_PASS": "hunter2hunter2"}
    wanted = secret_patterns({**secrets, "HF_HOME": str(tmp_path)})
    (tmp_path / "README.md").write_text(f"synthgen make {text}\n")
    assert any(what in line for line in leaks(tmp_path, ["README.md"], wanted))


def test_addresses_and_hub_ids_are_no_leak(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("https://a.example/home/page, owner/home, http://HOST/v1#big, and/or\n")
    assert leaks(tmp_path, ["README.md"], secret_patterns({"HF_HOME": str(tmp_path)})) == []


def test_a_published_folder_whose_file_was_changed_is_not_called_published(folder: Path, tmp_path: Path) -> None:
    publish(folder, to=str(tmp_path / "public"))
    card = tmp_path / "public" / "README.md"
    card.write_text(card.read_text() + "more\n")
    with pytest.raises(UserError, match=r"holds this set, but README\.md is missing or another file there"):
        publish(folder, to=str(tmp_path / "public"))


def test_a_target_that_can_be_no_folder_of_its_own_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for to, says in (
        ("", "neither owner/name"),
        (str(folder / "inner"), "is inside the set itself"),
        (str(tmp_path / "file" / "in"), "cannot be a folder"),
    ):
        with pytest.raises(UserError, match=says):
            publish(folder, to=to)
    assert not (folder / "inner").exists()


def test_a_secret_in_a_row_stops_the_publication(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synthgen.corpora.import_corpus import import_task

    import_task("mnli", source="sample", out=tmp_path / "real")
    word = next(word for row in read_rows(tmp_path / "real") for word in row["premise"].split() if len(word) > 8)
    monkeypatch.setenv("MY_API_KEY", word.strip(".,"))
    with pytest.raises(UserError, match=r"data/train-00000-of-00001\.parquet holds the value of \$MY_API_KEY"):
        publish(tmp_path / "real", to=str(tmp_path / "public"))
