"""`dearly plan` says why: the rule of a segment, and the arbiter's word on a mail. Two small stores stand for now and then."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dagster_project.handbook import SEGMENTS as MODELS
from dagster_project.handbook import described, segment_rules
from dagster_project.plan import MEMBERS, SENDS, Change, changes_between, found_anew
from dagster_project.plan_reasons import segment_reasons, send_reasons
from dagster_project.warehouse import Warehouse

AS_OF = "timestamp '2026-03-10 23:00'"


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Warehouse]:
    """A built day of ann, bob and cat: `orders` of each, who is in which segment, campaign steps, and decisions (step, customer, decision, reason)."""

    def make(name: str, orders: dict[str, int], segments: dict[str, list[str]], decisions: dict[tuple[str, str], str] | None = None):
        made = Warehouse(tmp_path / name / "warehouse.duckdb")
        made.create()
        decisions = decisions or {("win_back", "ann"): "all gates open"}
        people = ", ".join(f"('{one}', {count})" for one, count in orders.items())
        members = ", ".join(f"('{one}', '{segment}')" for segment, ones in segments.items() for one in ones)
        steps = {step: place for place, step in enumerate(dict.fromkeys(step for step, _ in decisions), start=1)}
        decided = ", ".join(
            f"('{step}', '{one}', '{'send' if reason == 'all gates open' else 'excluded'}', '{reason}')"
            for (step, one), reason in decisions.items()
        )
        with made.connect() as connection:
            connection.execute(f"insert into sources.built_days values ({AS_OF})")
            for schema in ("segments", "campaigns", "features", "scores", "profile"):
                connection.execute(f"create schema if not exists {schema}")
            connection.execute(
                f"create table features.customer_features as select {AS_OF} as as_of, * from (values {people}) as people (customer_id, orders_count)"
            )
            connection.execute(
                f"create table scores.customer_scores as select {AS_OF} as as_of, 'ann' as customer_id, 0.5 as churn_probability"
            )
            connection.execute(
                "create table profile.dim_customers as select 'ann' as customer_id, 'gold' as membership_tier, null::timestamp as valid_to"
            )
            flags = ", ".join(f"true as {segment}" for segment in segments if not segment.startswith("cluster_"))
            connection.execute(f"create table segments.segment_flags as select {AS_OF} as as_of, 'ann' as customer_id, {flags}")
            connection.execute(
                f"create table segments.customer_segments as select {AS_OF} as as_of, * from (values {members}) as members (customer_id, segment)"
            )
            connection.execute(
                "create or replace table campaigns.campaign_steps (campaign varchar, step varchar, trigger varchar, audience varchar, priority bigint)"
            )
            connection.executemany("insert into campaigns.campaign_steps values (?, 'hello', null, 'loyal', ?)", list(steps.items()))
            connection.execute(
                f"create table campaigns.campaign_decisions as select {AS_OF} as as_of, campaign, 'hello' as step, customer_id, decision, reason, "
                f"'a' as variant from (values {decided}) as decided (campaign, customer_id, decision, reason)"
            )
        return made

    return make


def segments_planned(now: Warehouse, then: Warehouse, rules: dict[str, str]) -> dict[str, Change]:
    changes = changes_between(now.rows(MEMBERS), then.rows(MEMBERS), {"zoe": "merged"}, segment_reasons(now, then, rules))
    return {change.name: change for change in changes}


def test_a_new_segment_gives_its_rule(store) -> None:
    """It was said that something else was known of its members."""
    now = store("now", {"ann": 3, "bob": 1}, {"loyal": ["ann"]})
    then = store("then", {"ann": 3, "bob": 1}, {"loyal": ["ann"], "fresh": ["bob"]})
    planned = segments_planned(now, then, {"loyal": "orders_count >= 3", "fresh": "orders_count = 1"})
    assert {name: change.samples for name, change in planned.items()} == {"fresh": ("+ bob: a new segment: orders_count = 1",)}


def test_a_changed_rule_is_told_from_changed_facts(store) -> None:
    now = store("now", {"ann": 3, "bob": 2, "cat": 2}, {"loyal": ["ann", "zoe"], "old": ["ann"], "cluster_a": ["ann"]})
    then = store("then", {"ann": 3, "bob": 2, "cat": 3}, {"loyal": ["bob", "cat"], "cluster_b": ["ann"]})
    planned = segments_planned(now, then, {"loyal": "orders_count between 2 and 3"})
    assert planned["loyal"].samples == (
        "+ bob: the same is known of them; the rule: orders_count between 2 and 3",
        "+ cat: what is known of them differs",
        "− ann: the same is known of them; the rule: orders_count between 2 and 3",
        "− zoe: merged",
    )
    assert planned["old"].samples == ("− ann: the segment is no longer there",)
    assert planned["cluster_a"].samples == ("− ann: what is known of them differs",)


def test_who_is_lost_to_another_campaign_says_to_which(store) -> None:
    orders, segments = {"ann": 3}, {"loyal": ["ann"]}
    now = {
        ("win_back", "ann"): "all gates open",
        ("win_back", "bob"): "no consent",
        ("win_back", "cat"): "all gates open",
        ("old", "dan"): "all gates open",
    }
    then = {
        ("sale", "ann"): "all gates open",
        ("win_back", "ann"): "another campaign goes first",
        ("win_back", "bob"): "all gates open",
        ("win_back", "eve"): "all gates open",
    }
    one, other = store("now", orders, segments, now), store("then", orders, segments, then)
    changes = changes_between(one.rows(SENDS), other.rows(SENDS), {}, send_reasons(one, other))
    assert {change.name: change.samples for change in changes} == {
        "sale, hello": ("+ ann: a new step: audience loyal, priority 1",),
        "old, hello": ("− dan: the step is no longer there",),
        "win_back, hello": (
            "+ bob: left out now: no consent",
            "+ eve: left out now: not their turn (audience loyal, priority 1)",
            "− ann: left out then: another campaign goes first: sale, hello",
            "− cat: left out then: not their turn (audience loyal, priority 2)",
        ),
    }


def test_another_variant_is_told_with_both(store) -> None:
    decided = {("win_back", "ann"): "all gates open"}
    one, other = (store(name, {"ann": 3}, {"loyal": ["ann"]}, decided) for name in ("now", "then"))
    with other.connect() as connection:
        connection.execute("update campaigns.campaign_decisions set variant = 'b'")
    ((change),) = changes_between(one.rows(SENDS), other.rows(SENDS), {}, send_reasons(one, other))
    assert change.samples == ("~ ann: variant a now, b then",)


def test_every_segment_has_its_rule() -> None:
    rules = segment_rules()
    assert sorted(rules) == sorted(name for name, _ in described(MODELS / "_segments__models.yml", "segment_flags"))
    assert rules["loyal_buyers"] == "kept_orders_count >= 3 and recency_days < 45"


def test_whom_matching_finds_anew_is_told_without_a_merge_that_says_so(tmp_path: Path) -> None:
    """Matching begun anew has no merge to log: two customers fewer were a number alone."""
    stores = []
    for name, owners in (
        ("now", {"a": "ann", "b": "bob", "c": "bob", "d": "dan"}),
        ("then", {"a": "ann", "b": "ann", "c": "ann", "e": "eve"}),
    ):
        made = Warehouse(tmp_path / name / "warehouse.duckdb")
        made.create()
        with made.connect() as connection:
            connection.execute("create schema if not exists identity")
            connection.execute(
                "create table identity.customer_links (source varchar, source_customer_id varchar, customer_id varchar, valid_to timestamp)"
            )
            connection.executemany("insert into identity.customer_links values ('shopify', ?, ?, null)", list(owners.items()))
        stores.append(made)
    assert [move[1:] for move in found_anew(*stores, set())] == [("bob", "ann", "no merge or split, found so from the start", 2)]
    assert found_anew(*stores, {("bob", "ann")}) == []
    assert found_anew(stores[0], stores[0], set()) == []
