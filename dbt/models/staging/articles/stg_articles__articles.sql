-- One row per article and change.
with

articles as (
    select
        *,
        {{ utc('published_at') }} as occurred_at
    from {{ source('sources', 'articles__articles') }}
)

select
    'articles' as source,
    id as article_id,
    occurred_at,
    {{ known_at('occurred_at') }} as known_at,
    _known_at as version_at,
    _row_number as version_number,
    trim(title) as title,
    url,
    {{ language_code('language') }} as language,
    -- The first tag is the shelf it speaks of.
    {{ json_text('tags', '$[0]') }} as category,
    tags,
    {{ plain_text('body_html') }} as body_text
from articles
