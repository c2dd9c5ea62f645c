-- One row per as_of and customer.
with

state as (
    select state.*
    from {{ ref('int_email_state') }} as state
    inner join {{ moments() }} as moments on state.as_of = moments.as_of
),

-- How far back the shop's mailing history reaches: a longer window says nothing.
history as (
    select
        as_of,
        {{ days_between('min(occurred_at)', 'as_of') }} + 1 as history_days
    from {{ known(ref('fct_email_events')) }} as email_events
    group by as_of
),

typed as (
    select
        state.as_of,
        state.customer_id,
        {{ days_between('state.last_open_day_end', 'state.as_of') }} as open_recency_days,
        {{ days_between('state.last_click_day_end', 'state.as_of') }} as click_recency_days,
        {% for days in email_windows() %}
        {% for event in ['received', 'opened', 'clicked'] %}
        case when history.history_days >= {{ days }} then state.emails_{{ event }}_{{ days }}d_count end as emails_{{ event }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        round(cast(least(state.opened_count, state.received_count) as double) / nullif(state.received_count, 0), 6) as open_rate,
        round(cast(least(state.clicked_count, state.received_count) as double) / nullif(state.received_count, 0), 6) as click_rate,
        state.usual_open_hour,
        state.emails_unread_count,
        state.main_email_device,
        state.main_email_daypart
    from state
    inner join history on state.as_of = history.as_of
)

select * from typed
