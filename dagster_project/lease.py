"""One writer: a run holds the store's lock from before its first write to its end; a second one is told who holds it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT_HELD = 75
_held: dict[Path, int] = {}


class LeaseHeld(RuntimeError):
    """Another run holds the store. The message names it."""

    code = EXIT_HELD


@contextmanager
def hold(store: Path, owner: str) -> Iterator[None]:
    """Hold the store's lock. Within one process a second call joins the first (the command line holds it around Dagster's run).

    The kernel frees the lock when the process ends, however it ends, so there is never a stale one to clean.

    Raises:
        LeaseHeld: another process holds it.
    """
    store.mkdir(parents=True, exist_ok=True)
    path = store / "store.lock"
    if path in _held:
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1
        return
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseHeld(f"The store {store} is held by {holder(path)}. Wait for it to end, then run again.") from None
        file.seek(0)
        file.truncate()
        json.dump({"owner": owner, "pid": os.getpid()}, file)
        file.flush()
        _held[path] = 1
        try:
            yield
        finally:
            del _held[path]


def holder(path: Path) -> str:
    """Who wrote the lock last, in words."""
    try:
        who = json.loads(path.read_text())
    except (OSError, ValueError):
        return "another run"
    return f"{who['owner']} (pid {who['pid']})"
