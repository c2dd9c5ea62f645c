-- One row per as_of, campaign, step and customer whose turn it is.
{{ config(materialized='ephemeral') }}
with

steps as (
    select distinct
        campaign,
        step,
        step_number,
        after_hours,
        audience,
        expires_after_hours,
        again_after_days
    from {{ source('campaigns', 'campaign_steps') }}
),

members as (
    select * from {{ ref('customer_segments') }}
    where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

earlier as (
    select * from {{ earlier_decisions() }} as earlier
),

-- A journey begins with the decision on a first step, also one that held the customer out: both groups go the same way.
journeys as (
    select
        earlier.as_of,
        earlier.campaign,
        earlier.customer_id,
        max(earlier.decided_as_of) as began_at
    from earlier
    inner join steps on earlier.campaign = steps.campaign and earlier.step = steps.step and steps.step_number = 1
    where earlier.decision in ('send', 'holdout')
    group by earlier.as_of, earlier.campaign, earlier.customer_id
),

done as (
    select
        journeys.as_of,
        journeys.campaign,
        journeys.customer_id,
        earlier.step
    from journeys
    inner join earlier
        on
            journeys.as_of = earlier.as_of
            and journeys.campaign = earlier.campaign
            and journeys.customer_id = earlier.customer_id
            and earlier.decided_as_of >= journeys.began_at
            and earlier.decision in ('send', 'holdout')
    group by journeys.as_of, journeys.campaign, journeys.customer_id, earlier.step
),

first_steps as (
    select
        members.as_of,
        steps.campaign,
        steps.step,
        members.customer_id,
        true as is_in_audience
    from members
    inner join steps on members.segment = steps.audience and steps.step_number = 1
    left join journeys
        on members.as_of = journeys.as_of and steps.campaign = journeys.campaign and members.customer_id = journeys.customer_id
    where
        journeys.customer_id is null
        or journeys.began_at + to_days(cast(steps.again_after_days as integer)) <= members.as_of
),

later_steps as (
    select
        journeys.as_of,
        steps.campaign,
        steps.step,
        journeys.customer_id,
        members.customer_id is not null as is_in_audience
    from journeys
    inner join steps on journeys.campaign = steps.campaign and steps.step_number > 1
    left join done
        on
            journeys.as_of = done.as_of
            and journeys.campaign = done.campaign
            and journeys.customer_id = done.customer_id
            and steps.step = done.step
    left join members
        on journeys.as_of = members.as_of and journeys.customer_id = members.customer_id and steps.audience = members.segment
    where
        done.customer_id is null
        and journeys.began_at + to_hours(cast(steps.after_hours as integer)) <= journeys.as_of
        and journeys.began_at + to_hours(cast(steps.after_hours + steps.expires_after_hours as integer)) > journeys.as_of
)

select * from first_steps
union all
select * from later_steps
