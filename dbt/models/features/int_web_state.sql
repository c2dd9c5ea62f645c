-- One row per as_of and customer: what the visits say whatever the day, until something happens or leaves a window.
{{ config(materialized='kept', meta={'part': 'customer_id', 'windows': web_windows()}) }}
with

visits as (
    select * from {{ ref('int_visits_aged') }}
),

permitted as (
    select * from {{ part_of(ref('int_profiled_customers')) }}
),

own as (
    select visits.*
    from visits
    inner join permitted on visits.as_of = permitted.as_of and visits.customer_id = permitted.customer_id
),

-- Sessions first: to count distinct ones once for each window would cost as much again as all the rest.
sessions as (
    select
        as_of,
        customer_id,
        session_id,
        {% for days in web_windows() %}
        count(case when age_days < {{ days }} and event = 'view_item' then 1 end) as product_views_{{ days }}d_count,
        count(case when age_days < {{ days }} and event = 'add_to_cart' then 1 end) as cart_adds_{{ days }}d_count,
        count(case when age_days < {{ days }} and event = 'search' then 1 end) as searches_{{ days }}d_count,
        {% endfor %}
        min(age_days) as age_days
    from own
    group by as_of, customer_id, session_id
),

counted as (
    select
        as_of,
        customer_id,
        {% for days in web_windows() %}
        count(case when age_days < {{ days }} then session_id end) as sessions_{{ days }}d_count,
        {% for what in ['product_views', 'cart_adds', 'searches'] %}
        cast(sum({{ what }}_{{ days }}d_count) as bigint) as {{ what }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        min(age_days) as visit_recency_days
    from sessions
    group by as_of, customer_id
),

{% for column in ['device', 'daypart'] %}
{{ column }}s as (
    select
        as_of,
        customer_id,
        {{ column }},
        row_number() over (partition by as_of, customer_id order by count(distinct session_id) desc, {{ column }}) as place
    from own
    where {{ column }} is not null
    group by as_of, customer_id, {{ column }}
),
{% endfor %}

joined as (
    select
        counted.as_of,
        counted.customer_id,
        -- The day as the moment at which it ends: its age is derived when a day is written.
        {{ add_days('counted.as_of', '-counted.visit_recency_days') }} as last_visit_day_end,
        {% for days in web_windows() %}
        {% for what in ['sessions', 'product_views', 'cart_adds', 'searches'] %}
        counted.{{ what }}_{{ days }}d_count,
        {% endfor %}
        {% endfor %}
        devices.device as main_device,
        dayparts.daypart as main_daypart
    from counted
    left join devices on counted.as_of = devices.as_of and counted.customer_id = devices.customer_id and devices.place = 1
    left join dayparts on counted.as_of = dayparts.as_of and counted.customer_id = dayparts.customer_id and dayparts.place = 1
)

select * from joined
