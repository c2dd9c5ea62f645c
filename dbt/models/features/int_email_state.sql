-- One row per as_of and customer: what became of the mails whatever the day, until something happens or leaves a window.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': email_windows()}) }}
with

emails as (
    select * from {{ ref('int_emails_aged') }}
),

permitted as (
    select * from {{ part_of(ref('int_profiled_customers')) }}
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

{% for column in ['device', 'daypart'] %}
{{ column }}s as (
    select
        as_of,
        customer_id,
        {{ column }},
        row_number() over (partition by as_of, customer_id order by count(*) desc, {{ column }}) as place
    from own
    where event in ('opened', 'clicked') and {{ column }} is not null
    group by as_of, customer_id, {{ column }}
),
{% endfor %}

-- Fatigue: how many mails came since the last one that was opened.
last_opens as (
    select
        as_of,
        customer_id,
        max(occurred_at) as opened_at
    from own
    where event in ('opened', 'clicked')
    group by as_of, customer_id
),

unread as (
    select
        own.as_of,
        own.customer_id,
        count(distinct case when last_opens.opened_at is null or own.occurred_at > last_opens.opened_at then own.mail end) as emails_unread_count
    from own
    left join last_opens on own.as_of = last_opens.as_of and own.customer_id = last_opens.customer_id
    where own.event = 'received'
    group by own.as_of, own.customer_id
),

joined as (
    select
        counted.as_of,
        counted.customer_id,
        -- Days as the moments at which they end: ages are derived from them when a day is written.
        {{ add_days('counted.as_of', '-counted.open_recency_days') }} as last_open_day_end,
        {{ add_days('counted.as_of', '-counted.click_recency_days') }} as last_click_day_end,
        {% for days in email_windows() %}
        {% for event in ['received', 'opened', 'clicked'] %}
        counted.emails_{{ event }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        counted.received_count,
        counted.opened_count,
        counted.clicked_count,
        hours.local_hour as usual_open_hour,
        coalesce(unread.emails_unread_count, 0) as emails_unread_count,
        devices.device as main_email_device,
        dayparts.daypart as main_email_daypart
    from counted
    left join hours on counted.as_of = hours.as_of and counted.customer_id = hours.customer_id and hours.place = 1
    left join unread on counted.as_of = unread.as_of and counted.customer_id = unread.customer_id
    left join devices on counted.as_of = devices.as_of and counted.customer_id = devices.customer_id and devices.place = 1
    left join dayparts on counted.as_of = dayparts.as_of and counted.customer_id = dayparts.customer_id and dayparts.place = 1
)

select * from joined
