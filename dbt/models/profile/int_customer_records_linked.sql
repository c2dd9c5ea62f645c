-- One row per source record version and stay with a customer.
{{ config(materialized='kept', meta={'part': 'record_id'}) }}
with

records as (
    select * from {{ part_of(ref('customer_records')) }}
),

owners as (
    select * from {{ looked_up(ref('int_record_owners'), 'source_customer_id', 'records') }} as owners where customer_id is not null
),

emails as (
    select * from {{ looked_up(ref('int_emails_checked'), 'email', 'records') }} as emails
),

phones as (
    select * from {{ looked_up(ref('int_phones_checked'), 'phone', 'records') }} as phones
),

zones as (
    select * from {{ time_zones() }} as zones
)

select
    owners.customer_id,
    records.* exclude (known_at, superseded_at, phone, email, timezone),
    -- Nobody is written to at an address that only a consent log or a bought-in list has.
    case when records.is_person then emails.canonical end as email,
    case when records.is_person then emails.status end as email_status,
    phones.canonical as phone_e164,
    zones.name as timezone,
    greatest(records.known_at, owners.since) as valid_from,
    nullif(least(coalesce(records.superseded_at, {{ forever() }}), owners.until), {{ forever() }}) as valid_to
from records
inner join owners
    on
        records.source = owners.source
        and records.source_customer_id = owners.source_customer_id
        and owners.until > records.known_at
        and owners.since < coalesce(records.superseded_at, {{ forever() }})
left join emails on records.email = emails.email
left join phones on records.phone = phones.phone and coalesce(records.country, '') = coalesce(phones.country, '')
left join zones on lower(records.timezone) = lower(zones.name)
