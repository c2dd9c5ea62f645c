-- One row per as_of and customer whom there is something to ask.
{{ config(materialized='days', meta={'training_days': false}) }}
with

customers as (
    select
        as_of,
        customer_id
    from {{ ref('current_customers') }}
),

fields as (
    select * from {{ ref('customer_fields') }} where field in ('{{ var('next_questions') | join("', '") }}')
),

questions as (
    {% for field, question in var('next_questions').items() %}
    select
        {{ loop.index }} as priority,
        '{{ field }}' as field,
        '{{ question }}' as question
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

open_questions as (
    select
        customers.as_of,
        customers.customer_id,
        questions.priority,
        questions.field,
        questions.question,
        case when fields.field is null then 'missing' when not fields.is_valid then 'invalid' else 'outdated' end as reason
    from customers
    cross join questions
    left join fields
        on customers.as_of = fields.as_of and customers.customer_id = fields.customer_id and questions.field = fields.field
    where fields.field is null or not fields.is_valid or fields.is_outdated
)

select
    as_of,
    customer_id,
    field,
    question,
    reason
from open_questions
qualify row_number() over (partition by as_of, customer_id order by priority) = 1
