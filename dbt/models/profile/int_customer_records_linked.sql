-- One row per source record version and stay with a customer.
with

records as (
    select * from {{ ref('customer_records') }}
),

links as (
    select * from {{ source('identity', 'customer_links') }}
),

emails as (
    select * from {{ source('identity', 'contact_points') }} where kind = 'email'
),

phones as (
    select * from {{ source('identity', 'contact_points') }} where kind = 'phone'
),

zones as (
    select * from {{ time_zones() }} as zones
)

select
    links.customer_id,
    records.* exclude (known_at, superseded_at, phone, email, timezone),
    -- Nobody is written to at an address that only a consent log or a bought-in list has.
    case when records.is_person then emails.canonical end as email,
    case when records.is_person then emails.status end as email_status,
    phones.canonical as phone_e164,
    zones.name as timezone,
    greatest(records.known_at, links.valid_from) as valid_from,
    least(records.superseded_at, links.valid_to) as valid_to
from records
inner join links
    on
        records.source = links.source
        and records.source_customer_id = links.source_customer_id
        and (links.valid_to is null or links.valid_to > records.known_at)
        and (records.superseded_at is null or links.valid_from < records.superseded_at)
left join emails on records.email = emails.stated
left join phones on records.phone = phones.stated and coalesce(records.country, '') = coalesce(phones.country, '')
left join zones on lower(records.timezone) = lower(zones.name)
