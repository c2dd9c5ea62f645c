-- One row per as_of and customer.
{{ config(materialized='ephemeral', meta={'part': 'customer_id'}) }}

with

items as (
    select as_of, customer_id, order_id, order_item_id, product_id, quantity
    from {{ known(ref('fct_order_items')) }} as items
    where customer_id is not null
),

purchases as (
    select as_of, order_id
    from {{ ref('int_purchases_aged') }}
),

counted as (
    select
        items.as_of,
        items.customer_id,
        count(*) as lines_count,
        {{ whole_sum('items.quantity') }} as units_count,
        count(distinct items.product_id) as products_count
    from items
    inner join purchases
        on
            items.as_of = purchases.as_of
            and items.order_id = purchases.order_id
    group by items.as_of, items.customer_id
)

select * from counted
