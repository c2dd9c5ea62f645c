-- One row per source record and span of time: the customer it belonged to, null where it was nobody's; from the first span to the last without a gap.
with

links as (
    select * from {{ source('identity', 'customer_links') }}
),

neighbours as (
    select
        source,
        source_customer_id,
        valid_from,
        valid_to,
        lag(valid_to) over (partition by source, source_customer_id order by valid_from) as previous_to,
        row_number() over (partition by source, source_customer_id order by valid_from) as place,
        row_number() over (partition by source, source_customer_id order by valid_from desc) as places_left
    from links
),

before_each as (
    select
        source,
        source_customer_id,
        cast(null as varchar) as customer_id,
        previous_to as valid_from,
        valid_from as valid_to
    from neighbours
    where place = 1 or previous_to < valid_from
),

after_the_last as (
    select
        source,
        source_customer_id,
        cast(null as varchar) as customer_id,
        valid_to as valid_from,
        cast(null as timestamp) as valid_to
    from neighbours
    where places_left = 1 and valid_to is not null
),

owned as (
    select
        source,
        source_customer_id,
        customer_id,
        valid_from,
        valid_to
    from links
)

select * from owned
union all
select * from before_each
union all
select * from after_the_last
