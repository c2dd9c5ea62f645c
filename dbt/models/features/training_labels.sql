-- One row per as_of, customer and horizon_days, where the horizon had passed by the newest moment of the run.
with

customers as (
    select * from {{ customers_until_closed(ref('order_features'), label_horizons()) }} as customers
),

orders as (
    select as_of, horizon_days, customer_id, occurred_at, net_amount
    from {{ came_true(ref('fct_orders'), label_horizons()) }} as orders
    where {{ is_purchase() }}
),

returns as (
    select as_of, horizon_days, customer_id, net_amount
    from {{ came_true(ref('fct_returns'), label_horizons()) }} as returns
),

movements as (
    select as_of, horizon_days, customer_id, 1 as orders, net_amount, occurred_at as ordered_at
    from orders
    union all
    select as_of, horizon_days, customer_id, 0 as orders, -net_amount as net_amount, cast(null as timestamp) as ordered_at
    from returns
),

summed as (
    select
        as_of,
        horizon_days,
        customer_id,
        sum(orders) as orders_count,
        sum(net_amount) as net_amount,
        min(ordered_at) as first_order_at
    from movements
    group by as_of, horizon_days, customer_id
),

labelled as (
    select
        customers.as_of,
        customers.customer_id,
        customers.horizon_days,
        customers.label_until,
        cast(coalesce(summed.orders_count, 0) as bigint) as orders_count,
        cast(coalesce(summed.net_amount, 0) as decimal(18, 2)) as net_amount,
        summed.first_order_at
    from customers
    left join summed
        on
            customers.as_of = summed.as_of
            and customers.horizon_days = summed.horizon_days
            and customers.closed_customer_id = summed.customer_id
)

select * from labelled
