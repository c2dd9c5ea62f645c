"""Statuses by number: a table of the shop's says in words what each stands for."""

import re

import duckdb

from dagster_project.onboarding import values
from dagster_project.onboarding.layout import Layout
from dagster_project.onboarding.roles import Part, Reading, as_status
from dagster_project.onboarding.samples import Sample, quoted, words_of
from dagster_project.onboarding.vocabulary import NAMES, ORDER

STATUS = r"\b(state|status(es)?|states)\b"


def name_statuses(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Read orders' numbered statuses by their words, where a table of statuses that is left out has them."""
    for reading in [*layout.own_of("orders"), *layout.own_of("lines")]:
        if "status" in reading.parts:
            continue
        numbered = [one for one in reading.sample.headers if any(re.fullmatch(name, turned(one)) for name in NAMES["status"])]
        for header in numbered:
            named = next((found for sample, _ in layout.left_out if (found := names_in(connection, reading, header, sample))), None)
            if named and (part := as_named(connection, reading, header, named)):
                reading.parts["status"] = part
                break


def turned(header: str) -> str:
    return re.sub("^id (.+)$", r"\1 id", words_of(header))


def names_in(connection: duckdb.DuckDBPyConnection, reading: Reading, header: str, sample: Sample) -> dict[str, str] | None:
    """Number → word, where a table is called by statuses of orders and knows all numbers; in the language that comes first."""
    if sample.schema != reading.sample.schema or not re.search(STATUS, sample.words) or not re.search(ORDER, sample.words):
        return None
    key = next((one for one in sample.headers if one.lower() == "id" or re.search(STATUS, words_of(one))), None)
    called = next(
        (one for one in sample.headers if one != key and re.fullmatch("name|label|title|(order )?(status|state)( name)?", words_of(one))),
        None,
    )
    if not key or not called:
        return None
    rows = connection.execute(
        f"select {values.said(key)}, first({values.said(called)} order by rowid) from {sample.relation} group by 1"
    ).fetchall()
    names = {str(number): str(name) for number, name in rows if number is not None and name is not None}
    used = values.distinct_words(connection, reading.sample, header)
    return {number: names[number] for number in names} if used and set(used) <= set(names) else None


def as_named(connection: duckdb.DuckDBPyConnection, reading: Reading, header: str, named: dict[str, str]) -> Part | None:
    """The header as a status, its numbers read as words; what was doubted of the numbers is known."""
    words = {number: re.sub(r"\s*;\s*", ", ", name) for number, name in named.items()}
    relation = f"{reading.sample.relation}_statuses"
    connection.execute(f"create or replace table {relation} ({quoted(header)} varchar)")
    used = values.distinct_words(connection, reading.sample, header)
    connection.executemany(f"insert into {relation} values (?)", [(words[number],) for number in used])
    in_words = Reading(Sample(reading.sample.name, relation, (header,), len(used)), reading.kind)
    if not as_status(connection, in_words, header):
        return None
    reading.doubts = [doubt for doubt in reading.doubts if not doubt.startswith(f"{header} holds numbers")] + in_words.doubts
    return Part(header, "; ".join(f"{number} is {word}" for number, word in words.items()))
