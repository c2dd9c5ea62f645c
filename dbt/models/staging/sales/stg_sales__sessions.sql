-- One row per session and extract that brought events of it, with what was known of the session then.
{{ config(materialized='kept', meta={'part': 'session_id'}) }}
{{ sessions_of(part_of(ref('stg_sales__web_events')), 'sales', 'coalesce(login_id, browser_id)') }}
