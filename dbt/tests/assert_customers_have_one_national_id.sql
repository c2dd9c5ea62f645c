-- No customer's records state two different national ids: either two people are one here, or one of the numbers is wrong.
{{ config(severity='warn') }}
select
    customer_id,
    count(distinct upper(regexp_replace(national_id, '[^A-Za-z0-9]', '', 'g'))) as national_ids_count
from {{ ref('int_customer_records_linked') }}
where valid_to is null and is_person
group by customer_id
having count(distinct upper(regexp_replace(national_id, '[^A-Za-z0-9]', '', 'g'))) > 1
