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
        count_if(orders_count > 0) as conversions,
        sum(revenue) as revenue,
        sum(cast(revenue * 100 as hugeint) * cast(revenue * 100 as hugeint)) as squares
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
    where not is_contacted
    group by campaign, step
),

compared as (
    select
        contacted.*,
        held_out.people as holdout,
        held_out.buyers as holdout_conversions,
        contacted.revenue / contacted.sent - held_out.revenue / held_out.people as lift,
        -- Pooled variance: with a small holdout and rare purchases, separate variances find effects where there are none.
        sqrt(
            (
                (contacted.squares + held_out.squares) / 10000.0
                - (contacted.revenue + held_out.revenue) * (contacted.revenue + held_out.revenue) / (contacted.sent + held_out.people)
            ) / nullif(contacted.sent + held_out.people - 2, 0)
            * (1.0 / contacted.sent + 1.0 / held_out.people)
        ) as standard_error
    from contacted
    left join held_out on contacted.campaign = held_out.campaign and contacted.step = held_out.step
)

select
    compared.campaign,
    compared.step,
    compared.variant,
    compared.sent,
    cast(null as bigint) as delivered,
    cast(null as bigint) as opens,
    cast(null as bigint) as clicks,
    compared.conversions,
    cast(compared.revenue as decimal(18, 2)) as revenue,
    cast(compared.sent * costs.cost_per_mail as decimal(18, 2)) as cost,
    compared.holdout,
    compared.holdout_conversions,
    round(cast(compared.lift as double), 4) as lift,
    round(cast(compared.lift - 1.96 * compared.standard_error as double), 4) as lift_low,
    round(cast(compared.lift + 1.96 * compared.standard_error as double), 4) as lift_high
from compared
left join costs
    on compared.campaign = costs.campaign and compared.step = costs.step and compared.variant = costs.variant
