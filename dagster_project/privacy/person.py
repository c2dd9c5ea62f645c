"""Who is meant: all records of a customer, what identifies them, and every spelling of it that the store has met.

names (e-mail address, customer id, record) → records → identifiers → spellings, by which texts are searched
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import duckdb

from dagster_project.shop import Shop
from dagster_project.sources.identifiers import DISTINCT_FROM, Identifier, identifier
from dagster_project.warehouse import Warehouse, exists

CUSTOMER = re.compile(r"c[0-9a-f]{20}")
# Columns of identity.customer_records that are compared as they are.
NUMBERS = ("login_id", "loyalty_id", "browser_id", "national_id")

# $records, $emails (canonical) and $customers → the records of all customers that are meant.
RECORDS = """
with
named as (
    select record_id from identity.customer_records where list_contains($records, record_id)
    union
    select records.record_id from identity.customer_records as records
    inner join identity.contact_points as points on points.kind = 'email' and records.email = points.stated
    where list_contains($emails, points.canonical)
),
present as (select customer_id, source || ':' || source_customer_id as record_id from identity.customer_links where valid_to is null),
customers as (
    select customer_id from present where record_id in (select record_id from named)
    union
    select unnest($customers::varchar[])
)
select record_id from present where customer_id in (select customer_id from customers)
union
select record_id from named
"""
# The present customers who state an address.
STATED_BY = """
select distinct links.customer_id from identity.customer_records as records
inner join identity.contact_points as points on points.kind = 'email' and records.email = points.stated
inner join identity.customer_links as links
    on links.valid_to is null and links.source || ':' || links.source_customer_id = records.record_id
