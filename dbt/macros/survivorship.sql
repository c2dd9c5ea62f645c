{# Which of a customer's records speaks for a field, by the rules in dbt_project.yml (`vars: survivorship, trust`). #}

{# The value that survives among a customer's records, which carry the columns of `standing`; or what the record whose value (`of`) does says. #}
{% macro survivor(column, of=none) -%}
{%- set judged = of or column -%}
max_by({{ column }}, {{ survivorship_rank(judged) }}) filter (where {{ judged }} is not null) as {{ column }}
{%- endmacro %}

{# What a record's value is judged by: the field's rule first, then the newest version. #}
{% macro survivorship_rank(column) -%}
{%- set rule = var('survivorship')[column] -%}
{%- if rule == 'trusted' -%}concat(trust, '|', newness)
{%- elif rule == 'longest' -%}concat(lpad(cast(length({{ column }}) as varchar), 6, '0'), '|', newness)
{%- elif rule == 'frequent' -%}concat(lpad(cast({{ column }}_times as varchar), 6, '0'), '|', newness)
{%- else -%}newness
{%- endif -%}
{%- endmacro %}

{#
What records are ranked by: how new a version is (ties by source and id, so that row order never matters), how trusted its system, and in how many
of the customer's records the value of a field judged by frequency stands.
#}
{% macro standing(partition) -%}
concat_ws('|', strftime(version_at, '%Y%m%d%H%M%S%f'), source, source_customer_id) as newness,
        case source {% for system, rank in var('trust').items() %}when '{{ system }}' then '{{ rank }}' {% endfor %}else '0' end as trust,
        {%- for column, rule in var('survivorship').items() if rule == 'frequent' %}
        count({{ column }}) over (partition by {{ partition }}, lower({{ column }})) as {{ column }}_times{{ ',' if not loop.last }}
        {%- endfor %}
{%- endmacro %}
