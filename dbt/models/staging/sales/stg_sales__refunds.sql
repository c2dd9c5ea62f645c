-- One row per row of returns, or order that says what was refunded of it, and moment at which its word changed.
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

typed as (
    select
        returns.*,
        concat_ws('|', returns.order_id, returns.return_id, returns.product_id, returns.line_number) as return_key,
        coalesce(rates.rate, 1) as rate,
        {{ stated_moment('returns.returned_at', 'shop.zone') }} as stated_at,
        not {{ is_gone('returns.deleted_at') }}
        and not regexp_matches(lower(coalesce(trim(returns.return_status), '')), '{{ var("not_returned") }}|{{ var("says_no") }}') as is_returned
    from {{ source('sources', 'sales__returns') }} as returns
    left join rates on returns.currency = rates.currency
    cross join shop
),

-- What never gave anything back needs no word of it.
stated as (
    select * from typed where return_key in (select return_key from typed where is_returned)
),

-- What each version of an order says was refunded of it, beyond what its lines gave back already, and its lines that still count as sold.
of_orders as (
    select
        order_id,
        version_at,
        bool_and(known_at < version_at) as _is_history,
        array_agg(order_item_id) filter (where kind = 'sale') as order_item_ids,
        max(refunded_amount)
        - coalesce(sum(abs(net_amount)) filter (where kind = 'cancellation' or (kind = 'return' and not is_gone)), 0) as return_amount
    from {{ ref('stg_sales__lines') }}
    where order_id in (select order_id from {{ ref('stg_sales__lines') }} where refunded_amount > 0)
    group by order_id, version_at
    -- While all of an order is cancelled, that counts.
    having count(*) filter (where kind = 'sale') > 0
),

-- Once rows of returns say what came back of an order, they count, and what it says itself does no longer.
told as (
    select
        order_id,
        min(_known_at) as told_at
    from stated
    where is_returned
    group by order_id
)

select
    return_key,
    order_id,
    product_id,
    cast(abs(cast(return_amount as decimal(18, 4))) * rate as decimal(18, 2)) as return_amount,
    abs(cast(quantity as decimal(18, 4))) as pieces,
    stated_at,
    _known_at,
    _is_history,
    is_returned,
    false as is_of_order
from stated
union all by name
-- Money, and no word of which pieces.
select
    concat_ws('|', of_orders.order_id, 'refunded') as return_key,
    of_orders.order_id,
    of_orders.order_item_ids,
    of_orders.return_amount,
    of_orders.version_at as _known_at,
    of_orders._is_history,
    coalesce(of_orders.return_amount > 0, false) as is_returned,
    true as is_of_order
from of_orders
left join told on of_orders.order_id = told.order_id
where told.told_at is null or of_orders.version_at < told.told_at
union all by name
select
    concat_ws('|', of_orders.order_id, 'refunded') as return_key,
    of_orders.order_id,
    max_by(of_orders.order_item_ids, of_orders.version_at) as order_item_ids,
    told.told_at as _known_at,
    false as _is_history,
    false as is_returned,
    true as is_of_order
from of_orders
inner join told on of_orders.order_id = told.order_id and of_orders.version_at < told.told_at
group by of_orders.order_id, told.told_at
