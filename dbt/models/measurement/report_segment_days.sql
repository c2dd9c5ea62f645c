-- One row per as_of and segment that had, won or lost members. Who comes on the first built day counts as entered.
{{ config(materialized='view') }}
with

members as (
    select
        as_of,
        segment,
        customer_id
    from {{ ref('customer_segments') }}
),

days as (
    select
        as_of,
        lag(as_of) over (order by as_of) as previous_as_of,
        lead(as_of) over (order by as_of) as next_as_of
    from (select distinct as_of from {{ ref('segment_flags') }}) as built
),

staying as (
    select
        members.as_of,
        members.segment,
        1 as members_count,
        case when earlier.customer_id is null then 1 else 0 end as entered_count,
        0 as exited_count
    from members
    inner join days on members.as_of = days.as_of
    left join members as earlier
        on days.previous_as_of = earlier.as_of and members.segment = earlier.segment and members.customer_id = earlier.customer_id
),

leaving as (
    select
        days.next_as_of as as_of,
        members.segment,
        0 as members_count,
        0 as entered_count,
        1 as exited_count
    from members
    inner join days on members.as_of = days.as_of
    left join members as later
        on days.next_as_of = later.as_of and members.segment = later.segment and members.customer_id = later.customer_id
    where days.next_as_of is not null and later.customer_id is null
),

movements as (
    select * from staying
    union all
    select * from leaving
)

select
    as_of,
    segment,
    cast(sum(members_count) as bigint) as members_count,
    cast(sum(entered_count) as bigint) as entered_count,
    cast(sum(exited_count) as bigint) as exited_count
from movements
group by as_of, segment
