"""The people as the systems know them: one record per sign-up, so some twice, with what was typed at the time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from simulator.behaviour import Life
from simulator.clock import DAY, NEVER, Clock, stream
from simulator.dirt import dirty_email, dirty_name, dirty_phone
from simulator.people import People

ULID = np.array(list("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))


@dataclass(frozen=True)
class Records:
    """The records of one system in order of creation.

    `frame` has one row per record: person (number), primary, created_at (seconds), record_id, first_name, last_name,
    email, phone. `first_of` and `second_of` give a person's record number, -1 where there is none.
    """

    frame: pd.DataFrame
    first_of: np.ndarray
    second_of: np.ndarray

    def column(self, name: str) -> np.ndarray:
        return self.frame[name].to_numpy()

    def owner_at(self, person: np.ndarray, moments: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """The record a person uses at a moment: after the second was made, either of the two."""
        first, second = self.first_of[person], self.second_of[person]
        created = self.column("created_at")
        usable = (second >= 0) & (moments >= created[np.maximum(second, 0)]) & (draw < 0.5)
        return np.where(usable, second, first)


def draw_records(clock: Clock, people: People, life: Life, seed: int) -> dict[str, Records]:
    """The records of `shopify`, `hubspot` and `klaviyo`; only people who arrived before the last pull have any."""
    count = len(people)
    rng = stream(seed, "membership")
    arrived = people.column("arrived_at")
    buyer = life.first_at < clock.end
    account = ~people.column("always_guest") & (buyer | (rng.random(count) < 0.6))
    crm = rng.random(count) < 0.85
    mailed = (rng.random(count) < 0.88) | ~(account | crm)
    delays = {
        "shopify": np.zeros(count, dtype=np.int64),
        "hubspot": rng.integers(60, 2 * DAY, count),
        "klaviyo": rng.integers(5, 900, count),
    }
    members = {"shopify": account, "hubspot": crm, "klaviyo": mailed}
    twice = {"shopify": 0.04, "hubspot": 0.065, "klaviyo": 0.03}
    return {
        system: _records_of(
            system,
            clock,
            people,
            np.flatnonzero(members[system]),
            arrived + delays[system],
            twice[system],
            stream(seed, f"records {system}"),
        )
        for system in members
    }


def _records_of(
    system: str, clock: Clock, people: People, person: np.ndarray, created: np.ndarray, twice: float, rng: np.random.Generator
) -> Records:
    again = person[rng.random(len(person)) < twice]
    gap = ((clock.end - created[again]) * rng.random(len(again))).astype(np.int64)
    whole = pd.DataFrame(
        {
            "person": np.concatenate((person, again)),
            "primary": np.arange(len(person) + len(again)) < len(person),
            "created_at": np.concatenate((created[person], created[again] + np.maximum(gap, 3600))),
        }
    )
    whole = whole[whole["created_at"] < clock.end + 6 * 3600].sort_values(["created_at", "person"], kind="stable", ignore_index=True)
    whole["record_id"] = _record_ids(system, len(whole), rng)
    frame = people.frame
    first, last, email, phone = (frame[name].to_numpy() for name in ("first_name", "last_name", "email", "phone"))
    firm, other = frame["firm_email"].to_numpy(), frame["other_email"].to_numpy()
    names, emails, phones = [], [], []
    missing = {"shopify": 0.45, "hubspot": 0.3, "klaviyo": 0.6}[system]
    for who, primary in zip(whole["person"], whole["primary"], strict=True):
        names.append(dirty_name(first[who], last[who], rng, 1.0 if primary else 2.0))
        address = dirty_email(email[who], firm[who], rng, 1.0 if primary else 2.0)
        if not primary:
            address = _other_address(address, email[who], other[who], system, rng)
        elif system == "hubspot" and rng.random() < 0.03:
            address = ""
        emails.append(address)
        phones.append(dirty_phone(phone[who], rng, missing))
    whole["first_name"], whole["last_name"] = [name[0] for name in names], [name[1] for name in names]
    whole["email"], whole["phone"] = emails, phones
    first_of, second_of = np.full(len(people), -1), np.full(len(people), -1)
    number, owner, primary = np.arange(len(whole)), whole["person"].to_numpy(), whole["primary"].to_numpy()
    first_of[owner[primary]] = number[primary]
    second_of[owner[~primary]] = number[~primary]
    return Records(whole, first_of, second_of)


def _other_address(address: str, true_address: str, other_mailbox: str, system: str, rng: np.random.Generator) -> str:
    """A second record's e-mail: another mailbox, a slip, or (where the system allows it) the same or none."""
    draw = rng.random()
    local, host = true_address.split("@")
    if system == "hubspot" and draw < 0.35:
        return ""
    if draw < 0.7:
        return other_mailbox
    if address == true_address:
        return f"{local[:-1]}@{host}" if len(local) > 3 else f"{local}1@{host}"
    return address


def _record_ids(system: str, count: int, rng: np.random.Generator) -> list[str]:
    if system == "shopify":
        return [str(7_300_000_000_000 + 32_768 * (number + 1)) for number in range(count)]
    if system == "hubspot":
        return [str(101 + 50 * number + int(extra)) for number, extra in enumerate(rng.integers(0, 50, count))]
    letters = ULID[rng.integers(0, 32, (count, 16))]
    return ["01HD" + f"{number:06d}" + "".join(row) for number, row in enumerate(letters)]


def reachable_from(people: People, records: Records) -> np.ndarray:
    """The moment from which each person's first record can be mailed: it has an address that is one."""
    email, created = records.column("email"), records.column("created_at")
    reachable = np.full(len(people), NEVER)
    for person, record in enumerate(records.first_of):
        if record >= 0:
            address = email[record].strip()
            if address.count("@") == 1 and " " not in address and not address.endswith("@"):
                reachable[person] = created[record]
    return reachable
