{# What of the stated preferences a product must have (`required`), or must not be (`never:` and what): beyond these no rule reads any. #}
{% macro wishes_read() %}{{ return({'required': 'vegan|vegetarian|size:[^;]+?', 'never': 'never:[^;]+'}) }}{% endmacro %}

{# What each customer stated at each moment, in any of their records: preferences separated by `;`. #}
{% macro wishes_stated() -%}
(
    select
        as_of,
        customer_id,
        string_agg(distinct preferences, ';' order by preferences) as preferences
    from {{ valid(ref('int_customer_records_linked')) }} as records
    where preferences is not null
    group by as_of, customer_id
)
{%- endmacro %}
