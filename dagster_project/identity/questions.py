"""What a person asks about links, and what they decide: the story of two records, and a line in the shop's decisions."""

from datetime import date
from pathlib import Path

from dagster_project.built_days import newest_day
from dagster_project.identity.explain import Explanation, compared_directly, explain
from dagster_project.identity.link_lists import Decision, Decisions, add_decision, read_decisions, without_erased
from dagster_project.identity.statements import SHOP_CUT, STATEMENTS
from dagster_project.settings import Settings
from dagster_project.shop import Shop
from dagster_project.sources.erased import Erased
from dagster_project.warehouse import Warehouse
from ml.store import load

RECORD = "select record_id from identity.customer_records where record_id = ? and is_person limit 1"
ANCHOR = "select source || ':' || source_customer_id from identity.customer_links where customer_id = ? and rule = 'first record' limit 1"
FOLLOWS = """
select customer_id, rule, strftime(valid_from, '%Y-%m-%d') from identity.customer_links
where source || ':' || source_customer_id = ? and valid_to is null
"""
PRESENT = "select source || ':' || source_customer_id, customer_id from identity.customer_links where valid_to is null"
EDGES = "select * from identity.edges where known_until is null"
MODEL = "select artifact_sha256, strftime(trained_as_of, '%Y%m%dT%H%M%SZ') from identity.model_log where status = 'trained'"


def record_named(warehouse: Warehouse, name: str) -> str:
    """The record meant by source:id, or by a customer id (its first record).

    Raises:
        ValueError: no person's record and no customer is called that.
    """
    if not warehouse.exists("identity.customer_records"):
        raise ValueError("Nobody is linked yet: `dearly run` finds who is who.")
    for sql in (RECORD, ANCHOR):
        found = warehouse.rows(sql, [name])
        if found:
            return str(found[0][0])
    for customer, rule, since in warehouse.rows(FOLLOWS, [name]):
        said = f"{name!r} is no person's record: it is {customer}'s, by the rule {rule!r}, since {since}, and goes where that customer's records go."
        raise ValueError(f"{said} Name one of these, or the customer.")
    raise ValueError(f"{name!r} is neither a person's record (source:id, as in hubspot:123) nor a customer id of this store.")


def decide(
    warehouse: Warehouse, shop: Shop, verdict: str, one: str, other: str, why: str, by: str, day: date | None
) -> tuple[Decision, Path, Decision | None]:
    """Write a decision about two records (or customers), in force from `day` on, else from the newest day built; return it, its file, and the
    line that takes it back on a later day.

    Raises:
        ValueError: a name is unknown or no person's, both are one record, or the decision contradicts others.
    """
    first, second = record_named(warehouse, one), record_named(warehouse, other)
    if first == second:
        raise ValueError(f"{one} and {other} are the same record, {first}.")
    decision = Decision(day or newest_day(warehouse, shop), verdict, first, second, by, why)
    path = add_decision(shop.folder, decision)
    later = [one for one in read_decisions(shop.folder) if one.pair == decision.pair and one.day > decision.day]
    return decision, path, later[0] if later and later[0].verdict != verdict else None


def link_story(warehouse: Warehouse, settings: Settings, shop: Shop, one: str, other: str) -> Explanation:
    """Why two records (or customers) are one customer, or two, as the store has it now.

    Raises:
        ValueError: a name is unknown, or nothing is linked yet.
    """
    first, second = record_named(warehouse, one), record_named(warehouse, other)
    trained = warehouse.rows(MODEL)
    text = load(settings.artifacts / "identity" / trained[0][1], trained[0][0]) if trained else None
    direct = compared_directly(warehouse.read(STATEMENTS), text, first, second, shop.country)
    close = shop.moment(newest_day(warehouse, shop)).known_by
    made = without_erased(read_decisions(shop.folder), Erased.of(shop, settings.pseudonym_key))
    decided = Decisions(made, lambda day: shop.moment(day).known_by).in_force(close)
    return explain(warehouse.read(EDGES), dict(warehouse.rows(PRESENT)), first, second, direct, list(decided.values()), SHOP_CUT)
