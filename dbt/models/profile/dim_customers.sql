-- One row per customer and version.
{{ config(materialized='kept', meta={'part': 'customer_id'}) }}
with

records as (
    select * from {{ part_of(ref('int_customer_records_linked')) }}
),

-- The moments at which anything about a customer changed.
changes as (
    select customer_id, valid_from as valid_from from records
    union
    select customer_id, valid_to as valid_from from records where valid_to is not null
),

moments as (
    select
        customer_id,
        valid_from,
        lead(valid_from) over (partition by customer_id order by valid_from) as valid_to
    from changes
),

at_moments as (
    select
        moments.valid_from as moment_from,
        moments.valid_to as moment_to,
        records.* exclude (valid_from, valid_to),
        {{ standing('moments.customer_id, moments.valid_from') }}
    from moments
    inner join records
        on
            moments.customer_id = records.customer_id
            and records.valid_from <= moments.valid_from
            and (records.valid_to is null or records.valid_to > moments.valid_from)
),

merged as (
    select
        customer_id,
        moment_from as valid_from,
        moment_to as valid_to,
        {% for column in var('survivorship') %}
        {{ survivor(column) }},
        {% endfor %}
        {{ survivor('email_status', of='email') }},
        min_by(signup_source, concat_ws('|', strftime(created_at, '%Y%m%d%H%M%S%f'), source, source_customer_id))
            filter (where signup_source is not null) as signup_source,
        min(created_at) filter (where is_person) as first_seen_at,
        max(case when version_at > timestamp '1900-01-01' then version_at else created_at end) filter (where is_person) as last_seen_at
    from at_moments
    group by customer_id, moment_from, moment_to
)

select
    merged.customer_id,
    merged.email,
    merged.phone_e164,
    merged.first_name,
    merged.last_name,
    merged.country,
    merged.region,
    merged.city,
    merged.postal_code,
    merged.language,
    merged.timezone,
    cast(extract(year from merged.birth_date) as integer) as birth_year,
    merged.gender,
    merged.membership_tier,
    merged.signup_source,
    merged.interests,
    merged.preferences,
    merged.household_size,
    merged.has_children,
    merged.urbanity,
    merged.income_band,
    merged.personal_values,
    merged.social_activity,
    merged.first_seen_at,
    merged.last_seen_at,
    coalesce(merged.email_status, 'missing') as email_status,
    cast(
        (
            (merged.email is not null)::integer + (merged.phone_e164 is not null)::integer + (merged.first_name is not null)::integer
            + (merged.last_name is not null)::integer + (merged.country is not null)::integer + (merged.city is not null)::integer
            + (merged.postal_code is not null)::integer + (merged.language is not null)::integer
            + (merged.birth_date is not null)::integer + (merged.interests is not null)::integer
        ) / 10.0 as decimal(4, 2)
    ) as completeness,
    merged.valid_from,
    merged.valid_to
from merged