where points.canonical = ? order by 1
"""
# A browser, a card or a row of a log that is nobody's by itself, and says what the records say.
HANGING_ON = """
select distinct record_id from identity.customer_records
where not is_person and ({same}) and record_id not in (
    select source || ':' || source_customer_id from identity.customer_links where valid_to is null
)
"""
# Every id that the records' customers ever had, where no other record had it or has it.
CUSTOMERS = """
select customer_id from identity.customer_links group by customer_id
having bool_and(list_contains($1, source || ':' || source_customer_id))
union
select customer_id from identity.customer_links where valid_to is null and list_contains($1, source || ':' || source_customer_id)
"""
SAID = """
select distinct record_id, email, phone, country, login_id, loyalty_id, browser_id, national_id
from identity.customer_records where {which}
"""
# Mails of theirs alone: two persons of whom nothing is known may have the same one.
CONTENTS = """
select content_id from campaigns.campaign_content group by content_id having bool_and(list_contains(?, customer_id))
"""


@dataclass(frozen=True)
class Person:
    """Whoever is meant, one or several. `spellings` are texts in lower case; `shared` are identifiers that other people state too, by which
    nobody is searched for; `contents` are the ids of mails that are theirs alone."""

    identifiers: frozenset[Identifier]
    spellings: frozenset[str] = frozenset()
    shared: frozenset[Identifier] = frozenset()
    contents: frozenset[str] = frozenset()

    def of(self, kind: str) -> frozenset[str]:
        return frozenset(one.value for one in self.identifiers if one.kind == kind)

    @cached_property
    def needles(self) -> frozenset[str]:
        """Every text that names them, in lower case."""
        plain = {one.value.lower() for one in self.identifiers if one.kind not in NUMBERS or len(one.value) >= DISTINCT_FROM}
        addresses = {text.replace("@", "%40") for text in plain if "@" in text}
        return frozenset(plain | addresses | self.spellings)


def find(warehouse: Warehouse, shop: Shop, names: Sequence[str]) -> Person:
    """Everybody whom these names mean, with all that identifies them.

    Raises:
        ValueError: a name is no e-mail address, customer id or record; or several customers state the address.
    """
    asked = frozenset(named(name, shop) for name in names)
    if not warehouse.exists("identity.customer_records"):
        return Person(asked)
    with warehouse.connect() as connection:
        for one in sorted(asked):
            refuse_shared(connection, one)
        records = records_of(connection, asked)
        person = described(connection, shop, asked, records)
        hanging = hanging_on(connection, person)
        return described(connection, shop, asked, records | hanging) if hanging else person


def named(name: str, shop: Shop) -> Identifier:
    """What a name on the command line is.

    Raises:
        ValueError: nothing that names a person.
    """
    text = name.strip()
    if CUSTOMER.fullmatch(text):
        return Identifier("customer_id", text)
    source, colon, number = text.partition(":")
    if colon and source in shop.sources and number:
        return Identifier("record_id", text)
    found = identifier("email", text, "", shop.country) if "@" in text else None
    if found is None:
        raise ValueError(f"{name!r} is no e-mail address, customer id (c04f…) or record ({next(iter(shop.sources))}:123) of {shop.name}.")
    return found


def refuse_shared(connection: duckdb.DuckDBPyConnection, one: Identifier) -> None:
    """Nobody can tell from an address that several customers state (`info@…`) which of them is meant.

    Raises:
        ValueError: it is such a one.
    """
    stating = [customer for (customer,) in connection.execute(STATED_BY, [one.value]).fetchall()] if one.kind == "email" else []
    if len(stating) > 1:
        raise ValueError(f"{one.value} is stated by {len(stating)} customers: {', '.join(stating)}. Name those who are meant by their ids.")


def records_of(connection: duckdb.DuckDBPyConnection, asked: Iterable[Identifier]) -> set[str]:
    by_kind = {kind: [one.value for one in asked if one.kind == kind] for kind in ("record_id", "email", "customer_id")}
    parameters = {"records": by_kind["record_id"], "emails": by_kind["email"], "customers": by_kind["customer_id"]}
    return {record for (record,) in connection.execute(RECORDS, parameters).fetchall()}


def described(connection: duckdb.DuckDBPyConnection, shop: Shop, asked: frozenset[Identifier], records: set[str]) -> Person:
    """The person whose records these are."""
    listed = sorted(records)
    mine, spellings = stated(connection, shop, "list_contains(?, record_id)", listed)
    others, _ = stated(connection, shop, "is_person and not list_contains(?, record_id)", listed, mine)
    customers = [customer for (customer,) in connection.execute(CUSTOMERS, [listed]).fetchall()]
    shared = frozenset((mine & others) - asked)
    own = {text: one for text, one in spellings.items() if one not in shared}
    person = Person(
        frozenset((mine - shared) | asked | {Identifier("customer_id", one) for one in customers}),
        frozenset(text for text in own if len(text) >= DISTINCT_FROM or "@" in text),
        shared,
    )
    contents = connection.execute(CONTENTS, [customers]).fetchall() if exists(connection, "campaigns.campaign_content") else []
    return replace(person, contents=frozenset(content for (content,) in contents))


def stated(
    connection: duckdb.DuckDBPyConnection, shop: Shop, which: str, records: list[str], among: set[Identifier] | None = None
) -> tuple[set[Identifier], dict[str, Identifier]]:
    """What some records state, and each spelling of it in lower case; with `among` only these identifiers are of interest."""
    found: set[Identifier] = set()
    spellings: dict[str, Identifier] = {}
    wanted = {} if among is None else {kind: [one.value for one in among if one.kind == kind] for kind in ("email", "phone", *NUMBERS)}
    if wanted:
        points = "(select stated from identity.contact_points where kind = '{0}' and list_contains(${0}s, canonical))"
        same = " or ".join(
            [f"{kind} in {points.format(kind)}" for kind in ("email", "phone")] + [f"list_contains(${kind}s, {kind})" for kind in NUMBERS]
        )
        which = which.replace("?", "$records") + f" and ({same})"
        cursor = connection.execute(
            SAID.format(which=which), {"records": records, **{f"{kind}s": values for kind, values in wanted.items()}}
        )
    else:
        cursor = connection.execute(SAID.format(which=which), [records])
    for record, email, phone, country, *numbers in cursor.fetchall():
        found.add(Identifier("record_id", record))
        region = country.upper() if country and len(country) == 2 else shop.country
        for kind, value in (("email", email), ("phone", phone), *zip(NUMBERS, numbers, strict=True)):
            one = identifier(kind, value, "", region) if value else None
            if one:
                found.add(one)
                spellings[value.strip().lower()] = one
    return found, spellings


def apart(warehouse: Warehouse, shop: Shop, person: Person) -> list[frozenset[Identifier]]:
    """The identifiers of each of the persons meant; one that no record states is a person by itself."""
    groups: dict[str, set[Identifier]] = {}
    if warehouse.exists("identity.customer_links"):
        links = "select source || ':' || source_customer_id, customer_id from identity.customer_links where valid_to is null"
        customers = dict(warehouse.rows(links))
        with warehouse.connect() as connection:
            for record in sorted(person.of("record_id")):
                said, _ = stated(connection, shop, "list_contains(?, record_id)", [record])
                group = groups.setdefault(customers.get(record, record), set())
                group |= (said | {Identifier("record_id", record)}) & person.identifiers
        for customer in person.of("customer_id") & groups.keys():
            groups[customer].add(Identifier("customer_id", customer))
    rest = person.identifiers - {one for group in groups.values() for one in group}
    return [frozenset(group) for _, group in sorted(groups.items())] + [frozenset({one}) for one in sorted(rest)]


def hanging_on(connection: duckdb.DuckDBPyConnection, person: Person) -> set[str]:
    same = " or ".join(
        [*(f"list_contains(${kind}s, {kind})" for kind in NUMBERS), "lower(trim(email)) in (select unnest($emails::varchar[]))"]
    )
    parameters = {f"{kind}s": sorted(person.of(kind)) for kind in (*NUMBERS, "email")}
    return {record for (record,) in connection.execute(HANGING_ON.format(same=same), parameters).fetchall()} - person.of("record_id")
