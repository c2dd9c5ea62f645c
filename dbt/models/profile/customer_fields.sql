-- One row per as_of, customer and field.
{{ config(materialized='view') }}
with

records as (
    select * from {{ valid(ref('int_customer_records_linked')) }} as records
),

counted as (
    select
        *,
        {{ standing('as_of, customer_id') }}
    from records
),

stated as (
    {% for column, rule in var('survivorship').items() %}
    select
        as_of,
        customer_id,
        '{{ column }}' as field,
        cast({{ column }} as varchar) as value,
        '{{ rule }}' as rule,
        {{ survivorship_rank(column) }} as rank,
        source,
        case when version_at > timestamp '1900-01-01' then version_at else created_at end as stated_at,
        {{ 'false' if column in ['birth_date', 'gender', 'first_name'] else 'true' }} as can_change,
        {% if column == 'email' %}coalesce(email_status, '') = 'valid'
        {% elif column == 'birth_date' %}birth_date between date '1900-01-01' and cast(as_of as date)
        {% else %}true
        {% endif %} as is_valid
    from counted
    where {{ column }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

ranked as (
    select
        *,
        row_number() over (partition by as_of, customer_id, field order by rank desc) as place,
        count(*) over (partition by as_of, customer_id, field) as records_count
    from stated
)

select
    as_of,
    customer_id,
    field,
    value,
    rule,
    source,
    stated_at,
    records_count,
    is_valid,
    can_change and stated_at < as_of - interval 730 day as is_outdated
from ranked
where place = 1
