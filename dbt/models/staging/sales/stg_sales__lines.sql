-- One row per order line and extract that changed its order, as the order stood then.
{{ config(materialized='kept') }}
{%- set person = ['email', 'phone', 'full_name', 'first_name', 'last_name', 'gender', 'birth_date', 'street', 'city', 'region', 'postal_code', 'country'] %}
{#- An order is deleted as its header says last, also when that is no longer so. -#}
{%- set of_order = ['is_deleted', 'customer_id', 'status', 'order_cancelled_at', 'channel', 'discount_code', 'currency', 'accepts_marketing', 'order_discount_amount', 'refunded_amount'] + person %}
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

rates as (
    select * from {{ source('sources', 'fx_rates') }}
),

stated as (
    select
        lines.*,
        lines.line_number as line_id,
        {{ stated_moment('lines.ordered_at', 'shop.zone') }} as stated_at
    from {{ source('sources', 'sales__lines') }} as lines
    cross join shop
    union all by name
    -- Without a number, what a customer bought on a day is an order.
    select
        purchases.* exclude (order_id),
        concat(purchases.customer_id, '@', cast(cast(purchases.ordered_at as date) as varchar)) as order_id,
        concat(purchases.ordered_at, ':', purchases.line_number) as line_id,
        {{ stated_moment('purchases.ordered_at', 'shop.zone') }} as stated_at
    from {{ source('sources', 'sales__purchases') }} as purchases
    cross join shop
),

headers as (
    select
        orders.*,
        cast({{ is_gone('orders.deleted_at') }} as varchar) as is_deleted,
        {{ stated_moment('orders.ordered_at', 'shop.zone') }} as stated_at
    from {{ source('sources', 'sales__orders') }} as orders
    cross join shop
),

-- An order that only its header states is one line that comes to its total.
lines as (
    select
        *,
        cast(null as varchar) as is_deleted
    from stated
    union all by name
    select
        headers.* exclude (total_amount, items_count),
        'total' as line_id,
        headers.items_count as quantity,
        headers.total_amount as line_amount
    from headers
    where headers.total_amount is not null and headers.order_id not in (select order_id from stated)
),

-- What an order says once may stand on its first line only.
said_on_lines as (
    select
        order_id,
        _known_at,
        min(stated_at) as stated_at,
        {% for column in of_order %}
        min_by({{ column }}, _row_number) filter (where nullif(trim({{ column }}), '') is not null) as {{ column }},
        {% endfor %}
        bool_and(_is_history) as _is_history
    from lines
    group by order_id, _known_at
),

said as (
    select
        order_id,
        _known_at,
        stated_at,
        {{ of_order | join(', ') }},
        _is_history,
        0 as place
    from said_on_lines
    union all
    select
        order_id,
        _known_at,
        stated_at,
        {{ of_order | join(', ') }},
        _is_history,
        _row_number as place
    from headers
),

pulls as (
    select
        order_id,
        _known_at as pulled_at,
        bool_and(_is_history) as is_history
    from said
    group by order_id, _known_at
),

orders as (
    select
        pulls.order_id,
        pulls.pulled_at,
        pulls.is_history,
        min(said.stated_at) as stated_at,
        {% for column in of_order %}
        max_by(nullif(trim(said.{{ column }}), ''), (said._known_at, said.place)) filter (where nullif(trim(said.{{ column }}), '') is not null)
            as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from pulls
    inner join said on pulls.order_id = said.order_id and said._known_at <= pulls.pulled_at
    group by pulls.order_id, pulls.pulled_at, pulls.is_history
),

standing as (
    select
        orders.* exclude (status, order_cancelled_at, currency, is_deleted, order_discount_amount, refunded_amount),
        coalesce(abs(cast(orders.order_discount_amount as decimal(18, 4))), 0) as order_discount_amount,
        abs(cast(orders.refunded_amount as decimal(18, 4))) as refunded_amount,
        lines.line_id,
        nullif(trim(lines.product_id), '') as product_id,
        lines.product_name,
        lines.category,
        lines.brand,
        case when {{ is_gone('orders.order_cancelled_at') }} then 'cancelled' else coalesce(nullif(trim(lines.status), ''), orders.status) end as status,
        coalesce(orders.is_deleted, 'false') = 'true' or {{ is_gone('lines.deleted_at') }} as is_gone,
        coalesce(lines.currency, orders.currency) as currency,
        coalesce(cast(lines.quantity as decimal(18, 4)), 1) as quantity,
        cast(lines.unit_price as decimal(18, 4)) as unit_price,
        cast(lines.line_amount as decimal(18, 4)) as line_amount,
        coalesce(cast(lines.discount_amount as decimal(18, 4)), 0) as discount_amount,
        1 - coalesce(cast(lines.discount_share as decimal(18, 4)), 0) as share_left,
        row_number() over (
            partition by orders.order_id, orders.pulled_at, lines.line_id
            order by lines._known_at desc, lines._row_number desc
        ) as recency
    from orders
    inner join lines on orders.order_id = lines.order_id and lines._known_at <= orders.pulled_at
    where orders.stated_at is not null
),

priced as (
    select
        standing.*,
        coalesce(rates.rate, 1) as rate,
        line_amount is null and unit_price is null as is_unpriced,
        quantity < 0 or coalesce(line_amount, quantity * unit_price, 0) < 0 as is_return,
        coalesce(line_amount, cast(quantity * unit_price * share_left as decimal(18, 4)) - discount_amount, 0) as after_discount,
        -- A discount in cents may be more than an amount of fractions of one, and makes no return of a sale.
        case when is_return then after_discount else greatest(after_discount, 0) end as stated_amount
    from standing
    left join rates on standing.currency = rates.currency
    where recency = 1
),

-- What is taken off the whole order is shared by what its sold lines come to; a line's own amount is after all discounts.
shares as (
    select
        *,
        case when line_amount is null and stated_amount > 0 then stated_amount else 0 end as share,
        sum(case when line_amount is null and stated_amount > 0 then stated_amount else 0 end) over lines_so_far as shares_so_far,
        sum(case when line_amount is null and stated_amount > 0 then stated_amount else 0 end) over (partition by order_id, pulled_at) as all_shares
    from priced
    window lines_so_far as (partition by order_id, pulled_at order by line_id)
),

discounted as (
    select
        * replace (
            case
                when share > 0
                    then greatest(
                        stated_amount
                        - round(least(order_discount_amount, all_shares) * shares_so_far / all_shares, 2)
                        + round(least(order_discount_amount, all_shares) * (shares_so_far - share) / all_shares, 2),
                        0
                    )
                else stated_amount
            end as stated_amount
        ),
        -- What a line comes to is after what is taken off it.
        case
            when line_amount is null or is_return then stated_amount
            else greatest(stated_amount, cast(line_amount / nullif(share_left, 0) as decimal(18, 4)) + discount_amount)
        end as before_discount
    from shares
)

select
    order_id,
    line_id,
    concat(order_id, ':', line_id) as order_item_id,
    {{ buyer(said('customer_id'), 'email') }} as source_customer_id,
    case when customer_id is null then email end as guest_email,
    stated_at as occurred_at,
    case when is_history then least(stated_at, pulled_at) else pulled_at end as known_at,
    pulled_at as version_at,
    product_id,
    product_name,
    category,
    brand,
    cast(round(quantity) as integer) as quantity,
    cast(coalesce(unit_price, before_discount / nullif(quantity, 0), 0) * rate as decimal(18, 4)) as unit_price,
    cast(coalesce(unit_price * quantity, before_discount) * rate as decimal(18, 2)) as gross_amount,
    cast(stated_amount * rate as decimal(18, 2)) as net_amount,
    cast(refunded_amount * rate as decimal(18, 2)) as refunded_amount,
    is_unpriced,
    case
        when is_return then 'return'
        when is_gone or {{ gives_back('status') }} then 'cancellation'
        else 'sale'
    end as kind,
    is_gone,
    channel,
    discount_code,
    accepts_marketing,
    {{ person | join(', ') }}
from discounted
