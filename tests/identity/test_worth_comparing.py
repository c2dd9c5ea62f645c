"""Which pairs the blocking keys find, and which of them are compared."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from dagster_project.identity.blocking import Limits, idle_keys, write_pairs
from dagster_project.identity.normalise import normalise

RECORDS = pa.table(
    {
        "record_id": ["a", "b", "c", "d", "e"],
        "given_name": ["Ann", "Ann", "Ann", "Ann", None],
        "phone": ["020 7946 0958", None, "020 7946 0958", None, "020 7946 0958"],
        "email": ["ann@mail.test", "ann@mail.test", "ann@mail.test", None, None],
    }
)


def pairs(limits: Limits, *starts: int) -> set[tuple[str, str]]:
    """The pairs of RECORDS, which come in slices that begin at `starts`."""
    found: set[tuple[str, str]] = set()
    with duckdb.connect() as con:
        for start, end in zip((0, *starts), (*starts, len(RECORDS)), strict=True):
            normalise(con, RECORDS.slice(0, end))
            write_pairs(con, limits, start)
            rows = con.execute("select left_position, right_position from pairs").fetchall()
            assert not found & set(rows) and len(set(rows)) == len(rows)
            found |= {("abcde"[left], "abcde"[right]) for left, right in rows}
    return found


@pytest.mark.parametrize("starts", [(), (1,), (2, 3), (1, 2, 3, 4)])
def test_pairs_are_found_once_whenever_the_records_come(starts: tuple[int, ...]) -> None:
    every = pairs(Limits({"email": 9, "phone": 9, "given": 9}), *starts)
    assert every == {tuple(pair) for pair in ("ab", "ac", "bc", "ad", "bd", "cd", "ae", "ce")}
    # Of a value the first so many are compared, whatever came in between.
    assert pairs(Limits({"phone": 2}), *starts) == {("a", "c")}
    # What one key alone finds is not compared; what it finds with another is.
    assert pairs(Limits({"email": 9, "phone": 9, "given": 9}, (("given",),)), *starts) == {
        tuple(pair) for pair in ("ab", "ac", "bc", "ae", "ce")
    }
    assert pairs(Limits({}), *starts) == set()


def test_a_key_without_a_value_finds_nobody() -> None:
    assert pairs(Limits({"national_id": 9})) == set()


def test_keys_that_find_pairs_in_vain_are_idle_as_long_as_few_matches_are_lost() -> None:
    limits = Limits({"email": 9, "phone": 9, "given": 9})
    by_name = {key.name: 1 << number for number, key in enumerate(limits.keys())}
    email, phone, given = by_name["email"], by_name["phone"], by_name["given"]
    keys = np.repeat([email, given, phone, given | phone], [4_000, 50_000, 20_000, 100])
    is_match = np.zeros(len(keys), dtype=bool)
    is_match[:4_000] = True
    is_match[4_000:4_002] = True
    # 4 of 4,002 may be lost: none by `phone` and the 2 of `given`, each with one more to be on the safe side.
    assert idle_keys(limits, keys, is_match).idle == (("given",), ("phone",))
    is_match[4_000:4_010] = True
    assert idle_keys(limits, keys, is_match).idle == (("phone",),)
