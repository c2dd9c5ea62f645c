-- No customer's records state two different birth dates: either two people are one here, or one of the dates is wrong.
{{ config(severity='warn') }}
select
    customer_id,
    count(distinct birth_date) as birth_dates_count
from {{ ref('int_customer_records_linked') }}
where valid_to is null and is_person
group by customer_id
having count(distinct birth_date) > 1
