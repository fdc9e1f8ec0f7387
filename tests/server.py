"""A server on this machine that answers as the model hub does, or as badly as it is told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


class Server(ThreadingHTTPServer):
    """Serves `files`; those of a repository lie at /USER/NAME/resolve/main/FILE.

    Attributes
    ----------
    files
        Their content.
    cut
        How often still a file breaks off in its middle.
    damaged
        How often still a file comes with its last byte changed.
    refused
        Status and, of the hub, its code, instead of a file.
    requests
        Method and path of each.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.damaged: dict[str, int] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.requests: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, repository: str, file: str, content: bytes) -> str:
        """Put a file into a repository; returns its path here."""
        path = f"/{repository}/resolve/main/{file}"
        self.files[path] = content
        return path


@contextmanager
def serving() -> Iterator[Server]:
    """A server while the context lasts."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path, server = self.path.partition("?")[0], self.server
        server.requests.append((self.command, path))
        status, code = server.refused.get(path, (0, ""))
        if status or path not in server.files:
            known = any(
                one.split("/resolve/")[0] == path.split("/resolve/")[0] for one in server.files
            )
            self.send_response(status or (404 if known else 401))
            self.send_header("X-Error-Code", code or ("EntryNotFound" if known else "RepoNotFound"))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = server.files[path]
        etag = hashlib.sha256(content).hexdigest()
        if path.endswith(".json"):  # small files lie in git
            etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if "/resolve/" in path:
            self.send_header("ETag", f'"{etag}"')
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if not body:
            return
        if server.damaged.get(path, 0):
            server.damaged[path] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        if server.cut.get(path, 0):
            server.cut[path] -= 1
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
