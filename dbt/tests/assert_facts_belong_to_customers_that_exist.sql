-- Whoever a fact belongs to was a customer at that time.
{{ config(meta={'dagster': {'ref': {'name': 'dim_customers'}}}) }}
{% for fact in ['fct_orders', 'fct_consents', 'fct_carts', 'fct_sessions', 'fct_email_events'] %}
select
    '{{ fact }}' as fact,
    facts.customer_id,
    facts.known_at
from {{ ref(fact) }} as facts
where
    facts.customer_id is not null
    and not exists (
        select 1
        from {{ ref('dim_customers') }} as customers
        where
            facts.customer_id = customers.customer_id
            and customers.valid_from <= facts.known_at
            and coalesce(customers.valid_to, {{ forever() }}) > facts.known_at
    )
{{ 'union all' if not loop.last }}
{% endfor %}
