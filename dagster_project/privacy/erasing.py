"""Erasure: asked for in writing, done everywhere, proven, and only then done.

    <store>/erasing.json (whom, until proven) → the shop's list of the erased → orders to tools → landed files → tables → a new file → artefacts → proof

Each step may be repeated: killed anywhere, the next `dearly erase` or `dearly run` begins again with what was asked, and ends the same.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from dagster_project.faults import fault_point
from dagster_project.privacy.artefacts import PAGES, files_of, forget_names_learned, rewrite, rewrite_run, take_away
from dagster_project.privacy.landed import Blanked, blank_landed
from dagster_project.privacy.orders import write_orders
from dagster_project.privacy.person import Person, apart, find
from dagster_project.privacy.proof import Proof, prove
from dagster_project.privacy.request import Request, open_request, request_path, write_request
from dagster_project.privacy.rows import erase_rows, rebuild, rename_batches
from dagster_project.privacy.searching import Search
from dagster_project.privacy.traces import Trace, quarantined_identifiers, traces
from dagster_project.progress import say
from dagster_project.settings import PLANS, Settings
from dagster_project.shop import Shop
from dagster_project.sources.erased import Entry, Erased, keep_entry
from dagster_project.sources.ledger import newest_known
from dagster_project.warehouse import Warehouse

UNKNOWN = "{!r} is nobody in the store of {}: nothing there names them."


def whom(settings: Settings, shop: Shop, names: Sequence[str], known: bool = False) -> tuple[Person, list[Trace]]:
    """Everybody whom these names mean, and where they are in the store. Each is asked about alone first, unless all are `known`.

    Raises:
        ValueError: a name names nobody here.
    """
    warehouse = Warehouse.of(settings)
    with warehouse.session(), warehouse.connect() as connection:

        def traced(person: Person) -> list[Trace]:
            return traces(connection, shop, person, Erased.against(shop, settings.pseudonym_key, person.identifiers))

        for name in names if len(names) > 1 and not known else []:
            if not traced(find(warehouse, shop, [name])):
                raise ValueError(UNKNOWN.format(name, shop.name))
        person = find(warehouse, shop, names)
        found = traced(person)
        if not found:
            raise ValueError(UNKNOWN.format(names[0], shop.name))
        if any(trace.table.endswith('"quarantine"') for trace in found):
            # A person whose every row was refused is known by those rows alone.
            records = quarantined_identifiers(connection, shop, person) - person.identifiers
            if records:
                person = find(warehouse, shop, [*names, *sorted(one.value for one in records)])
                found = traced(person)
    return person, found


def ask(settings: Settings, shop: Shop, person: Person, is_one: bool = False) -> Request:
    """Write the request down: from here on it is open, and nobody of it comes in any more. `is_one`: all identifiers are one person's.

    Raises:
        ValueError: somebody was erased under another pseudonym key; one key has to know them all.
    """
    Erased.of(shop, settings.pseudonym_key)
    erased = Erased.against(shop, settings.pseudonym_key, person.identifiers)
    warehouse = Warehouse.of(settings)
    people = tuple(tuple(sorted(map(erased.digest, one))) for one in ([person.identifiers] if is_one else apart(warehouse, shop, person)))
    newest = newest_known(warehouse)
    request = Request(erased.request, f"{newest:%Y-%m-%dT%H:%M:%SZ}" if newest else "", person, people, erased.key_check)
    write_request(settings, request)
    return request


def erase(settings: Settings, shop: Shop, request: Request) -> Proof:
    """Do what was asked for, and prove it. Without a proof the request stays open, and the proof says where the person still is."""
    warehouse = Warehouse.of(settings)
    erased = Erased.against(shop, settings.pseudonym_key, request.person.identifiers)
    say("the list of the erased, and orders to tools")
    entry = Entry(request.name, request.asked_at, False, request.people, request.key_check)
    keep_entry(shop, entry)
    fault_point("asked")
    # The copy that a killed `dearly plan` left.
    shutil.rmtree(settings.home / PLANS / settings.shop, ignore_errors=True)
    search = Search(request.person, settings.store)
    named = [path for path in files_of(settings, shop) if search.file(path)]
    write_orders(settings.exports, named, search, request.name)
    fault_point("ordered")
    say("landed files and tables")
    forget_names_learned(settings)
    blanked = blank_landed(settings, shop, erased, search)
    fault_point("blanked")
    rows = delete(warehouse, shop, request.person, erased, blanked, search)
    fault_point("deleted")
    say("a new warehouse file, and exports, reports and models without them")
    rebuild(warehouse)
    fault_point("rebuilt")
    blanked.replace_pulled()
    rewrite_artefacts(settings, shop, search)
    fault_point("rewritten")
    say("the proof: every table and every file once more")
    proof = prove(settings, shop, request.person, erased, rows)
    if not proof.hits:
        proof = replace(proof, entry=keep_entry(shop, replace(entry, is_proven=True)))
        fault_point("proven")
        request_path(settings).unlink()
    return proof


def delete(warehouse: Warehouse, shop: Shop, person: Person, erased: Erased, blanked: Blanked, search: Search) -> dict[str, int]:
    """Take the person's rows out of every table, all or none; table → rows."""
    with warehouse.session(), warehouse.transaction() as connection:
        found = traces(connection, shop, person, erased)
        erase_rows(connection, found, blanked.blanks, search)
        rename_batches(connection, blanked.renamed)
    rows: Counter[str] = Counter()
    for trace in found:
        rows[trace.table] += trace.rows
    return dict(rows)


def rewrite_artefacts(settings: Settings, shop: Shop, search: Search) -> None:
    """Write what tools and readers take anew, without the person. What came in is not theirs: its rows have numbers (`landed.py`)."""
    came_in = [settings.store / name for name in ("landing", "pulled")]
    made = [path for path in files_of(settings, shop) if not any(map(path.is_relative_to, came_in))]
    named = [path for path in made if search.file(path)]
    runs = {path.parent for path in named if (path.parent / "manifest.json").exists()}
    for run in sorted(runs):
        rewrite_run(run, search)
    for path in named:
        if path.relative_to(settings.store).parts[0] == "access":
            # What was written for the person to read goes whole.
            shutil.rmtree(path.parent, ignore_errors=True)
        elif path.relative_to(settings.store).parts[0] in PAGES or search.called(path):
            take_away(path)
        elif path.parent not in runs:
            rewrite(path, search)


def finish_open(settings: Settings, shop: Shop) -> Proof | None:
    """Complete an erasure that was killed; None where none is open.

    Raises:
        ValueError: it is not proven still.
    """
    request = open_request(settings)
    if request is None:
        return None
    proof = erase(settings, shop, request)
    if proof.hits:
        raise ValueError(f"The erasure {request.name} is open: {'; '.join(proof.hits[:5])}. Mend that, then run `dearly erase` again.")
    return proof
