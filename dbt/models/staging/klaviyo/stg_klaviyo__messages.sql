-- One row per message (variant) of a campaign, as its newest change has it.
with

campaigns as (
    select
        *,
        row_number() over (partition by id order by _known_at desc, _row_number desc) as recency
    from {{ source('sources', 'klaviyo__campaigns') }}
),

messages as (
    select
        *,
        {{ json_each('campaign_messages') }} as message,
        -- The campaign's own parameter says how links name it; without one its name does.
        {{ json_named('attributes', '$.tracking_options.utm_params', 'utm_campaign') }} as slug
    from campaigns
    where recency = 1
)

select
    id as campaign_id,
    {{ json_text('message', '$.id') }} as message_id,
    coalesce(slug, {{ json_text('attributes', '$.name') }}) as campaign,
    {{ json_text('attributes', '$.name') }} as campaign_name,
    {{ json_text('message', '$.attributes.label') }} as variant,
    {{ json_text('message', '$.attributes.content.subject') }} as subject
from messages
