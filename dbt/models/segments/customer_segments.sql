-- One row per as_of, customer and segment.
with

flags as (
    select * from {{ ref('segment_flags') }} where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
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
)

select * from members
