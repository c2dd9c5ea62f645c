"""What the shop's source records state, as `resolve` reads it, and what a record that is no person (a browser, a card, a bought-in row) hangs on.

A record states something else when its source sends a new version: each distinct content is a statement of its own, known since the version that
said it first, and never changes. A person is found by any of the addresses they ever had.
"""

from dagster_project.identity.clustering import Cut
from dagster_project.identity.rules import Rule

# A mailbox is one customer, whoever shares it, or it would be written to twice.
SHOP_RULES = (
    Rule("same login", "login_id", 1.0, max_people=40, max_records=100, conflict="never"),
    Rule("same national id", "national_id", 0.999, max_people=3, max_records=50, conflict="both"),
    Rule("same e-mail", "email", 1.0, max_people=3, max_records=40, conflict="never"),
    Rule("same loyalty card", "loyalty_id", 0.99, max_people=3),
    Rule("same phone", "phone", 0.98, max_people=3),
)

# A shop's records are thin, and some thinner than others: a name, a mailbox, seldom a street. A merge needs more than it does where birth dates and
# streets are known, because a wrong one mails somebody else's data; what weighs less is listed for review.
SHOP_CUT = Cut(5.0, best=0.5)

# Only addresses and numbers that can be one link anybody.
STATED = """
select
    records.record_id as owner,
    records.source,
    records.is_person,
    records.known_at,
    records.first_name as given_name,
    records.last_name as family_name,
    cast(records.birth_date as varchar) as birth_date,
    case when emails.status = 'valid' then emails.canonical end as email,
    phones.canonical as phone,
    records.street,
    records.city,
    records.postal_code as postcode,
    records.country,
    records.login_id,
    records.loyalty_id,
    records.national_id
from identity.customer_records as records
left join identity.contact_points as emails on emails.kind = 'email' and records.email = emails.stated
left join identity.contact_points as phones
    on phones.kind = 'phone' and records.phone = phones.stated and coalesce(records.country, '') = coalesce(phones.country, '')
"""

# What the records say, whole or only what they said after a moment that is the statement's parameter.
_STATEMENTS = f"""
with stated as ({STATED})
select
    owner || '#' || left(md5(to_json(columns_of)::varchar), 12) as record_id,
    owner,
    source,
    known_at,
    unnest(columns_of)
from (
    select
        owner,
        source,
        min(known_at) as known_at,
        struct_pack(
            given_name, family_name, birth_date, email, phone, street, city, postcode, country, login_id, loyalty_id, national_id
        ) as columns_of
    from stated
    where is_person{{after}}
    group by owner, source, columns_of
)
order by known_at, record_id
"""
STATEMENTS = _STATEMENTS.format(after="")
STATEMENTS_AFTER = _STATEMENTS.format(after=" and known_at > ?")

# One row: of what was known until a moment (the parameter) how many versions there are, and a digest of all that statements are made of.
DIGEST = """
select
    count(*),
    coalesce(sum(hash(
        record_id, source, known_at, first_name, last_name, birth_date, email, phone, street, city, postal_code, country, login_id, loyalty_id,
        national_id
    )::hugeint), 0)::varchar
from identity.customer_records
where is_person and known_at <= ?
"""

NEWEST = "select max(known_at) from identity.customer_records where is_person"


def attachments_sql(rule: Rule) -> str:
    """SQL: for each record that is no person, the records of persons with the same value (visitor, record_id, rule, match_probability, known_at).

    A value is compared as it is, not in its form for matching: a visitor hangs on an address, not on a guess.
    """
    return f"""
    with
    stated as ({STATED}),
    valued as (
        select owner, is_person, {rule.column} as value, min(known_at) as known_at
        from stated where {rule.column} is not null group by owner, is_person, {rule.column}
    )
    select
        visitors.owner as visitor,
        people.owner as record_id,
        '{rule.name}' as rule,
        {rule.match_probability}::double as match_probability,
        greatest(visitors.known_at, people.known_at) as known_at
    from valued as visitors
    inner join valued as people on visitors.value = people.value and people.is_person
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
