-- One row per as_of, outcome, customer and category, where 30 days had passed by the newest moment of the run.
with

customers as (
    select * from {{ customers_until_closed(ref('customer_features'), [30]) }} as customers
),

prospects as (
    select customers.*
    from customers
    inner join {{ ref('customer_features') }} as features on customers.as_of = features.as_of and customers.customer_id = features.customer_id
    where features.orders_count = 0
),

touched as (
    select
        customers.*,
        features.category
    from customers
    inner join {{ ref('category_features') }} as features on customers.as_of = features.as_of and customers.customer_id = features.customer_id
),

products as (
    select
        as_of,
        product_id,
        category
    from {{ known(ref('dim_products')) }} as products
    where category is not null
),

bought_in as (
    select distinct
        items.as_of,
        items.customer_id,
        products.category
    from {{ came_true(ref('fct_order_items'), [30]) }} as items
    inner join products on items.as_of = products.as_of and items.product_id = products.product_id
    where items.customer_id is not null and items.quantity > 0
),

buyers as (
    select distinct
        as_of,
        customer_id
    from {{ came_true(ref('fct_orders'), [30]) }} as orders
    where {{ is_purchase() }}
),

mails as (
    select
        as_of,
        customer_id,
        {{ mail_of('email_events') }} as mail,
        min(case when event = 'received' then occurred_at end) as received_at,
        count(case when event = 'clicked' then 1 end) as clicks
    from {{ came_true(ref('fct_email_events'), [30]) }} as email_events
    where customer_id is not null
    group by as_of, customer_id, {{ mail_of('email_events') }}
),

next_mails as (
    select
        *,
        row_number() over (partition by as_of, customer_id order by received_at, mail) as place
    from mails
    where received_at is not null
),

outcomes as (
    select
        prospects.as_of,
        'first_purchase' as outcome,
        prospects.customer_id,
        '' as category,
        prospects.label_until,
        buyers.customer_id is not null as has_happened
    from prospects
    left join buyers on prospects.as_of = buyers.as_of and prospects.closed_customer_id = buyers.customer_id
    union all
    select
        customers.as_of,
        'click' as outcome,
        customers.customer_id,
        '' as category,
        customers.label_until,
        next_mails.clicks > 0 as has_happened
    from customers
    inner join next_mails
        on customers.as_of = next_mails.as_of and customers.closed_customer_id = next_mails.customer_id and next_mails.place = 1
    union all
    select
        touched.as_of,
        'category' as outcome,
        touched.customer_id,
        touched.category,
        touched.label_until,
        bought_in.customer_id is not null as has_happened
    from touched
    left join bought_in
        on touched.as_of = bought_in.as_of and touched.closed_customer_id = bought_in.customer_id and touched.category = bought_in.category
)

select * from outcomes
