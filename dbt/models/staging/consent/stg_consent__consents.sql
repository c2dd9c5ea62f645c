-- One row per answer of a data subject to a purpose.
{{ config(materialized='kept', meta={'part': '_batch_id'}) }}
with

receipts as (
    select
        *,
        {{ utc('interaction_date') }} as occurred_at
    from {{ part_of(source('sources', 'consent__receipts')) }}
)

select
    'consent' as source,
    md5(lower(trim(data_subject_identifier))) as source_customer_id,
    concat_ws('|', 'consent', receipt_id) as consent_id,
    lower(trim(channel)) as channel,
    case
        when purpose in ('marketing_email', 'marketing_sms') then 'marketing'
        when purpose = 'third_party_sharing' then 'third_party'
        else purpose
    end as purpose,
    case when transaction_type = 'CONFIRMED' then 'granted' else 'withdrawn' end as state,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    occurred_at as version_at,
    _row_number as version_number,
    _batch_id,
    concat_ws(' ', 'Receipt', receipt_id, transaction_type, 'at', collection_point) as evidence
from receipts
-- What is pending says nothing yet, and nothing is no; who was asked and said no has refused.
where transaction_type in ('CONFIRMED', 'NOT_GIVEN', 'WITHDRAWN')
