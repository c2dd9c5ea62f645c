-- One row per campaign, step and variant.
with

outcomes as (
    select * from {{ ref('int_contact_outcomes') }}
),

costs as (
    select
        campaign,
        step,
        variant,
        cost_per_mail
    from {{ source('campaigns', 'campaign_steps') }}
),

-- Sums of cents and of their squares are whole numbers: exact, whatever the order of the rows.
contacted as (
    select
        campaign,
        step,
        variant,
        count(*) as sent,
        count_if(is_delivered) as delivered,
        count_if(has_opened) as opens,
        count_if(has_clicked) as clicks,
        count_if(is_closed) as measured,
        count_if(is_closed and orders_count > 0) as conversions,
        coalesce(sum(revenue) filter (where is_closed), 0) as revenue,
        coalesce(sum(cast(revenue * 100 as hugeint) * cast(revenue * 100 as hugeint)) filter (where is_closed), 0) as squares
    from outcomes
    where is_contacted
    group by campaign, step, variant
),

held_out as (
    select
        campaign,
        step,
        count(*) as people,
        count_if(orders_count > 0) as buyers,
        sum(revenue) as revenue,
        sum(cast(revenue * 100 as hugeint) * cast(revenue * 100 as hugeint)) as squares
    from outcomes
    where not is_contacted and is_closed
    group by campaign, step
),

compared as (
    select
        contacted.*,
        held_out.people as holdout,
        held_out.buyers as holdout_conversions,
        contacted.revenue / nullif(contacted.measured, 0) - held_out.revenue / held_out.people as lift,
        -- Pooled variance: with a small holdout and rare purchases, separate variances find effects where there are none.
        sqrt(
            -- Where everybody spent the same, rounding may leave a little less than nothing.
            greatest(
                0.0,
                (contacted.squares + held_out.squares) / 10000.0
                - (contacted.revenue + held_out.revenue) * (contacted.revenue + held_out.revenue) / nullif(contacted.measured + held_out.people, 0)
            ) / nullif(contacted.measured + held_out.people - 2, 0)
            * (1.0 / nullif(contacted.measured, 0) + 1.0 / held_out.people)
        ) as standard_error
    from contacted
    left join held_out on contacted.campaign = held_out.campaign and contacted.step = held_out.step
),

priced as (
    select
        compared.*,
        cast(compared.sent * coalesce(costs.cost_per_mail, shop.cost_per_mail) as decimal(18, 2)) as cost,
        -- Of those of whom it is told what followed.
        compared.measured * coalesce(costs.cost_per_mail, shop.cost_per_mail) as measured_cost
    from compared
    cross join {{ source('sources', 'shop') }} as shop
    left join costs
        on compared.campaign = costs.campaign and compared.step = costs.step and compared.variant = costs.variant
)

select
    campaign,
    step,
    variant,
    sent,
    measured,
    -- Our own mails' events come back under the campaign's name; until they do, there is nothing to count.
    case when delivered > 0 then delivered end as delivered,
    case when delivered > 0 then opens end as opens,
    case when delivered > 0 then clicks end as clicks,
    conversions,
    cast(revenue as decimal(18, 2)) as revenue,
    cost,
    holdout,
    holdout_conversions,
    round(cast(lift as double), 4) as lift,
    round(cast(lift - 1.96 * standard_error as double), 4) as lift_low,
    round(cast(lift + 1.96 * standard_error as double), 4) as lift_high,
    round(cast((lift * measured - measured_cost) / nullif(measured_cost, 0) as double), 2) as roi
from priced
