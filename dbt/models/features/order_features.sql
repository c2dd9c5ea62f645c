-- One row per as_of and customer.
with

days as (
    select * from {{ ref('int_purchase_days_gapped') }}
),

money as (
    select * from {{ ref('int_money_summed') }}
),

order_values as (
    select * from {{ ref('int_order_values_described') }}
),

baskets as (
    select * from {{ ref('int_baskets_counted') }}
),

-- How far back the shop's own history reaches (a longer window says nothing), and its usual gap.
shop as (
    select
        as_of,
        max(tenure_days) + 1 as history_days,
        sum(active_span_days) as gaps_days,
        sum(repeat_days_count) as gaps_count
    from days
    group by as_of
),

joined as (
    select
        days.as_of,
        days.customer_id,
        shop.history_days,
        days.purchase_days_count,
        days.recency_days,
        days.tenure_days,
        days.repeat_days_count,
        days.active_span_days,
        days.repeat_net_cents / nullif(days.repeat_days_count, 0) as repeat_day_value_cents,
        cast(days.active_span_days as double) / nullif(days.repeat_days_count, 0) as gap_mean_days,
        days.gap_median_days,
        {{ deviation('days.repeat_days_count', 'days.active_span_days', 'days.gap_squares') }} as gap_deviation_days,
        days.gap_max_days,
        days.gap_last_days,
        -- After two purchases a gap is hardly known: two gaps of the whole shop are added to each customer's own.
        (days.active_span_days + 2.0 * shop.gaps_days / nullif(shop.gaps_count, 0)) / (days.repeat_days_count + 2) as gap_expected_days,
        money.orders_count,
        money.net_cents,
        money.bought_cents,
        money.returned_cents,
        money.returns_count,
        {% for window in order_windows() %}
        case when shop.history_days >= {{ window }} then money.orders_{{ window }}d_count end as orders_{{ window }}d_count,
        case when shop.history_days >= {{ window }} then money.net_{{ window }}d_cents end as net_{{ window }}d_cents,
        {% endfor %}
        {% for half_life in order_half_lives() %}
        money.orders_decayed_{{ half_life }}d_millionths / 1000000.0 as orders_decayed_{{ half_life }}d,
        money.net_decayed_{{ half_life }}d_millionths / 1000000.0 as net_decayed_{{ half_life }}d_cents,
        {% endfor %}
        money.bought_cents / money.orders_count as order_value_mean_cents,
        order_values.order_value_median_cents,
        order_values.order_value_max_cents,
        {{ deviation('money.orders_count', 'money.bought_cents', 'order_values.order_value_squares') }} as order_value_deviation_cents,
        order_values.order_value_first_cents,
        order_values.order_value_last_cents,
        cast(money.returned_cents as double) / money.bought_cents as return_share,
        cast(order_values.discount_cents as double) / (money.bought_cents + order_values.discount_cents) as discount_share,
        cast(order_values.weekend_orders_count as double) / money.orders_count as weekend_share,
        cast(order_values.hours as double) / money.orders_count as hour_mean,
        baskets.lines_count,
        baskets.units_count,
        baskets.products_count,
        cast(baskets.lines_count as double) / money.orders_count as lines_per_order,
        cast(baskets.units_count as double) / money.orders_count as units_per_order
    from days
    inner join shop on days.as_of = shop.as_of
    inner join money
        on
            days.as_of = money.as_of
            and days.customer_id = money.customer_id
    inner join order_values
        on
            days.as_of = order_values.as_of
            and days.customer_id = order_values.customer_id
    left join baskets
        on
            days.as_of = baskets.as_of
            and days.customer_id = baskets.customer_id
),

-- Whole numbers as integers, everything else as doubles, whatever the engine's sums return.
typed as (
    select
        as_of,
        customer_id,
        {% for column in order_feature_columns() %}
        cast({{ column }} as {{ 'bigint' if column.endswith('_count') or column == 'history_days' else 'double' }}) as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from joined
)

select * from typed
