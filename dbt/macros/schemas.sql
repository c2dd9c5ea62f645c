{# A folder's schema is its stage's word, in every environment (dbt would prefix the target's schema). #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}

{# Every declared source that no extract has filled is a typed, empty table: a shop has the systems it has, and the models stay the same.
   A raw table that is older than a column of its contract gains it, empty; what else Python writes it completes itself. #}
{% macro create_missing_sources() %}
    {% if execute %}
        {% set held = {} %}
        {% for row in run_query("select concat(table_schema, '.', table_name), string_agg(column_name, ',') from information_schema.columns group by 1") %}
            {% do held.update({row[0]: row[1].split(',')}) %}
        {% endfor %}
        {% for node in graph.sources.values() %}
            {% set name = node.schema ~ '.' ~ node.identifier %}
            {% set columns = [] %}
            {% for column in node.columns.values() if column.name not in held.get(name, []) %}
                {% do columns.append(adapter.quote(column.name) ~ ' ' ~ (column.data_type or 'varchar')) %}
            {% endfor %}
            {% if name not in held %}
                {% do run_query('create schema if not exists ' ~ node.schema) %}
                {% do run_query('create table if not exists ' ~ name ~ ' (' ~ columns | join(', ') ~ ')') %}
            {% elif '__' in node.identifier %}
                {% for column in columns %}
                    {% do run_query('alter table ' ~ name ~ ' add column if not exists ' ~ column) %}
                {% endfor %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}
