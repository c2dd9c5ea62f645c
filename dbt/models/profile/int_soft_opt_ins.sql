-- One row per buyer and purpose that the shop's soft opt-in names; none for a purpose that a source of the shop states consent to.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

named as (
    select
        soft_opt_in_notice,
        systems,
        unnest(soft_opt_in_purposes) as purpose
    from {{ source('sources', 'shop') }}
    where soft_opt_in_notice is not null
),

-- What the shop's own table of consents speaks of by name.
spoken as (
    select distinct {{ purpose_called('purpose') }} as purpose
    from {{ source('sources', 'sales__consents') }}
),

-- Some systems speak of writing to people alone, and a shop's own tables have a newsletter column at most, unless they name profiling.
shop as (
    select
        soft_opt_in_notice,
        purpose
    from named
    where
        true
        {% for system in var('consents') %}
        and not (
            list_contains(systems, '{{ system }}')
            {% if system in var('states_marketing_alone') %}and purpose <> 'profiling'{% endif %}
            {% if system == 'sales' %}and (purpose <> 'profiling' or exists (select 1 from spoken where spoken.purpose = 'profiling')){% endif %}
        )
        {% endfor %}
),

-- The first purchase that was known: it is the evidence, and no later one takes its place. One without a known price is a purchase; one for
-- nothing is none, nor is one that is cancelled when it is first heard of.
purchases as (
    select
        *,
        row_number() over (
            partition by source, source_customer_id
            order by known_at, occurred_at, order_id, version_at, version_number
        ) as purchase_number
    from {{ all_sources('orders') }}
    where source_customer_id is not null and {{ is_purchase() }} and not coalesce(is_given_back, false)
)

select
    purchases.source,
    purchases.source_customer_id,
    concat_ws('|', purchases.source, purchases.source_customer_id, shop.purpose, 'soft opt-in') as consent_id,
    'email' as channel,
    shop.purpose,
    'granted' as state,
    purchases.occurred_at,
    purchases.known_at,
    purchases.version_at,
    purchases.version_number,
    concat('Bought, order ', purchases.order_id, '; told and could refuse: ', shop.soft_opt_in_notice) as evidence
from purchases
cross join shop
where purchases.purchase_number = 1
