-- One row per past mailing version.
{{ config(materialized='kept', meta={'part': 'past_mailing_id'}) }}
with

stated as (
    select * from {{ all_sources('past_mailings') }}
),

past_mailings as (
    select * from {{ versions('stated', 'past_mailing_id') }} as versions
),

linked as (
    select * from {{ linked('past_mailings') }} as facts
)

select
    past_mailing_id,
    source,
    customer_id,
    occurred_at,
    known_at,
    superseded_at,
    occurred_at as contacted_at,
    campaign,
    campaign_name,
    variant,
    is_holdout
from linked
