-- One row per as_of, customer and segment.
with

flags as (
    select * from {{ ref('segment_flags') }} where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

-- A cluster is a segment like any other, but that its name was found, not written.
clusters as (
    select
        as_of,
        customer_id,
        cluster as segment
    from {{ source('scores', 'customer_scores') }}
    where cluster is not null and as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

members as (
    {% for segment in segment_names() %}
    select
        as_of,
        customer_id,
        '{{ segment }}' as segment
    from flags
    where {{ segment }}
    {% if not loop.last %}union all{% endif %}
    {% else %}
    select
        as_of,
        customer_id,
        '' as segment
    from flags
    where false
    {% endfor %}
    union all
    select
        clusters.as_of,
        clusters.customer_id,
        clusters.segment
    from clusters
    inner join flags on clusters.as_of = flags.as_of and clusters.customer_id = flags.customer_id
)

select * from members
