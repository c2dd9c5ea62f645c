-- One row per statement of a customer on e-mail marketing and profiling, in the customer table or with an order, as each change repeats it.
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

customers as (
    select
        customers.*,
        coalesce(
            {{ stated_moment('customers.consent_at', 'shop.zone') }}, {{ stated_moment('customers.created_at', 'shop.zone') }}, customers._known_at
        ) as occurred_at
    from {{ source('sources', 'sales__customers') }} as customers
    cross join shop
),

stated as (
    select
        customer_id as source_customer_id,
        cast(null as varchar) as order_id,
        accepts_marketing,
        occurred_at,
        {{ known_at('occurred_at') }} as known_at,
        _known_at as version_at,
        _row_number as version_number
    from customers
    union all by name
    select
        source_customer_id,
        order_id,
        min(accepts_marketing) as accepts_marketing,
        occurred_at,
        known_at,
        version_at,
        0 as version_number
    from {{ ref('stg_sales__lines') }}
    where source_customer_id is not null
    group by source_customer_id, order_id, occurred_at, known_at, version_at
),

answers as (
    select
        *,
        lower(trim(accepts_marketing)) in ('true', 't', 'yes', 'y', 'ja', 'oui', 'si', 'sí', 'sì', 'sim', '1', 'subscribed', 'opt_in', 'opted_in') as is_granted
    from stated
    where {{ said('accepts_marketing') }} is not null
),

-- A yes to the newsletter is none to profiling; a no is one to both, and goes before a soft opt-in.
purposes as (
    select unnest(['marketing', 'profiling']) as purpose
)

select
    'sales' as source,
    source_customer_id,
    concat_ws('|', 'sales', source_customer_id, purpose, cast(occurred_at as varchar), order_id) as consent_id,
    'email' as channel,
    purpose,
    case when is_granted then 'granted' else 'withdrawn' end as state,
    occurred_at,
    known_at,
    version_at,
    version_number,
    concat(case when order_id is null then 'Customer table: ' else concat('Order ', order_id, ': ') end, accepts_marketing) as evidence
from answers
cross join purposes
where purpose = 'marketing' or not is_granted
