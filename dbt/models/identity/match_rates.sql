-- One row per as_of, source, other source and outcome.
{{ config(materialized='days') }}
with

records as (
    select
        run_days.as_of,
        run_days.known_by,
        records.record_id,
        records.source,
        bool_or(records.is_person) as is_person,
        bool_or(coalesce(records.email, records.phone, records.login_id, records.loyalty_id) is not null) as is_identified
    from {{ ref('customer_records') }} as records
    inner join {{ moments() }} as run_days on records.known_at <= run_days.known_by
    group by run_days.as_of, run_days.known_by, records.record_id, records.source
),

links as (
    select
        as_of,
        concat(source, ':', source_customer_id) as record_id,
        source,
        customer_id
    from {{ valid(source('identity', 'customer_links')) }} as links
),

present as (
    select
        as_of,
        customer_id,
        string_agg(distinct source, ',' order by source) as systems
    from links
    group by as_of, customer_id
),

sources as (
    select distinct
        as_of,
        source
    from records
),

-- Near another record, and left to a person.
apart as (
    select
        one.as_of,
        edges.record_a,
        edges.record_b,
        edges.known_at,
        coalesce(edges.known_until, {{ forever() }}) as known_until
    from {{ source('identity', 'edges') }} as edges
    -- Left joins keep their order: joined with each other first, the links of a moment would be millions of pairs.
    left join links as one on edges.record_a = one.record_id
    left join links as other on edges.record_b = other.record_id and one.as_of = other.as_of
    where edges.match_weight >= -2 and one.customer_id <> other.customer_id
),

apart_then as (
    select
        apart.as_of,
        unnest([apart.record_a, apart.record_b]) as record_id
    from apart
    inner join {{ moments() }} as run_days on apart.as_of = run_days.as_of
    where apart.known_at <= run_days.known_by and apart.known_until > run_days.known_by
),

in_review as (
    select distinct
        as_of,
        record_id
    from apart_then
),

-- What keeps a record alone, if anything, and the systems that its customer is in: many records, few such kinds.
kinds as (
    select
        records.as_of,
        records.source,
        present.systems,
        case
            when links.customer_id is null and records.is_identified then 'nobody else has its address or card'
            when links.customer_id is null then 'never signed in or bought, or several people did'
            when in_review.record_id is not null then 'alike another, in review'
            when records.is_person and not records.is_identified then 'states no address, number or card'
            else 'its customer is not in the other system'
        end as alone,
        count(*) as records_count
    from records
    left join links on records.as_of = links.as_of and records.record_id = links.record_id
    left join present on records.as_of = present.as_of and links.customer_id = present.customer_id
    left join in_review on records.as_of = in_review.as_of and records.record_id = in_review.record_id
    group by all
),

judged as (
    select
        kinds.as_of,
        kinds.source,
        others.source as other_source,
        case
            when contains(concat(',', kinds.systems, ','), concat(',', others.source, ',')) then 'matched'
            else kinds.alone
        end as outcome,
        kinds.records_count
    from kinds
    inner join sources as others on kinds.as_of = others.as_of and kinds.source <> others.source
)

select
    as_of,
    source,
    other_source,
    outcome,
    cast(sum(records_count) as bigint) as records_count,
    cast(sum(records_count) / sum(sum(records_count)) over (partition by as_of, source, other_source) as decimal(6, 4)) as records_share
from judged
group by as_of, source, other_source, outcome
