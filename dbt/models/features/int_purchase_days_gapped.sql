-- One row per as_of and customer.
{{ config(materialized='ephemeral') }}

with

purchases as (
    select * from {{ ref('int_purchases_aged') }}
),

-- Several orders on one day are one purchase day: the unit of the gaps and of BG/NBD.
days as (
    select as_of, customer_id, age_days, {{ whole_sum('net_cents') }} as net_cents
    from purchases
    group by as_of, customer_id, age_days
),

gaps as (
    select
        as_of,
        customer_id,
        age_days,
        net_cents,
        lag(age_days) over (partition by as_of, customer_id order by age_days desc) - age_days as gap_days,
        row_number() over (partition by as_of, customer_id order by age_days) as days_back,
        row_number() over (partition by as_of, customer_id order by age_days desc) as day_number
    from days
),

summed as (
    select
        as_of,
        customer_id,
        count(*) as purchase_days_count,
        min(age_days) as recency_days,
        max(age_days) as tenure_days,
        max(age_days) - min(age_days) as active_span_days,
        count(*) - 1 as repeat_days_count,
        {{ whole_sum('case when day_number > 1 then net_cents else 0 end') }} as repeat_net_cents,
        {{ whole_sum('cast(gap_days as bigint) * gap_days') }} as gap_squares,
        median(gap_days) as gap_median_days,
        max(gap_days) as gap_max_days,
        max(case when days_back = 1 then gap_days end) as gap_last_days
    from gaps
    group by as_of, customer_id
)

select * from summed
