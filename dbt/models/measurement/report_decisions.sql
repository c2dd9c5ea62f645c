-- One row per as_of, decided moment, campaign, step and customer, the customer as the links of as_of have them.
{{ config(materialized='view') }}
with

decisions as (
    select * from {{ ref('campaign_decisions') }}
),

links as (
    select * from {{ source('identity', 'customer_links') }}
),

-- Who was decided about is found again by the record that gave the customer its id.
anchors as (
    select distinct
        customer_id,
        source,
        source_customer_id
    from links
    where rule = 'first record'
),

current_links as (
    select * from {{ valid(source('identity', 'customer_links')) }} as current_links
),

moments as (
    select as_of from {{ source('sources', 'run_days') }} where is_day
)

select
    moments.as_of,
    decisions.as_of as decided_at,
    decisions.campaign,
    decisions.step,
    coalesce(current_links.customer_id, decisions.customer_id) as customer_id,
    decisions.decision,
    decisions.reason,
    decisions.variant,
    decisions.send_at
from decisions
inner join moments on decisions.as_of <= moments.as_of
left join anchors on decisions.customer_id = anchors.customer_id
left join current_links
    on
        moments.as_of = current_links.as_of
        and anchors.source = current_links.source
        and anchors.source_customer_id = current_links.source_customer_id
