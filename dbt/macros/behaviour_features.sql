{# Windows of the web features in days. A window longer than the shop's web history is null. #}
{% macro web_windows() %}{{ return([1, 7, 30, 90]) }}{% endmacro %}

{# Windows of the e-mail features in days. A window longer than the shop's mailing history is null. #}
{% macro email_windows() %}{{ return([30, 90, 365]) }}{% endmacro %}

{# Ages in days at which an act ceases to count for something in the category features. #}
{% macro category_windows() %}{{ return([30, 90]) }}{% endmacro %}

{# What an interaction says of taste, in hundredths of a purchased piece; it halves every 90 days. #}
{% macro affinity_weights() %}{{ return({'purchase': 100, 'add_to_cart': 30, 'view_item': 10}) }}{% endmacro %}
{% macro affinity_half_life() %}{{ return(90) }}{% endmacro %}

{# A mail of its events: the campaign it belonged to, or the event itself where none is named. #}
{% macro mail_of(events) %}coalesce({{ events }}.campaign, {{ events }}.email_event_id){% endmacro %}

{# night 0-5, morning 6-11, afternoon 12-17, evening 18-23, on the shop's clock. #}
{% macro daypart(moment, zone) -%}
case
    when extract(hour from {{ utc_to_local(moment, zone) }}) < 6 then 'night'
    when extract(hour from {{ utc_to_local(moment, zone) }}) < 12 then 'morning'
    when extract(hour from {{ utc_to_local(moment, zone) }}) < 18 then 'afternoon'
    else 'evening'
end
{%- endmacro %}

{# Columns of web_features past the key, as customer_features shows them. #}
{% macro web_feature_columns() %}
    {%- set columns = ['visit_recency_days'] -%}
    {%- for days in web_windows() %}{% do columns.extend([
        'sessions_' ~ days ~ 'd_count', 'product_views_' ~ days ~ 'd_count', 'cart_adds_' ~ days ~ 'd_count', 'searches_' ~ days ~ 'd_count'
    ]) %}{% endfor -%}
    {%- do columns.extend(['main_device', 'main_daypart']) -%}
    {{ return(columns) }}
{% endmacro %}

{# Columns of email_features past the key, as customer_features shows them. #}
{% macro email_feature_columns() %}
    {%- set columns = ['open_recency_days', 'click_recency_days'] -%}
    {%- for days in email_windows() %}{% do columns.extend([
        'emails_received_' ~ days ~ 'd_count', 'emails_opened_' ~ days ~ 'd_count', 'emails_clicked_' ~ days ~ 'd_count'
    ]) %}{% endfor -%}
    {%- do columns.extend([
        'open_rate', 'click_rate', 'usual_open_hour', 'emails_unread_count', 'main_email_device', 'main_email_daypart'
    ]) -%}
    {{ return(columns) }}
{% endmacro %}

{# What people said of themselves, and what was bought about them: columns of dim_customers that customer_features shows as they are. #}
{% macro stated_feature_columns() %}
    {{- return(['signup_source', 'interests', 'household_size', 'has_children', 'urbanity', 'social_activity']) -}}
{% endmacro %}
