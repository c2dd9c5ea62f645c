-- One row per statement of a customer on e-mail marketing and profiling, as each change of the customer repeats it.
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

customers as (
    select
        customers.*,
        coalesce(
            {{ stated_moment('customers.consent_at', 'shop.zone') }}, {{ stated_moment('customers.created_at', 'shop.zone') }}, customers._known_at
        ) as occurred_at,
        lower(trim(accepts_marketing)) in ('true', 't', 'yes', 'y', 'ja', 'oui', 'si', 'sí', 'sì', 'sim', '1', 'subscribed', 'opt_in', 'opted_in') as is_granted
    from {{ source('sources', 'sales__customers') }} as customers
    cross join shop
    where {{ said('accepts_marketing') }} is not null
),

-- A yes to the newsletter is none to profiling; a no is one to both, and goes before a soft opt-in.
purposes as (
    select unnest(['marketing', 'profiling']) as purpose
)

select
    'sales' as source,
    customer_id as source_customer_id,
    concat_ws('|', 'sales', customer_id, purpose, cast(occurred_at as varchar)) as consent_id,
    'email' as channel,
    purpose,
    case when is_granted then 'granted' else 'withdrawn' end as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    _known_at as version_at,
    _row_number as version_number,
    concat('Customer table: ', accepts_marketing) as evidence
from customers
cross join purposes
where purpose = 'marketing' or not is_granted
