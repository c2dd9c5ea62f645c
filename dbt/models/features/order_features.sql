-- One row per as_of and customer.
with

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

state as (
    select state.*
    from {{ ref('int_order_state') }} as state
    inner join {{ moments() }} as moments on state.as_of = moments.as_of
),

aged as (
    select
        *,
        {{ days_between('last_day_end', 'as_of') }} as recency_days,
        {{ days_between('first_day_end', 'as_of') }} as tenure_days,
        {{ days_between('newest_movement_day_end', 'as_of') }} as newest_movement_days
    from state
),

-- How far back the shop's own history reaches (a longer window says nothing), and its usual gap: of everybody, as the shop's own.
shop as (
    select
        as_of,
        max(tenure_days) + 1 as history_days,
        sum(active_span_days) as gaps_days,
        sum(repeat_days_count) as gaps_count
    from aged
    group by as_of
),

joined as (
    select
        aged.as_of,
        aged.customer_id,
        shop.history_days,
        aged.purchase_days_count,
        aged.recency_days,
        aged.tenure_days,
        aged.repeat_days_count,
        aged.active_span_days,
        aged.repeat_net_cents / nullif(aged.repeat_days_count, 0) as repeat_day_value_cents,
        cast(aged.active_span_days as double) / nullif(aged.repeat_days_count, 0) as gap_mean_days,
        aged.gap_median_days,
        {{ deviation('aged.repeat_days_count', 'aged.active_span_days', 'aged.gap_squares') }} as gap_deviation_days,
        aged.gap_max_days,
        aged.gap_last_days,
        -- After two purchases a gap is hardly known: two gaps of the whole shop are added to each customer's own.
        (aged.active_span_days + 2.0 * shop.gaps_days / nullif(shop.gaps_count, 0)) / (aged.repeat_days_count + 2) as gap_expected_days,
        aged.orders_count,
        aged.net_cents,
        aged.bought_cents,
        aged.returned_cents,
        aged.returns_count,
        {% for window in order_windows() %}
        case when shop.history_days >= {{ window }} then aged.orders_{{ window }}d_count end as orders_{{ window }}d_count,
        case when shop.history_days >= {{ window }} then aged.net_{{ window }}d_cents end as net_{{ window }}d_cents,
        {% endfor %}
        {% for half_life in order_half_lives() %}
        aged.orders_decayed_{{ half_life }}d_millionths / 1000000.0 * power(0.5, aged.newest_movement_days / {{ half_life }}.0) as orders_decayed_{{ half_life }}d,
        aged.net_decayed_{{ half_life }}d_millionths / 1000000.0 * power(0.5, aged.newest_movement_days / {{ half_life }}.0) as net_decayed_{{ half_life }}d_cents,
        {% endfor %}
        aged.bought_cents / aged.orders_count as order_value_mean_cents,
        aged.order_value_median_cents,
        aged.order_value_max_cents,
        {{ deviation('aged.orders_count', 'aged.bought_cents', 'aged.order_value_squares') }} as order_value_deviation_cents,
        aged.order_value_first_cents,
        aged.order_value_last_cents,
        coalesce(cast(aged.returned_cents as double) / nullif(aged.bought_cents, 0), 0) as return_share,
        coalesce(cast(aged.discount_cents as double) / nullif(aged.bought_cents + aged.discount_cents, 0), 0) as discount_share,
        cast(aged.weekend_orders_count as double) / aged.orders_count as weekend_share,
        cast(aged.hours as double) / aged.orders_count as hour_mean,
        aged.lines_count,
        aged.units_count,
        aged.products_count,
        cast(aged.lines_count as double) / aged.orders_count as lines_per_order,
        cast(aged.units_count as double) / aged.orders_count as units_per_order
    from aged
    inner join permitted on aged.as_of = permitted.as_of and aged.customer_id = permitted.customer_id
    inner join shop on aged.as_of = shop.as_of
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
