"""A hub on the loopback that answers as the Hugging Face hub does, and the caches that keep tests from the real one."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.dataset import arrow_schema


class Hub(ThreadingHTTPServer):
    """A hub of datasets and models in memory: {repo: {file name: bytes}}, one commit each, and the requests it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.requests: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, repo: str) -> str:
        return hashlib.sha1(json.dumps(sorted(self.repos[repo])).encode() + repo.encode()).hexdigest()


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        if path.startswith(("/api/datasets/", "/api/models/")):
            repo = "/".join(path.split("/")[3:5])
            if repo not in self.server.repos:
                return self.missing("RepoNotFound")
            return self.tree(repo) if "/tree/" in path else self.info(repo)
        owner, name, _, revision, *rest = path.removeprefix("/datasets").split("/")[1:]
        files = self.server.repos.get(f"{owner}/{name}", {})
        content = files.get("/".join(rest))
        if content is None or revision != self.server.commit(f"{owner}/{name}"):
            return self.missing("EntryNotFound")
        return self.send(content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": revision})

    def info(self, repo: str) -> None:
        siblings = [{"rfilename": name} for name in self.server.repos[repo]]
        facts = {"id": repo, "sha": self.server.commit(repo), "siblings": siblings, "tags": [], "private": False}
        self.send(json.dumps(facts).encode(), {"Content-Type": "application/json"})

    def tree(self, repo: str) -> None:
        files = self.server.repos[repo].items()
        rows = [{"type": "file", "path": name, "size": len(content), "oid": ""} for name, content in files]
        self.send(json.dumps(rows).encode(), {"Content-Type": "application/json"})

    def missing(self, code: str) -> None:
        self.send(b"", {"X-Error-Code": code}, status=404)

    def send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    with serving(server, tmp_path, monkeypatch):
        yield server


@contextmanager
def serving(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a hub answer in a thread, and the hub's library ask it alone and keep nothing between tests."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    use_empty_caches(tmp_path, monkeypatch)
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def use_empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def parquet(rows: list[dict], features: dict) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=arrow_schema(features)), buffer)
    return buffer.getvalue()
