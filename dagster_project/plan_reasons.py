"""Why somebody would enter or leave a segment or a campaign step, when a day is built once more with something changed."""

from collections.abc import Callable, Mapping
from typing import Any

from dagster_project.built_days import NEWEST
from dagster_project.warehouse import Warehouse

# (sign, name, customer) → why; a sign is +, − or ~.
Why = Callable[[str, str, str], str]

DIFFERS = "what is known of them differs"
# All that a segment may ask, as one row.
KNOWN = f"""
select features, scores, lower(customers.membership_tier)
from features.customer_features as features
left join scores.customer_scores as scores on features.as_of = scores.as_of and features.customer_id = scores.customer_id
left join profile.dim_customers as customers on features.customer_id = customers.customer_id and customers.valid_to is null
where features.as_of = {NEWEST} and features.customer_id = $1
"""
DECIDED = f"""
select one.variant, concat_ws(': ', one.reason, sent.campaign || ', ' || sent.step)
from campaigns.campaign_decisions as one
left join campaigns.campaign_decisions as sent
    on one.as_of = sent.as_of and one.customer_id = sent.customer_id and sent.decision <> 'excluded' and one.reason = 'another campaign goes first'
where one.as_of = {NEWEST} and one.campaign || ', ' || one.step = $1 and one.customer_id = $2
"""
STEPS = """
select distinct concat(campaign, ', ', step), concat_ws(', ', 'trigger ' || trigger, 'audience ' || audience, 'priority ' || priority)
from campaigns.campaign_steps
"""


def segment_reasons(before: Warehouse, after: Warehouse, rules: Mapping[str, str]) -> Why:
    """The rule (`rules`: segment → its rule as written) where it alone can be why; a cluster has none."""
    built = {column for column, *_ in before.rows("describe segments.segment_flags")}

    def why(_: str, name: str, customer: str) -> str:
        if name not in rules:
            return DIFFERS if name.startswith("cluster_") else "the segment is no longer there"
        if name not in built:
            return f"a new segment: {rules[name]}"
        if before.rows(KNOWN, [customer]) == after.rows(KNOWN, [customer]):
            return f"the same is known of them; the rule: {rules[name]}"
        return DIFFERS

    return why


def send_reasons(before: Warehouse, after: Warehouse) -> Why:
    """The arbiter's word in the store in which they are not sent to; of a new campaign, whom it is for."""
    steps_now, steps_then = (dict(each.rows(STEPS)) for each in (before, after))

    def decided(store: Warehouse, steps: dict[str, str], name: str, customer: str) -> tuple[Any, ...]:
        return next(iter(store.rows(DECIDED, [name, customer])), (None, f"not their turn ({steps[name]})"))

    def why(sign: str, name: str, customer: str) -> str:
        if name not in steps_now:
            return f"a new step: {steps_then[name]}"
        if name not in steps_then:
            return "the step is no longer there"
        (variant, was), (other, will) = decided(before, steps_now, name, customer), decided(after, steps_then, name, customer)
        return {"+": f"left out now: {was}", "−": f"left out then: {will}"}.get(sign, f"variant {variant} now, {other} then")

    return why
