"""The request of an erasure: a file of the store, from when it is asked for until it is proven. While it lies there nothing is built."""

import json
from dataclasses import dataclass
from pathlib import Path

from dagster_project.failures import RunFailed
from dagster_project.files import write_json
from dagster_project.privacy.person import Person
from dagster_project.settings import Settings
from dagster_project.sources.identifiers import Identifier


@dataclass(frozen=True)
class Request:
    """An erasure that is not proven yet: whom it is about, together and each by the digests that are kept of them, and their key's."""

    name: str
    asked_at: str
    person: Person
    people: tuple[tuple[str, ...], ...]
    key_check: str


def open_request(settings: Settings) -> Request | None:
    """The erasure that somebody asked for and that is not proven yet."""
    path = request_path(settings)
    if not path.exists():
        return None
    said = json.loads(path.read_text())
    identifiers, shared = (frozenset(Identifier(*one) for one in said[key]) for key in ("identifiers", "shared"))
    return Request(
        said["name"],
        said["asked_at"],
        Person(identifiers, frozenset(said["spellings"]), shared, frozenset(said["contents"])),
        tuple(tuple(digests) for digests in said["people"]),
        said["key_check"],
    )


def request_path(settings: Settings) -> Path:
    return settings.store / "erasing.json"


def write_request(settings: Settings, request: Request) -> None:
    """Write the request down: from here on it is open."""
    person = request.person
    said = {
        "name": request.name,
        "asked_at": request.asked_at,
        "people": request.people,
        "key_check": request.key_check,
        "identifiers": sorted([one.kind, one.value] for one in person.identifiers),
        "shared": sorted([one.kind, one.value] for one in person.shared),
        "spellings": sorted(person.spellings),
        "contents": sorted(person.contents),
    }
    write_json(request_path(settings), said, indent=1)


def refuse_open(settings: Settings) -> None:
    """Nothing is built, and nothing delivered, from a store that somebody is half erased from.

    Raises:
        RunFailed: it is such a one.
    """
    request = open_request(settings)
    if request:
        raise RunFailed(f"The erasure {request.name} of {settings.shop} is open: end it with `dearly erase`, then run again.")
