-- One row per customer, segment and stay.
{{ config(materialized='table') }}
with

members as (
    select * from {{ ref('customer_segments') }}
),

-- Days are numbered as built, so that a day never built does not end a stay.
days as (
    select
        as_of,
        row_number() over (order by as_of) as day_number,
        lead(as_of) over (order by as_of) as next_as_of
    from (select distinct as_of from {{ ref('segment_flags') }}) as built
),

numbered as (
    select
        members.customer_id,
        members.segment,
        members.as_of,
        days.next_as_of,
        days.day_number - row_number() over (partition by members.customer_id, members.segment order by members.as_of) as stay
    from members
    inner join days on members.as_of = days.as_of
)

select
    customer_id,
    segment,
    min(as_of) as entered_at,
    -- max_by passes over nulls; whoever is in on the newest day has not left.
    nullif(max_by(coalesce(next_as_of, timestamp '9999-12-31'), as_of), timestamp '9999-12-31') as exited_at
from numbered
group by customer_id, segment, stay
