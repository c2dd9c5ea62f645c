{#
A table of days: a run replaces the rows of the moments it builds and touches no other day. Delete and insert are one transaction, and a day
rebuilt with zero rows leaves none (dbt-duckdb's delete+insert deletes only keys that come again). A column that is new in the model is added.
#}
{% materialization days, default %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks) }}

    {% if existing is none or existing.is_view or should_full_refresh() %}
        {% if existing is not none %}{{ adapter.drop_relation(existing) }}{% endif %}
        {% call statement('main') -%}
            {{ create_table_as(False, target, sql) }}
        {%- endcall %}
    {% else %}
        {% call statement('new_columns', fetch_result=true) -%}
            select made.column_name, made.column_type
            from (describe ({{ sql }})) as made
            where made.column_name not in (select held.column_name from (describe {{ target }}) as held)
        {%- endcall %}
        {% for column, data_type in load_result('new_columns')['data'] %}
            {% call statement('add_' ~ loop.index) -%}
                alter table {{ target }} add column {{ adapter.quote(column) }} {{ data_type }}
            {%- endcall %}
        {% endfor %}
        {% call statement('main') -%}
            delete from {{ target }} where as_of in (select moments.as_of from {{ moments() }} as moments);
            insert into {{ target }} by name ({{ sql }})
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
