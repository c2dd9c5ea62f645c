-- No customer has more than twenty persons' records, unless somebody looked: a line of the shop's decisions names one of them.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_customer_records_linked'}}}) }}
with

records as (
    select
        customer_id,
        concat(source, ':', source_customer_id) as record_id
    from {{ ref('int_customer_records_linked') }}
    where valid_to is null and is_person
),

reviewed as (
    select record_a as record_id from {{ source('identity', 'decisions') }}
    union
    select record_b as record_id from {{ source('identity', 'decisions') }}
)

select
    records.customer_id,
    count(distinct records.record_id) as records_count
from records
left join reviewed on records.record_id = reviewed.record_id
group by records.customer_id
having count(distinct records.record_id) > 20 and count(reviewed.record_id) = 0
