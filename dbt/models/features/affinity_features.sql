-- One row per as_of and customer.
select state.*
from {{ ref('int_affinity_state') }} as state
inner join {{ moments() }} as moments on state.as_of = moments.as_of
