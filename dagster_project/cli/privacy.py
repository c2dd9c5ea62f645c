"""What a person may ask for: to see what is held, and to be erased."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dagster_project.cli.common import FAILED, Refused, ShopOption, app, console, settings_of
from dagster_project.lease import hold
from dagster_project.progress import shown

if TYPE_CHECKING:
    from dagster_project.privacy.proof import Proof
    from dagster_project.settings import Settings
    from dagster_project.shop import Shop


@app.command()
def erase(
    names: Annotated[
        list[str] | None, typer.Argument(help="e-mail addresses, customer ids or records (shopify:123); none: end what is open")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do it; without it what would go is listed")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="let these persons in again, as their sources speak of them from now on")] = False,
    retention: Annotated[bool, typer.Option("--retention", help="whoever is over shop.yaml's retention")] = False,
    as_of: Annotated[str | None, typer.Option(help="with --retention: a day (2026-03-05); default: the newest day built")] = None,
    taken: Annotated[str | None, typer.Option(help="a destination that has deleted whom its orders name: the orders go")] = None,
    shop: ShopOption = None,
) -> None:
    """Erase persons from everywhere, and print the proof. They stay out when old extracts are read again."""
    from dagster_project.privacy.erasing import ask, finish_open, whom
    from dagster_project.privacy.erasing import erase as do_erase
    from dagster_project.privacy.request import open_request
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    try:
        the_shop = load_shop(settings.shop_folder)
        with shown(console), hold(settings.store, "dearly erase"):
            if taken is not None:
                take_orders(settings, taken)
                return
            if lift:
                if open_request(settings):
                    raise Refused("An erasure is open, and whoever it names would be on the list again: end it with `dearly erase` first.")
                lift_all(settings, the_shop, names or [])
                return
            proof = finish_open(settings, the_shop)
            if proof:
                tell(proof)
            if retention:
                names = names_over(settings, the_shop, as_of)
                if not names:
                    return
            if not names:
                if not proof:
                    raise Refused("No erasure is open: name an e-mail address, a customer id or a record (shopify:123).")
                return
            if not settings.warehouse.exists():
                raise Refused(f"{settings.shop}: nothing is built yet, so nobody is in it.", FAILED)
            person, found = whom(settings, the_shop, names, known=retention)
            if not yes:
                for trace in found:
                    console.print(
                        f"{trace.rows:>8}  {trace.table}{', without the person' if trace.stays else ''}", highlight=False, markup=False
                    )
                records = sorted(person.of("record_id")) or names
                listed = ", ".join(records[:20]) + (f" and {len(records) - 20} more" if len(records) > 20 else "")
                say(f"These rows are of {escape(listed)}. Nothing was touched: --yes erases them.")
                return
            proof = do_erase(settings, the_shop, ask(settings, the_shop, person, is_one=len(names) == 1))
    except ValueError as error:
        raise Refused(str(error)) from None
    tell(proof)
    if proof.hits:
        raise Refused("Not proven: the erasure is open. Mend what is listed, then run `dearly erase` again.", FAILED)


@app.command()
def access(
    name: Annotated[str, typer.Argument(help="an e-mail address, a customer id or a record (shopify:123)")], shop: ShopOption = None
) -> None:
    """Write down everything that is held of a person: a page to read, and every row as JSON."""
    from dagster_project.privacy.access import write_access
    from dagster_project.shop import load_shop

    settings = settings_of(shop)
    if not settings.warehouse.exists():
        raise Refused(f"{settings.shop}: nothing is built yet, so nobody is in it.", FAILED)
    try:
        with shown(console), hold(settings.store, "dearly access"):
            held = write_access(settings, load_shop(settings.shop_folder), [name])
    except ValueError as error:
        raise Refused(str(error)) from None
    say(
        f"{held.rows} rows of {held.tables} tables, and {held.files} files that name them: {held.folder / 'index.html'}, all of it in data.json beside."
    )


def tell(proof: "Proof") -> None:
    """The proof, in lines."""
    say(f"Erased: {sum(proof.erased.values())} rows of {len(proof.erased)} tables.")
    say(f"Looked at: {proof.tables} tables and {proof.files} files, packed ones unpacked; named in {len(proof.hits)} of them.")
    for hit in proof.hits:
        say(f"[red]✗[/] {escape(hit)}")
    if proof.shared:
        say(f"{proof.shared} addresses or numbers are other people's too: these keep them.")
    for path in proof.orders:
        say(f"To be deleted by {path.parent.parent.name} too, whom {path} names; then `dearly erase --taken {path.parent.parent.name}`.")
    for path, rows in proof.sources:
        say(f"Still in the shop's own {path}, rows {escape(rows)}: left out whenever it is read.")
    for line in proof.decisions:
        say(f"{line} names an erased record: ignored.")
    if not proof.hits:
        say(f"Kept out from now on by {proof.entry}; `dearly erase --lift` takes that back. The next `dearly run` builds every table anew.")


def say(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def names_over(settings: "Settings", shop: "Shop", as_of: str | None) -> list[str]:
    from dagster_project.built_days import newest_day
    from dagster_project.privacy.retention import inactive
    from dagster_project.warehouse import Warehouse

    warehouse = Warehouse.of(settings)
    day = shop.day_named(as_of) if as_of else newest_day(warehouse, shop)
    found = inactive(warehouse, shop, shop.moment(day).as_of)
    say(f"{len(found)} customers are over the retention of {shop.retention.inactive_customers} months on {day}.")
    for customer, at in found[:10]:
        say(f"{customer}: last seen {at:%Y-%m-%d}")
    return [customer for customer, _ in found]


def take_orders(settings: "Settings", destination: str) -> None:
    from dagster_project.privacy.orders import pending_orders

    orders = pending_orders(settings.exports, destination)
    if not orders:
        raise ValueError(f"{destination} has no order that waits.")
    for path in orders:
        path.unlink()
    say(f"{len(orders)} orders to {destination} are done, and gone.")


def lift_all(settings: "Settings", shop: "Shop", names: list[str]) -> None:
    from dagster_project.privacy.person import named
    from dagster_project.sources.erased import lift

    if not names:
        raise ValueError("--lift needs to know who may come in again: name an e-mail address or a record.")
    for name in names:
        if not lift(shop, settings.pseudonym_key, named(name, shop)):
            raise ValueError(f"{name!r} is not among the erased of {shop.name}.")
        say(f"{name} comes in again with the next extract that names them; what was erased stays erased.")
