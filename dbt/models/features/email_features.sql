-- One row per as_of and customer.
with

emails as (
    select * from {{ ref('int_emails_aged') }}
),

permitted as (
    select * from {{ ref('int_profiled_customers') }}
),

-- How far back the shop's mailing history reaches: a longer window says nothing.
history as (
    select
        as_of,
        max(age_days) + 1 as history_days
    from emails
    group by as_of
),

own as (
    select emails.*
    from emails
    inner join permitted on emails.as_of = permitted.as_of and emails.customer_id = permitted.customer_id
),

-- Mails, not events: a mail opened three times is one opened mail.
counted as (
    select
        as_of,
        customer_id,
        {% for days in email_windows() %}
        {% for event in ['received', 'opened', 'clicked'] %}
        count(distinct case when age_days < {{ days }} and event = '{{ event }}' then mail end) as emails_{{ event }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        count(distinct case when event = 'received' then mail end) as received_count,
        count(distinct case when event = 'opened' then mail end) as opened_count,
        count(distinct case when event = 'clicked' then mail end) as clicked_count,
        min(case when event = 'opened' then age_days end) as open_recency_days,
        min(case when event = 'clicked' then age_days end) as click_recency_days
    from own
    group by as_of, customer_id
),

hours as (
    select
        as_of,
        customer_id,
        local_hour,
        row_number() over (partition by as_of, customer_id order by count(*) desc, local_hour) as place
    from own
    where event in ('opened', 'clicked')
    group by as_of, customer_id, local_hour
),

typed as (
    select
        counted.as_of,
        counted.customer_id,
        cast(counted.open_recency_days as integer) as open_recency_days,
        cast(counted.click_recency_days as integer) as click_recency_days,
        {% for days in email_windows() %}
        {% for event in ['received', 'opened', 'clicked'] %}
        case when history.history_days >= {{ days }} then counted.emails_{{ event }}_{{ days }}d_count end as emails_{{ event }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        round(cast(least(counted.opened_count, counted.received_count) as double) / nullif(counted.received_count, 0), 6) as open_rate,
        round(cast(least(counted.clicked_count, counted.received_count) as double) / nullif(counted.received_count, 0), 6) as click_rate,
        hours.local_hour as usual_open_hour
    from counted
    inner join history on counted.as_of = history.as_of
    left join hours on counted.as_of = hours.as_of and counted.customer_id = hours.customer_id and hours.place = 1
)

select * from typed
