{# A folder's schema is its stage's word, in every environment (dbt would prefix the target's schema). #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}

{# Every declared source that no extract has filled is a typed, empty table: a shop has the systems it has, and the models stay the same. #}
{% macro create_missing_sources() %}
    {% if execute %}
        {% set held = run_query("select concat(table_schema, '.', table_name) from information_schema.tables").columns[0].values() %}
        {% for node in graph.sources.values() if node.schema ~ '.' ~ node.identifier not in held %}
            {% do run_query('create schema if not exists ' ~ node.schema) %}
            {% set columns = [] %}
            {% for column in node.columns.values() %}
                {% do columns.append(adapter.quote(column.name) ~ ' ' ~ (column.data_type or 'varchar')) %}
            {% endfor %}
            {% do run_query('create table if not exists ' ~ node.schema ~ '.' ~ node.identifier ~ ' (' ~ columns | join(', ') ~ ')') %}
        {% endfor %}
    {% endif %}
{% endmacro %}
