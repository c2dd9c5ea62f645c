-- One row per browser and account signed in, or record that bought, in it.
{% set orders_meant = {} %}
{% for system in var('orders') %}{% do orders_meant.update({'stg_' ~ system ~ '__orders': ['order_id']}) %}{% endfor %}
{{ config(materialized='kept', meta={'part': 'browser_id', 'touched_by': orders_meant}) }}
with

web_events as (
    select * from {{ all_sources('web_events') }}
),

account_events as (
    select * from {{ all_sources('account_events') }} where browser_id is not null
),

-- Looked up by what was bought in a visit, orders are no part of a browser.
orders as (
    select
        order_id,
        concat(source, ':', source_customer_id) as record_id,
        known_at
    from {{ all_sources('orders', part='') }}
    where source_customer_id is not null
),

signed_in as (
    select browser_id, login_id, known_at from web_events where login_id is not null
    union all
    select browser_id, source_customer_id as login_id, known_at from account_events
),

bought as (
    select
        web_events.browser_id,
        orders.record_id,
        greatest(web_events.known_at, orders.known_at) as known_at
    from web_events
    inner join orders on web_events.order_id = orders.order_id
    where web_events.order_id is not null
)

select
    browser_id,
    login_id,
    cast(null as varchar) as record_id,
    'signed in there' as rule,
    min(known_at) as known_at
from signed_in
group by browser_id, login_id
union all
select
    browser_id,
    cast(null as varchar) as login_id,
    record_id,
    'bought there' as rule,
    min(known_at) as known_at
from bought
group by browser_id, record_id
