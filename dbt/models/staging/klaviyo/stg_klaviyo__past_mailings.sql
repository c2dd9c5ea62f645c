-- One row per campaign and profile that was assigned to it, also those held out, and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

recipients as (
    select
        *,
        {{ utc('assigned_at') }} as occurred_at
    from {{ part_of(source('sources', 'klaviyo__campaign_recipients')) }}
),

campaigns as (
    select distinct
        campaign_id,
        campaign,
        campaign_name
    from {{ ref('stg_klaviyo__messages') }}
)

select
    'klaviyo' as source,
    concat_ws('|', recipients.campaign_id, recipients.profile_id) as past_mailing_id,
    recipients.profile_id as source_customer_id,
    recipients.occurred_at,
    {{ known_at('recipients.occurred_at') }} as known_at,
    recipients.occurred_at as version_at,
    recipients._row_number as version_number,
    recipients._batch_id,
    campaigns.campaign,
    campaigns.campaign_name,
    recipients.variant,
    recipients."group" = 'holdout' as is_holdout
from recipients
inner join campaigns on recipients.campaign_id = campaigns.campaign_id
