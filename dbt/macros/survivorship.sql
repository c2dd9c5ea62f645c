{# The value of a field that survives among a customer's records: the newest stated one, ties by source and id, so that it never depends on row order. #}
{% macro newest(column) -%}
max_by({{ column }}, {{ survivorship_rank() }}) filter (where {{ column }} is not null) as {{ column }}
{%- endmacro %}

{% macro survivorship_rank() -%}
concat_ws('|', strftime(version_at, '%Y%m%d%H%M%S%f'), source, source_customer_id)
{%- endmacro %}
