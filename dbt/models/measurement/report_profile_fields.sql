-- One row per as_of and profile field.
{{ config(materialized='view') }}
{% set fields = [
    'email', 'phone_e164', 'first_name', 'last_name', 'country', 'city', 'postal_code', 'language', 'birth_year', 'gender', 'interests',
    'membership_tier',
] %}
with

customers as (
    select * from {{ ref('current_customers') }}
),

filled as (
    {% for field in fields %}
    select
        as_of,
        {{ loop.index }} as field_number,
        '{{ field }}' as field,
        count({{ field }}) as filled_count
    from customers
    group by as_of
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select * from filled
