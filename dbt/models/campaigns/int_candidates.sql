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
        trigger,
        expires_after_hours,
        again_after_days
    from {{ source('campaigns', 'campaign_steps') }}
),

members as (
    select * from {{ ref('customer_segments') }}
    where as_of in (select as_of from {{ source('sources', 'run_days') }} where is_day)
),

triggers as (
    select * from {{ ref('int_triggers') }}
),

earlier as (
    select * from {{ contacted_before() }} as earlier
),

-- A journey begins when somebody enters the audience, or with the event; also for those held out: both groups go the same way.
journeys as (
    select
        as_of,
        campaign,
        customer_id,
        max(began_at) as began_at
    from earlier
    group by as_of, campaign, customer_id
),

entering as (
    select
        members.as_of,
        steps.campaign,
        members.customer_id,
        members.as_of as began_at,
        true as is_in_audience
    from members
    inner join steps on members.segment = steps.audience and steps.step_number = 1 and steps.trigger is null
    left join journeys
        on members.as_of = journeys.as_of and steps.campaign = journeys.campaign and members.customer_id = journeys.customer_id
    where
        journeys.customer_id is null
        or {{ add_days('journeys.began_at', 'cast(steps.again_after_days as integer)') }} <= members.as_of
),

under_way as (
    select
        journeys.as_of,
        steps.campaign,
        journeys.customer_id,
        journeys.began_at,
        members.customer_id is not null as is_in_audience
    from journeys
    inner join steps on journeys.campaign = steps.campaign and steps.step_number = 1 and steps.trigger is null
    left join members
        on journeys.as_of = members.as_of and journeys.customer_id = members.customer_id and steps.audience = members.segment
    where {{ add_days('journeys.began_at', 'cast(steps.again_after_days as integer)') }} > journeys.as_of
),

-- While a journey is under way its own event goes on; the newest one counts as soon as a journey may begin.
triggered as (
    select
        triggers.as_of,
        steps.campaign,
        triggers.customer_id,
        triggers.began_at,
        triggers.is_open and (steps.audience is null or members.customer_id is not null) as is_in_audience
    from triggers
    inner join steps on triggers.trigger = steps.trigger and steps.step_number = 1
    left join members
        on triggers.as_of = members.as_of and triggers.customer_id = members.customer_id and steps.audience = members.segment
    left join journeys
        on triggers.as_of = journeys.as_of and steps.campaign = journeys.campaign and triggers.customer_id = journeys.customer_id
    where
        case
            when {{ add_days('journeys.began_at', 'cast(steps.again_after_days as integer)') }} > triggers.as_of
                then triggers.began_at = journeys.began_at
            else triggers.is_newest
        end
),

travellers as (
    select * from entering
    union all
    select * from under_way
    union all
    select * from triggered
),

-- A step is due from its hour on and until it expires, once a journey; of several the first, the next one the night after.
due as (
    select
        travellers.as_of,
        travellers.campaign,
        steps.step,
        travellers.customer_id,
        travellers.began_at,
        travellers.is_in_audience
    from travellers
    inner join steps on travellers.campaign = steps.campaign
    left join earlier
        on
            travellers.as_of = earlier.as_of
            and travellers.campaign = earlier.campaign
            and travellers.customer_id = earlier.customer_id
            and travellers.began_at = earlier.began_at
            and steps.step = earlier.step
    where
        earlier.customer_id is null
        and {{ add_hours('travellers.began_at', 'steps.after_hours') }} <= travellers.as_of
        and {{ add_hours('travellers.began_at', 'steps.after_hours + steps.expires_after_hours') }} > travellers.as_of
    qualify
        row_number() over (
            partition by travellers.as_of, travellers.campaign, travellers.customer_id, travellers.began_at
            order by steps.step_number
        ) = 1
)

select * from due
