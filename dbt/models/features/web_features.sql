-- One row per as_of and customer.
with

state as (
    select state.*
    from {{ ref('int_web_state') }} as state
    inner join {{ moments() }} as moments on state.as_of = moments.as_of
),

-- How far back the shop's web history reaches: a longer window says nothing.
history as (
    select
        as_of,
        {{ days_between('min(occurred_at)', 'as_of') }} + 1 as history_days
    from {{ known(ref('fct_web_events')) }} as web_events
    group by as_of
),

typed as (
    select
        state.as_of,
        state.customer_id,
        {{ days_between('state.last_visit_day_end', 'state.as_of') }} as visit_recency_days,
        {% for days in web_windows() %}
        {% for what in ['sessions', 'product_views', 'cart_adds', 'searches'] %}
        case when history.history_days >= {{ days }} then state.{{ what }}_{{ days }}d_count end as {{ what }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        state.main_device,
        state.main_daypart
    from state
    inner join history on state.as_of = history.as_of
)

select * from typed
