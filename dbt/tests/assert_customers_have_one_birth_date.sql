-- No customer's records state two different birth dates: either two people are one here, or one of the dates is wrong.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'dim_customers'}}}) }}
select
    links.customer_id,
    count(distinct records.birth_date) as birth_dates_count
from {{ ref('customer_records') }} as records
inner join {{ source('identity', 'customer_links') }} as links
    on records.source = links.source and records.source_customer_id = links.source_customer_id and links.valid_to is null
where records.superseded_at is null and records.is_person
group by links.customer_id
having count(distinct records.birth_date) > 1
