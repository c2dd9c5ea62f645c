-- One row per statement of a person on marketing and profiling: in the customer table, with an order, or in the table of consents; as each change repeats it.
with

shop as (
    select * from {{ source('sources', 'shop') }}
),

-- Who is marked as not to be written to has said no, whatever else is said.
marked as (
    select * replace (case when {{ is_gone('refuses_marketing') }} then 'refused' else accepts_marketing end as accepts_marketing)
    from {{ source('sources', 'sales__customers') }}
),

answered as (
    select
        *,
        {{ said('accepts_marketing') }} as answer,
        min(_known_at) filter (where {{ said('accepts_marketing') }} is not null) over (partition by customer_id) as first_said_at
    from marked
),

customers as (
    select
        customers.*,
        coalesce(
            case when customers.accepts_marketing = 'refused' then coalesce({{ marked_at('customers.refuses_marketing', 'shop.zone') }}, customers.said_since) end,
            {{ stated_moment('customers.consent_at', 'shop.zone') }},
            -- A first yes may have come with the account; a no without a date, and a yes after one, are as of the extract that says so.
            case
                when {{ says_yes('customers.accepts_marketing') }} and customers.said_since = customers.first_said_at
                    then {{ stated_moment('customers.created_at', 'shop.zone') }}
            end,
            {{ answered_undated('customers.accepts_marketing', 'customers.said_since', 'customers.said_in_history') }}
        ) as occurred_at
    from {{ said_since('answered', ['customer_id']) }} as customers
    cross join shop
),

-- Who is on a list agreed when they came to it, and no longer since they left it.
listed as (
    select
        consents.* exclude (consent_at, listed_at, withdrawn_at)
        replace (case when {{ is_gone('consents.refuses_marketing') }} then 'refused' else consents.consent end as consent),
        {{ is_gone('consents.deleted_at') }} as is_gone,
        {{ buyer(said('consents.customer_id'), 'consents.email') }} as source_customer_id,
        case
            when {{ is_gone('consents.refuses_marketing') }} then {{ marked_at('consents.refuses_marketing', 'shop.zone') }}
            else {{ stated_moment('consents.consent_at', 'shop.zone') }}
        end as consent_at,
        {{ stated_moment('consents.listed_at', 'shop.zone') }} as listed_at,
        {{ stated_moment('consents.withdrawn_at', 'shop.zone') }} as withdrawn_at,
        case
            when {{ is_gone('consents.deleted_at') }} then null
            when {{ is_gone('consents.refuses_marketing') }} then 'refused'
            else coalesce({{ said('consents.consent') }}, 'yes')
        end as answer
    from {{ source('sources', 'sales__consents') }} as consents
    cross join shop
),

dated as (
    select
        *,
        min(said_since) over (partition by customer_id, email, channel, purpose, line_number) as first_said_at
    from {{ said_since('listed', ['customer_id', 'email', 'channel', 'purpose', 'line_number']) }} as listed
),

-- A row that is deleted takes back what it said, and no more.
listings as (
    select
        * replace (case when is_gone then coalesce({{ said('purpose') }}, 'marketing') else purpose end as purpose),
        case when is_gone then 'deleted' else coalesce({{ said('consent') }}, 'yes') end as accepts_marketing,
        coalesce(
            consent_at,
            -- Who came to a list agreed then, and left it nobody says when.
            case when {{ says_yes("coalesce(answer, 'yes')") }} and said_since = first_said_at then listed_at end,
            {{ answered_undated("coalesce(answer, 'yes')", 'said_since', 'said_in_history') }}
        ) as occurred_at
    from dated
    where {{ said('consent') }} is not null or consent_at is not null or listed_at is not null or withdrawn_at is null
    union all by name
    select
        *,
        'no' as accepts_marketing,
        withdrawn_at as occurred_at
    from listed
    where withdrawn_at is not null
),

stated as (
    select
        source_customer_id,
        'Table of consents: ' as place,
        channel,
        purpose,
        accepts_marketing,
        occurred_at,
        {{ known_at('occurred_at') }} as known_at,
        _known_at as version_at,
        _row_number as version_number
    from listings
    where source_customer_id is not null
    union all by name
    select
        customer_id as source_customer_id,
        'Customer table: ' as place,
        accepts_marketing,
        occurred_at,
        {{ known_at('occurred_at') }} as known_at,
        _known_at as version_at,
        _row_number as version_number
    from customers
    union all by name
    select
        source_customer_id,
        concat('Order ', order_id, ': ') as place,
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
        * exclude (channel, purpose),
        {{ channel_called('channel') }} as channel,
        {{ purpose_called('purpose') }} as stated_purpose,
        {{ says_yes('accepts_marketing') }} as is_granted
    from stated
    where {{ said('accepts_marketing') }} is not null
),

-- A yes to the newsletter is none to profiling; a no that names no purpose is one to both, and goes before a soft opt-in.
purposes as (
    select unnest(['marketing', 'profiling', 'third_party']) as purpose
)

select
    'sales' as source,
    answers.source_customer_id,
    concat_ws('|', 'sales', answers.source_customer_id, answers.channel, purposes.purpose, cast(answers.occurred_at as varchar), answers.place) as consent_id,
    answers.channel,
    purposes.purpose,
    case when answers.is_granted then 'granted' else 'withdrawn' end as state,
    answers.occurred_at,
    answers.known_at,
    answers.version_at,
    answers.version_number,
    concat(answers.place, answers.accepts_marketing) as evidence
from answers
inner join purposes
    on
        purposes.purpose = answers.stated_purpose
        or (answers.stated_purpose is null and purposes.purpose = 'marketing')
        or (answers.stated_purpose is null and purposes.purpose = 'profiling' and not answers.is_granted)
