{#
A view is one call a build; dbt's own materialization makes another one, renames both and drops the former: seven. Its comment tells who reads it which
SQL it was made of: the engine words a view's SQL another way once the file has been opened anew.
#}
{% materialization view, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='view') -%}

    {{ run_hooks(pre_hooks) }}

    {% if existing is not none and not existing.is_view %}{% do adapter.drop_relation(existing) %}{% endif %}
    {% call statement('main') -%}
        create or replace view {{ target }} as (
            {{ sql }}
        );
        comment on view {{ target }} is '{{ local_md5(sql) }}'
    {%- endcall %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
