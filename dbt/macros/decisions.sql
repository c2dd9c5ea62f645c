{# The record that gave each customer its id: by it a customer is found again after records were linked or taken apart. #}
{% macro first_records() -%}
(select distinct customer_id, source, source_customer_id from {{ source('identity', 'customer_links') }} where rule = 'first record')
{%- endmacro %}

{#
Decisions of the moments up to each moment of the run (`decided_as_of`), with the customers as the links of that moment have them. A customer who was
merged and split again began twice.
#}
{% macro decisions_until(decided) -%}
(
    select
        run_days.as_of,
        decisions.as_of as decided_as_of,
        coalesce(now_at.customer_id, decisions.customer_id) as customer_id,
        decisions.* exclude (as_of, customer_id)
    from {{ decided }} as decisions
    inner join {{ moments() }} as run_days on decisions.as_of <= run_days.as_of
    left join {{ first_records() }} as anchors on decisions.customer_id = anchors.customer_id
    left join {{ valid(source('identity', 'customer_links')) }} as now_at
        on
            run_days.as_of = now_at.as_of
            and anchors.source = now_at.source
            and anchors.source_customer_id = now_at.source_customer_id
)
{%- endmacro %}

{# Who was mailed or held out on earlier days: what was decided and did not leave does not count. #}
{% macro contacted_before() -%}
(
    select * from {{ decisions_until(source('campaigns', 'contact_history')) }} as contacted
    where contacted.decided_as_of < contacted.as_of
)
{%- endmacro %}

{# Whether a customer gets no campaign at all, where `shop` is at hand. #}
{% macro of_global_holdout(customer) %}{{ bucket("concat('holdout|', " ~ customer ~ ")") }} < shop.global_holdout{% endmacro %}
