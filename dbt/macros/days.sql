{#
A table of days: a run replaces the rows of the moments it builds and touches no other day. Delete and insert are one transaction, and a day
rebuilt with zero rows leaves none (dbt-duckdb's delete+insert deletes only keys that come again). A column that is new in the model is added.
#}
{% materialization days, default %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set staged = make_temp_relation(target) -%}

    {{ run_hooks(pre_hooks) }}

    {% if existing is none or existing.is_view or should_full_refresh() %}
        {% if existing is not none %}{{ adapter.drop_relation(existing) }}{% endif %}
        {% call statement('main') -%}
            {{ create_table_as(False, target, sql) }}
        {%- endcall %}
    {% else %}
        {% call statement('stage') -%}
            {{ create_table_as(True, staged, sql) }}
        {%- endcall %}
        {%- set have = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
        {%- set want = adapter.get_columns_in_relation(staged) -%}
        {% for column in want if column.name not in have %}
            {% call statement('add_' ~ loop.index) -%}
                alter table {{ target }} add column {{ adapter.quote(column.name) }} {{ column.data_type }}
            {%- endcall %}
        {% endfor %}
        {%- set columns = want | map(attribute='name') | map('tojson') | join(', ') -%}
        {% call statement('main') -%}
            delete from {{ target }} where as_of in (select moments.as_of from {{ moments() }} as moments);
            insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ staged }}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
