-- One row per customer and change of what the shop says of them, in its customer table or else on their orders.
{%- set person = ['email', 'phone', 'full_name', 'first_name', 'last_name', 'gender', 'birth_date', 'street', 'city', 'region', 'postal_code', 'country'] %}
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

first_orders as (
    select
        source_customer_id,
        min(occurred_at) as occurred_at
    from {{ ref('stg_sales__lines') }}
    group by source_customer_id
),

customers as (
    select
        customers.*,
        -- A customer is one since the account, or since the first order; without either, since the extract.
        coalesce({{ stated_moment('customers.created_at', 'shop.zone') }}, first_orders.occurred_at, {{ undated('customers._known_at', 'shop.close_after_hours') }}) as since
    from {{ source('sources', 'sales__customers') }} as customers
    left join first_orders on customers.customer_id = first_orders.source_customer_id
    cross join shop
),

stated as (
    select
        customer_id as source_customer_id,
        coalesce(nullif(trim(login_id), ''), customer_id) as login_id,
        since as created_at,
        {{ known_at('since') }} as known_at,
        _known_at as version_at,
        _row_number as version_number,
        {{ person | join(', ') }},
        national_id,
        language,
        membership_tier
    from customers
),

on_orders as (
    select
        source_customer_id,
        order_id,
        occurred_at,
        min(known_at) as known_at,
        {% for column in person %}
        min({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ ref('stg_sales__lines') }}
    where
        source_customer_id is not null
        and source_customer_id not in (select customer_id from {{ source('sources', 'sales__customers') }})
    group by source_customer_id, order_id, occurred_at
),

-- Whom only the table of consents names, by an address.
on_lists as (
    select
        {{ buyer(said('consents.customer_id'), 'consents.email') }} as source_customer_id,
        min(consents.email) as email,
        min(coalesce(
            {{ stated_moment('coalesce(consents.consent_at, consents.listed_at, consents.withdrawn_at)', 'shop.zone') }},
            {{ undated('consents._known_at', 'shop.close_after_hours') }}
        )) as created_at,
        min(consents._known_at) as version_at,
        bool_or(consents._is_history) as is_history
    from {{ source('sources', 'sales__consents') }} as consents
    cross join shop
    where {{ said('consents.email') }} is not null
    group by all
),

compared as (
    select
        *,
        concat_ws('|', {% for column in person %}coalesce({{ column }}, ''){{ ', ' if not loop.last }}{% endfor %}) as said,
        lag(concat_ws('|', {% for column in person %}coalesce({{ column }}, ''){{ ', ' if not loop.last }}{% endfor %})) over earlier as said_before,
        row_number() over earlier as version_number
    from on_orders
    window earlier as (partition by source_customer_id order by occurred_at, known_at, order_id)
),

records as (
    select * from stated
    union all by name
    select
        * exclude (order_id, occurred_at, said, said_before),
        case when source_customer_id not like 'guest:%' then source_customer_id end as login_id,
        occurred_at as created_at,
        occurred_at as version_at
    from compared
    where version_number = 1 or said <> said_before
    union all by name
    select
        * exclude (is_history),
        case when is_history then least(created_at, version_at) else version_at end as known_at,
        0 as version_number
    from on_lists
    where
        source_customer_id not in (select source_customer_id from stated)
        and source_customer_id not in (select source_customer_id from on_orders)
)

select
    'sales' as source,
    source_customer_id,
    created_at,
    known_at,
    version_at,
    version_number,
    {{ said('email') }} as email,
    {{ said('phone') }} as phone,
    coalesce({{ said('first_name') }}, nullif(split_part({{ said('full_name') }}, ' ', 1), '')) as first_name,
    coalesce({{ said('last_name') }}, nullif(trim(substr({{ said('full_name') }}, length(split_part({{ said('full_name') }}, ' ', 1)) + 1)), ''))
        as last_name,
    {{ said('street') }} as street,
    {{ said('city') }} as city,
    {{ said('region') }} as region,
    {{ said('postal_code') }} as postal_code,
    {{ country_code('country') }} as country,
    try_cast(birth_date as date) as birth_date,
    case lower(substr(trim(gender), 1, 1)) when 'f' then 'female' when 'w' then 'female' when 'm' then 'male' when 'h' then 'male' end as gender,
    {{ language_code('language') }} as language,
    cast(null as varchar) as timezone,
    {{ said('membership_tier') }} as membership_tier,
    'shop' as signup_source,
    cast(null as varchar) as interests,
    cast(null as varchar) as preferences,
    login_id,
    {{ said('national_id') }} as national_id
from records
