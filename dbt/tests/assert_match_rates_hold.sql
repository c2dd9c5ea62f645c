-- No share of matched records fell by more than five points since the day built before.
{{ config(severity='warn') }}
with

shares as (
    select
        as_of,
        source,
        other_source,
        coalesce(max(records_share) filter (where outcome = 'matched'), 0) as matched_share,
        sum(records_count) as records_count
    from {{ ref('match_rates') }}
    group by as_of, source, other_source
),

compared as (
    select
        *,
        lag(matched_share) over (partition by source, other_source order by as_of) as share_before
    from shares
)

select * from compared where records_count >= 100 and matched_share < share_before - 0.05
