-- One row per article version.
{{ config(materialized='kept') }}
with

stated as (
    select * from {{ all_sources('articles') }}
),

articles as (
    select * from {{ versions('stated', 'article_id') }} as versions
)

select
    article_id,
    source,
    occurred_at,
    known_at,
    superseded_at,
    title,
    url,
    language,
    category,
    tags,
    body_text
from articles
