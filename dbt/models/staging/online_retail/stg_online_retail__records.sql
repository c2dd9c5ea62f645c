-- One row per customer and change of what the invoices say of them.
{{ config(materialized='kept', meta={'part': 'source_customer_id'}) }}
with

invoices as (
    select
        source_customer_id,
        invoice_no,
        country,
        min(occurred_at) as occurred_at,
        min(case when is_history then least(occurred_at, pulled_at) else pulled_at end) as known_at
    from {{ part_of(ref('stg_online_retail__lines')) }}
    where source_customer_id is not null
    group by source_customer_id, invoice_no, country
),

-- After each invoice, in the order in which they were known: since when the customer is one, and the newest invoice's country.
after_each as (
    select
        source_customer_id,
        invoice_no,
        known_at,
        min(occurred_at) over known_so_far as created_at,
        max(occurred_at) over known_so_far as newest_at,
        max_by(country, concat_ws('|', cast(occurred_at as varchar), invoice_no, country)) over known_so_far as country
    from invoices
    window
        known_so_far as (
            partition by source_customer_id
            order by known_at, occurred_at, invoice_no, country
            rows between unbounded preceding and current row
        )
),

compared as (
    select
        *,
        lag(created_at) over known_before as created_before,
        lag(country) over known_before as country_before,
        row_number() over known_before as version_number
    from after_each
    window known_before as (partition by source_customer_id order by known_at, newest_at, invoice_no, country)
)

select
    'online_retail' as source,
    compared.source_customer_id,
    compared.created_at,
    compared.known_at,
    compared.newest_at as version_at,
    compared.version_number,
    cast(null as varchar) as email,
    cast(null as varchar) as phone,
    cast(null as varchar) as first_name,
    cast(null as varchar) as last_name,
    cast(null as varchar) as street,
    cast(null as varchar) as city,
    cast(null as varchar) as region,
    cast(null as varchar) as postal_code,
    -- Regions without a code of their own (Channel Islands, European Community, Unspecified) stay unknown.
    {{ country_code('compared.country') }} as country,
    cast(null as date) as birth_date,
    cast(null as varchar) as gender,
    cast(null as varchar) as language,
    cast(null as varchar) as timezone,
    cast(null as varchar) as membership_tier,
    'invoice' as signup_source,
    cast(null as varchar) as interests,
    cast(null as varchar) as preferences,
    compared.source_customer_id as login_id
from compared
where
    compared.version_number = 1
    or compared.created_at is distinct from compared.created_before
    or compared.country is distinct from compared.country_before
