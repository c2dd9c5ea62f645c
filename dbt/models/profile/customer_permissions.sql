-- One row per as_of, customer, channel and purpose.
{{ config(materialized='days', meta={'training_days': true}) }}
select state.*
from {{ ref('int_permission_state') }} as state
inner join {{ moments() }} as moments on state.as_of = moments.as_of
