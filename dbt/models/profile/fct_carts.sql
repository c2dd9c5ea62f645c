-- One row per cart version.
{{ config(materialized='kept', meta={'part': 'cart_id'}) }}
with

stated as (
    select * from {{ all_sources('carts') }}
),

carts as (
    select * from {{ versions('stated', 'cart_id') }} as versions
),

linked as (
    select * from {{ linked('carts') }} as facts
)

select
    cart_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    items,
    url,
    currency,
    total_amount,
    completed_at
from linked
