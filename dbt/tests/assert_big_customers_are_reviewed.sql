-- No customer has more than twenty persons' records, unless somebody looked: a line of the shop's decisions names one of them.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_customers'}}}) }}
with

reviewed as (
    select record_a as record_id from {{ source('identity', 'decisions') }}
    union
    select record_b as record_id from {{ source('identity', 'decisions') }}
)

select
    links.customer_id,
    count(distinct records.record_id) as records_count
from {{ source('identity', 'customer_links') }} as links
inner join {{ ref('customer_records') }} as records
    on links.source = records.source and links.source_customer_id = records.source_customer_id and records.is_person
left join reviewed on records.record_id = reviewed.record_id
where links.valid_to is null
group by links.customer_id
having count(distinct records.record_id) > 20 and count(reviewed.record_id) = 0
