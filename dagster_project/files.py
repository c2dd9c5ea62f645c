"""Files land whole: a reader sees the old file or the new one, never half of one, also after a kill or a power cut."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, content: bytes, is_last: bool = True) -> None:
    """Write a file under a temporary name in the same folder, sync it, and give it its name. The folder is synced with it, or once for several files
    by whoever writes the last of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    if is_last:
        sync_folder(path.parent)


def write_json(path: Path, value: object, indent: int = 2) -> None:
    """`write_whole` of a value for people and programs to read."""
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=indent).encode() + b"\n")


def make_whole(path: Path, make: Callable[[Path], object]) -> None:
    """As `write_whole`, for a library that wants to write the file itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    make(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def make_folder_whole(folder: Path, make: Callable[[Path], object]) -> None:
    """A folder made under another name of this process's own, then given its name, whole or not at all. Where another was quicker, theirs stays."""
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    make(unfinished)
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(unfinished)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
