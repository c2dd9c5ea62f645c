-- One row per as_of, customer, product and interaction, of those who may be profiled.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

items as (
    select
        *,
        sum(quantity) over (partition by as_of, order_id) as pieces_of_order
    from {{ known(ref('fct_order_items')) }} as items
    where quantity > 0
),

returns as (
    select * from {{ known(ref('fct_returns')) }} as returns
),

-- A whole order is cancelled without a word of its products.
cancelled as (
    select
        as_of,
        order_id,
        sum(quantity) as pieces
    from returns
    where kind = 'cancellation' and product_id is null
    group by as_of, order_id
),

moved as (
    select
        items.as_of,
        items.customer_id,
        items.product_id,
        items.order_id,
        items.occurred_at,
        case when cancelled.pieces >= items.pieces_of_order then 0 else items.quantity end as kept,
        items.occurred_at as bought_at
    from items
    left join cancelled on items.as_of = cancelled.as_of and items.order_id = cancelled.order_id
    union all
    select
        as_of,
        customer_id,
        product_id,
        order_id,
        occurred_at,
        -quantity as kept,
        cast(null as timestamp) as bought_at
    from returns
    where quantity > 0
),

-- A return that names no order is of the newest before it that had the product.
placed as (
    select * replace (
        coalesce(order_id, last_value(order_id ignore nulls) over (
            partition by as_of, customer_id, product_id
            order by occurred_at, kept desc, order_id
            rows between unbounded preceding and current row
        )) as order_id
    )
    from moved
),

orders as (
    select
        as_of,
        customer_id,
        product_id,
        min(bought_at) as bought_at,
        max(occurred_at) as moved_at,
        {{ whole_sum('kept') }} as kept,
        sum(sum(kept)) over (partition by as_of, customer_id, product_id) as kept_of_all
    from placed
    group by as_of, customer_id, product_id, order_id
),

bought as (
    select
        as_of,
        customer_id,
        product_id,
        bought_at as occurred_at,
        'purchase' as kind,
        kept as quantity
    from orders
    where kept > 0 and kept_of_all > 0
),

-- Of which nothing was kept.
given_back as (
    select
        as_of,
        customer_id,
        product_id,
        max(moved_at) as occurred_at,
        'return' as kind,
        1 as quantity
    from orders
    where kept_of_all <= 0
    group by as_of, customer_id, product_id
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
    select * from given_back
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
