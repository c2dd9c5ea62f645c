"""Real servers on loopback: an HTTP API that misbehaves as told, and Debian's Postgres."""

import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import psycopg


class ShopApi:
    """The Admin API's way of paging over rows that change while it is read: `limit` rows a page, `Link: <…page_info=…>; rel="next"`.

    `trouble` names, per request in turn, what goes wrong: "seconds" and "date" are a 429 with Retry-After in either form, "hang" answers too late,
    "reset" breaks off in the middle of the body, "half" ends it early, "500" is a 500, "shift" repeats rows of the page before.
    """

    def __init__(self, rows: list[dict[str, Any]], page: int = 10, trouble: list[str] | None = None) -> None:
        self.rows, self.page, self.trouble = rows, page, list(trouble or [])
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.answered: list[float] = []
        self.persons: dict[str, dict[str, Any]] = {}
        self.host_of_next: str | None = None

    def answer(self, path: str) -> tuple[list[dict[str, Any]], str | None]:
        """The page a URL asks for, and the next one's page_info."""
        asked = {key: values[0] for key, values in parse_qs(urlparse(path).query).items()}
        if "page_info" in asked:
            since, start = asked["page_info"].rsplit("|", 1)
        else:
            since, start = asked.get("updated_at_min", ""), "0"
        matching = sorted((row for row in self.rows if row["updated_at"] >= since), key=lambda row: (row["updated_at"], row["id"]))
        end = int(start) + self.page
        return matching[int(start) : end], f"{since}|{end}" if end < len(matching) else None


@contextmanager
def serving(api: ShopApi) -> Iterator[str]:
    """Serve it on loopback; the address of its API."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            api.requests.append(self.path)
            api.tokens.append(self.headers.get("X-Shopify-Access-Token") or self.headers.get("Authorization"))
            api.answered.append(time.monotonic())
            trouble = api.trouble.pop(0) if api.trouble else None
            if trouble in ("seconds", "date"):
                after = "1" if trouble == "seconds" else formatdate(time.time() + 2, usegmt=True)
                return self.reply(429, {"errors": "too many"}, {"Retry-After": after})
            if trouble == "500":
                return self.reply(500, {"errors": "internal"}, {})
            if trouble == "401":
                return self.reply(401, {"errors": f"bad token {api.tokens[-1]}"}, {})
            if trouble == "hang":
                time.sleep(0.6)
            if "/persons" in self.path:
                (address,) = parse_qs(urlparse(self.path).query)["email"]
                person = api.persons.get(address)
                return self.reply(200 if person else 404, person or {}, {})
            rows, following = api.answer(self.path)
            if trouble == "shift":
                rows = [*api.rows[:3], *rows]
            headers = {
                "Link": f'<http://{api.host_of_next or self.headers["Host"]}/admin/orders.json?limit=10&page_info={following}>; rel="next"'
            }
            self.reply(200, {"orders": rows}, headers if following else {}, trouble)

        def reply(self, status: int, body: Any, headers: dict[str, str], trouble: str | None = None) -> None:
            content = json.dumps(body).encode()
            sent = content[: len(content) // 2] if trouble in ("reset", "half") else content
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent if trouble == "half" else content)))
            self.end_headers()
            self.wfile.write(sent)
            if trouble == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ValueError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/admin"
    finally:
        server.shutdown()
        server.server_close()


def postgres_program(name: str) -> str | None:
    """Where Debian, or the path, has a program of Postgres."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / name).is_file():
            return str(folder / name)
    return shutil.which(name)


@contextmanager
def postgres(folder: Path, password: str) -> Iterator[str]:
    """A Postgres of its own in a folder, listening on loopback, for the user `shop`; its address."""
    initdb, server = postgres_program("initdb"), postgres_program("postgres")
    assert initdb is not None
    assert server is not None
    # Postgres does not run as root: nobody owns the folder, and the way to it is open.
    as_other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    (folder / "password").write_text(password)
    home = folder / "cluster"
    home.mkdir()
    if os.geteuid() == 0:
        for path in (folder, *folder.parents):
            if path.stat().st_uid == 0 and path != Path("/") and not path.stat().st_mode & 0o001:
                path.chmod(path.stat().st_mode | 0o011)
        os.chown(home, 65534, 65534)
        (folder / "password").chmod(0o644)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": home}
    make = [
        initdb,
        "-D",
        str(home),
        "-U",
        "shop",
        "-A",
        "scram-sha-256",
        f"--pwfile={folder / 'password'}",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run([*as_other, *make], check=True, **quiet)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*as_other, server, "-D", str(home), *options], stdout=log, stderr=log, cwd=home)
    try:
        address = f"postgresql://shop:{password}@127.0.0.1:{port}/postgres"
        wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until the server answers: while it starts up it listens already, and refuses."""
    for _ in range(200):
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "Postgres did not start"
            time.sleep(0.05)
    raise AssertionError("Postgres does not answer")
