"""Which records are the same person by an exact identifier, and what a record that is no person (a browser, a card, a bought-in row) hangs on.

An edge depends only on records that were known when it became known: records are taken in the order in which they came, so that a record that
comes later never takes back or adds a link of earlier days, and a day built alone equals the same day of a backfill.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rule:
    """Records with the same `value` are one person.

    value: SQL over `records` (identity.customer_records) and the canonical forms of its e-mail address and phone number.
    names: `agree`: two records with clearly different names are not linked, and once a value has such two, nameless records stay out. `counted`:
        they are linked all the same. A mailbox is one customer, whoever shares it, or it would be written to twice.
    at_most: a value that has had so many people (told apart by their names) links no further record: an office's address, a hotline.
    """

    name: str
    value: str
    match_probability: float
    names: Literal["agree", "counted"] = "agree"
    at_most: int = 3


RULES = (
    Rule("same login", "records.login_id", 1.0, names="counted", at_most=40),
    Rule("same e-mail", "case when email_points.status = 'valid' then email_points.canonical end", 1.0, names="counted"),
    Rule("same loyalty card", "records.loyalty_id", 0.99),
    Rule("same phone", "phone_points.canonical", 0.98),
)

# Names as they are compared: lower case without accents and anything that is no letter.
FOLDED = "nullif(regexp_replace(replace(strip_accents(lower({0})), 'ß', 'ss'), '[^a-z]', '', 'g'), '')"

# Jula and Julia, J. and Julia, or first and last name swapped are no different people. Roth and Meier are, and so are Anna Roth and Jan Roth.
SAME_NAMES = """
(
    earlier.given is null or later.given is null
    or earlier.given = later.given
    or starts_with(earlier.given, later.given) or starts_with(later.given, earlier.given)
    or jaro_winkler_similarity(earlier.given, later.given) >= 0.88
    or (earlier.given = later.family and later.given = earlier.family)
)
and (
    earlier.family is null or later.family is null
    or earlier.family = later.family
    or starts_with(earlier.family, later.family) or starts_with(later.family, earlier.family)
    or jaro_winkler_similarity(earlier.family, later.family) >= 0.88
    or (earlier.given = later.family and later.given = earlier.family)
)
"""

STATED = """
select
    records.record_id,
    records.is_person,
    {value} as value,
    -- The names it bore when it first stated the value: a name that changes later unlinks nothing.
    arg_min_null({given}, {order}) as given,
    arg_min_null({family}, {order}) as family,
    min(records.known_at) as known_at
from identity.customer_records as records
left join identity.contact_points as email_points on email_points.kind = 'email' and records.email = email_points.stated
left join identity.contact_points as phone_points
    on phone_points.kind = 'phone' and records.phone = phone_points.stated and records.country is not distinct from phone_points.country
where {value} is not null
group by records.record_id, records.is_person, {value}
"""


def stated(rule: Rule) -> str:
    """SQL: one row per record and value of the rule, with its names and since when it is known to state the value."""
    given, family = FOLDED.format("records.first_name"), FOLDED.format("records.last_name")
    order = "concat_ws('|', strftime(records.known_at, '%Y%m%d%H%M%S%f'), strftime(records.version_at, '%Y%m%d%H%M%S%f'))"
    return STATED.format(value=rule.value, given=given, family=family, order=order)


def edges_sql(rule: Rule) -> str:
    """SQL: the edges of a rule, in the columns of `stays`.

    A record is compared with those that stated the value before it. Its edge to the first of them that it may be linked to is enough: the others of
    that person hang there too.
    """
    linkable = "agrees and (not is_nameless or people_before = 1)" if rule.names == "agree" else "true"
    return f"""
    with
    stated as ({stated(rule)}),
    people as (select *, row_number() over (partition by value order by known_at, record_id) as place from stated where is_person),
    -- A value of hundreds of records is an office's or a mistake: only its first 40 are compared.
    pairs as (
        select
            later.value,
            later.place,
            later.record_id as later_record,
            later.known_at,
            later.given is null and later.family is null as is_nameless,
            earlier.record_id as earlier_record,
            earlier.place as earlier_place,
            ({SAME_NAMES}) as agrees
        from people as later
        inner join people as earlier on later.value = earlier.value and earlier.place < later.place
        where later.place <= 40
    ),
    -- Who agrees with nobody before is another person under the same value.
    places as (select value, place, not bool_or(agrees) as is_newcomer from pairs group by value, place),
    counted as (
        select
            value,
            place,
            1 + coalesce(sum(is_newcomer::integer) over (
                partition by value order by place rows between unbounded preceding and 1 preceding
            ), 0) as people_before
        from places
    ),
    judged as (
        select pairs.*, counted.people_before
        from pairs
        inner join counted on pairs.value = counted.value and pairs.place = counted.place
    ),
    chosen as (
        select *, row_number() over (partition by value, place order by earlier_place) as choice
        from judged
        where people_before <= {rule.at_most} and {linkable}
    )
    select
        earlier_record as record_a,
        later_record as record_b,
        '{rule.name}' as rule,
        {rule.match_probability}::double as match_probability,
        min(known_at) as known_at
    from chosen
    where choice = 1
    group by earlier_record, later_record
    order by known_at, record_a, record_b
    """


def attachments_sql(rule: Rule) -> str:
    """SQL: for each record that is no person, the records of persons with the same value (visitor, record_id, rule, match_probability, known_at)."""
    return f"""
    with
    stated as ({stated(rule)})
    select
        visitors.record_id as visitor,
        people.record_id,
        '{rule.name}' as rule,
        {rule.match_probability}::double as match_probability,
        greatest(visitors.known_at, people.known_at) as known_at
    from stated as visitors
    inner join stated as people on visitors.value = people.value and people.is_person
    where not visitors.is_person
    order by visitor, record_id, known_at
    """


# A browser is that of whoever signed in or bought in it.
BROWSER_ATTACHMENTS = """
with
browsers as (
    select record_id, browser_id, min(known_at) as known_at
    from identity.customer_records
    where not is_person and browser_id is not null
    group by record_id, browser_id
),
people as (
    select record_id, login_id, min(known_at) as known_at
    from identity.customer_records
    where is_person
    group by record_id, login_id
),
users as (
    select users.browser_id, users.rule, users.known_at, people.record_id, people.known_at as person_known_at
    from identity.browser_users as users
    inner join people on users.login_id = people.login_id
    union all
    select users.browser_id, users.rule, users.known_at, people.record_id, people.known_at as person_known_at
    from identity.browser_users as users
    inner join people on users.record_id = people.record_id
)
select
    browsers.record_id as visitor,
    users.record_id,
    users.rule,
    1.0::double as match_probability,
    min(greatest(browsers.known_at, users.known_at, users.person_known_at)) as known_at
from browsers
inner join users on browsers.browser_id = users.browser_id
group by browsers.record_id, users.record_id, users.rule
order by visitor, users.record_id, known_at, rule
"""
