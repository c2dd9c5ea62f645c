-- One row per as_of, customer, product and interaction, of those who may be profiled.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

bought as (
    select
        as_of,
        customer_id,
        product_id,
        occurred_at,
        'purchase' as kind,
        quantity
    from {{ known(ref('fct_order_items')) }} as items
    where quantity > 0
),

viewed as (
    select
        as_of,
        customer_id,
        product_id,
        occurred_at,
        'view' as kind,
        1 as quantity
    from {{ known(ref('fct_web_events')) }} as events
    where event = 'view_item'
),

interactions as (
    select * from bought
    union all
    select * from viewed
)

select
    interactions.as_of,
    interactions.customer_id,
    interactions.product_id,
    interactions.occurred_at as at,
    interactions.kind,
    interactions.quantity
from interactions
inner join permitted on interactions.as_of = permitted.as_of and interactions.customer_id = permitted.customer_id
where interactions.product_id is not null
