-- One row per customer account and change.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

customers as (
    select
        *,
        {{ utc('created_at') }} as account_created_at,
        {{ utc('updated_at') }} as version_at
    from {{ part_of(source('sources', 'shopify__customers')) }}
)

select
    'shopify' as source,
    id as source_customer_id,
    account_created_at as created_at,
    {{ known_at('account_created_at') }} as known_at,
    version_at,
    _row_number as version_number,
    _batch_id,
    {{ said('email') }} as email,
    {{ said('coalesce(phone, ' ~ json_text('default_address', '$.phone') ~ ')') }} as phone,
    {{ said('first_name') }} as first_name,
    {{ said('last_name') }} as last_name,
    {{ said(json_text('default_address', '$.address1')) }} as street,
    {{ said(json_text('default_address', '$.city')) }} as city,
    {{ said(json_text('default_address', '$.province')) }} as region,
    {{ said(json_text('default_address', '$.zip')) }} as postal_code,
    {{ country_code(json_text('default_address', '$.country_code')) }} as country,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    nullif(regexp_extract(tags, 'lang:([a-z]{2})', 1), '') as language,
    cast(null as varchar) as timezone,
    cast(null as varchar) as membership_tier,
    'shop' as signup_source,
    cast(null as varchar) as interests,
    cast(null as varchar) as preferences,
    id as login_id,
    nullif(regexp_extract(tags, 'loyalty:([^, ]+)', 1), '') as loyalty_id
from customers
