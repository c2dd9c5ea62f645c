-- One row per source record and span of time: the customer it belonged to, null where it was nobody's; all of time without a gap.
{{ config(materialized='kept') }}
with

links as (
    select
        source,
        source_customer_id,
        customer_id,
        valid_from as since,
        coalesce(valid_to, {{ forever() }}) as until
    from {{ source('identity', 'customer_links') }}
),

neighbours as (
    select
        *,
        coalesce(lag(until) over (partition by source, source_customer_id order by since), {{ ever() }}) as previous_until,
        lead(since) over (partition by source, source_customer_id order by since) as next_since
    from links
),

before_each as (
    select
        source,
        source_customer_id,
        cast(null as varchar) as customer_id,
        previous_until as since,
        since as until
    from neighbours
    where previous_until < since
),

after_the_last as (
    select
        source,
        source_customer_id,
        cast(null as varchar) as customer_id,
        until as since,
        {{ forever() }} as until
    from neighbours
    where next_since is null and until < {{ forever() }}
)

select * from links
union all
select * from before_each
union all
select * from after_the_last
