-- One row per as_of, campaign, step and customer whose turn it was.
with

candidates as (
    select * from {{ ref('int_candidates') }}
),

variants as (
    select * from {{ source('campaigns', 'campaign_steps') }}
),

shop as (
    select * from {{ source('sources', 'shop') }}
),

customers as (
    select * from {{ valid(ref('dim_customers')) }} as customers
),

permissions as (
    select * from {{ ref('customer_permissions') }} where channel = 'email'
),

suppressions as (
    select * from {{ ref('customer_suppressions') }} where channel = 'email'
),

-- Who is held out counts as mailed: both groups go the same way, and meet the same caps.
recent_mails as (
    select
        earlier.as_of,
        earlier.customer_id,
        count(*) as mails
    from {{ contacted_before() }} as earlier
    cross join shop
    where earlier.decided_as_of > {{ add_days('earlier.as_of', '-cast(shop.cap_days as integer)') }}
    group by earlier.as_of, earlier.customer_id
),

campaign_mails as (
    select
        earlier.as_of,
        earlier.campaign,
        earlier.customer_id,
        count(*) as mails
    from {{ contacted_before() }} as earlier
    inner join (select distinct campaign, cap_days from {{ source('campaigns', 'campaign_steps') }}) as caps
        on earlier.campaign = caps.campaign and earlier.decided_as_of > {{ add_days('earlier.as_of', '-cast(caps.cap_days as integer)') }}
    group by earlier.as_of, earlier.campaign, earlier.customer_id
),

judged as (
    select
        candidates.as_of,
        candidates.campaign,
        candidates.step,
        candidates.customer_id,
        candidates.began_at,
        variants.variant,
        variants.priority,
        shop.zone as shop_zone,
        -- The customer's own hour, outside the quiet hours; the shop's where nothing is known.
        greatest(shop.quiet_until, least(shop.quiet_from - 1, coalesce(scores.best_send_hour, shop.send_hour))) as send_hour,
        customers.timezone,
        -- The chain: the first gate that does not open is the reason.
        case
            when shop.address_held_by = 'shop' and coalesce(customers.email_status, 'missing') <> 'valid' then 'no valid address'
            when not coalesce(permissions.is_permitted, false) then 'no consent'
            when suppressions.customer_id is not null then 'suppressed'
            when not candidates.is_in_audience then 'left the audience'
            when coalesce(recent_mails.mails, 0) >= shop.cap_mails then 'cap reached'
            when coalesce(campaign_mails.mails, 0) >= variants.cap_mails then 'campaign cap reached'
        end as stopped_by,
        case
            when {{ of_global_holdout('candidates.customer_id') }} then 'global holdout'
            when {{ bucket("concat('holdout|', candidates.campaign, '|', candidates.customer_id)") }} < variants.holdout then 'campaign holdout'
        end as held_out_by
    from candidates
    cross join shop
    inner join variants
        on
            candidates.campaign = variants.campaign
            and candidates.step = variants.step
            and {{ bucket("concat('variant|', candidates.campaign, '|', candidates.customer_id)") }} >= variants.bucket_from
            and {{ bucket("concat('variant|', candidates.campaign, '|', candidates.customer_id)") }} < variants.bucket_to
    left join customers on candidates.as_of = customers.as_of and candidates.customer_id = customers.customer_id
    left join permissions
        on
            candidates.as_of = permissions.as_of
            and candidates.customer_id = permissions.customer_id
            and variants.purpose = permissions.purpose
    left join suppressions on candidates.as_of = suppressions.as_of and candidates.customer_id = suppressions.customer_id
    left join {{ source('scores', 'customer_scores') }} as scores
        on candidates.as_of = scores.as_of and candidates.customer_id = scores.customer_id
    left join recent_mails on candidates.as_of = recent_mails.as_of and candidates.customer_id = recent_mails.customer_id
    left join campaign_mails
        on
            candidates.as_of = campaign_mails.as_of
            and candidates.campaign = campaign_mails.campaign
            and candidates.customer_id = campaign_mails.customer_id
),

-- One mail a customer and day: the campaign with the highest priority among those that may be sent.
ranked as (
    select
        *,
        row_number() over (
            partition by as_of, customer_id, stopped_by is null
            order by priority desc, campaign, step
        ) as place
    from judged
),

decided as (
    select
        *,
        case
            when stopped_by is not null or place > 1 then 'excluded'
            when held_out_by is not null then 'holdout'
            else 'send'
        end as decision,
        case
            when stopped_by is not null then stopped_by
            when place > 1 then 'another campaign goes first'
            else coalesce(held_out_by, 'all gates open')
        end as reason
    from ranked
)

select
    decided.as_of,
    decided.campaign,
    decided.step,
    decided.customer_id,
    decided.decision,
    decided.reason,
    decided.variant,
    decided.began_at,
    decided.as_of as decided_at,
    -- The shop's hour on the customer's own clock, on the day that begins at as_of; where that is before the mail is made, the first time after.
    case
        when decided.decision = 'send' then
            {{ local_to_utc(
                "greatest("
                ~ "date_trunc('day', " ~ utc_to_local('decided.as_of', 'decided.shop_zone') ~ "), "
                ~ "date_trunc('day', " ~ utc_to_local('moments.known_by', 'coalesce(decided.timezone, decided.shop_zone)')
                ~ " - decided.send_hour * interval '1 hour' + interval '86399 seconds')"
                ~ ") + decided.send_hour * interval '1 hour'",
                'coalesce(decided.timezone, decided.shop_zone)'
            ) }}
    end as send_at
from decided
inner join {{ moments() }} as moments on decided.as_of = moments.as_of
