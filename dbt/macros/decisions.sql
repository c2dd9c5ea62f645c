{#
Decisions of the moments up to each moment of the run (`decided_as_of`), with the customers as the links of that moment have them: who was decided
about is found again by the record that gave the customer its id. A customer who was merged and split again began twice.
#}
{% macro decisions_until(decided) -%}
(
    select
        run_days.as_of,
        decisions.as_of as decided_as_of,
        decisions.campaign,
        decisions.step,
        coalesce(now_at.customer_id, decisions.customer_id) as customer_id,
        decisions.decision,
        decisions.reason,
        decisions.variant,
        decisions.began_at,
        decisions.send_at
    from {{ decided }} as decisions
    inner join {{ moments() }} as run_days on decisions.as_of <= run_days.as_of
    left join (
        select distinct customer_id, source, source_customer_id from {{ source('identity', 'customer_links') }} where rule = 'first record'
    ) as anchors
        on decisions.customer_id = anchors.customer_id
    left join {{ valid(source('identity', 'customer_links')) }} as now_at
        on
            run_days.as_of = now_at.as_of
            and anchors.source = now_at.source
            and anchors.source_customer_id = now_at.source_customer_id
)
{%- endmacro %}

{# What earlier days decided; nothing before the first day. #}
{% macro earlier_decisions() -%}
(
    {% set decided = adapter.get_relation(database=target.database, schema='campaigns', identifier='campaign_decisions') if execute else none %}
    {% if decided %}
    select * from {{ decisions_until(decided) }} as decisions
    where decisions.decided_as_of < decisions.as_of
    {% else %}
    select
        cast(null as timestamp) as as_of,
        cast(null as timestamp) as decided_as_of,
        cast(null as varchar) as campaign,
        cast(null as varchar) as step,
        cast(null as varchar) as customer_id,
        cast(null as varchar) as decision,
        cast(null as timestamp) as began_at,
        cast(null as timestamp) as send_at
    where false
    {% endif %}
)
{%- endmacro %}
