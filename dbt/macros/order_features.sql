{# Whether an order is a purchase: what is said to cost nothing is a gift, what nobody says the price of is none. #}
{% macro is_purchase() %}(net_amount > 0 or is_unpriced){% endmacro %}

{# Windows of the order features in days. A window longer than the shop's history is null. #}
{% macro order_windows() %}{{ return([7, 14, 30, 60, 90, 180, 365]) }}{% endmacro %}

{# Half-lives of the decayed counts and sums in days. #}
{% macro order_half_lives() %}{{ return([15, 45, 120]) }}{% endmacro %}

{# Every order feature, in the order of the table. *_count are whole numbers, *_days days, *_cents hundredths of the shop's currency, *_share 0 to 1. #}
{% macro order_feature_columns() %}
    {%- set columns = [
        'history_days', 'purchase_days_count', 'recency_days', 'tenure_days', 'repeat_days_count',
        'active_span_days', 'repeat_day_value_cents', 'gap_mean_days', 'gap_median_days', 'gap_deviation_days',
        'gap_max_days', 'gap_last_days', 'gap_expected_days', 'orders_count', 'net_cents',
        'bought_cents', 'returned_cents', 'returns_count',
    ] -%}
    {%- for window in order_windows() %}{% do columns.extend(['orders_' ~ window ~ 'd_count', 'net_' ~ window ~ 'd_cents']) %}{% endfor -%}
    {%- for half_life in order_half_lives() %}{% do columns.extend(['orders_decayed_' ~ half_life ~ 'd', 'net_decayed_' ~ half_life ~ 'd_cents']) %}{% endfor -%}
    {%- do columns.extend([
        'order_value_mean_cents', 'order_value_median_cents', 'order_value_max_cents', 'order_value_deviation_cents', 'order_value_first_cents',
        'order_value_last_cents', 'return_share', 'discount_share', 'weekend_share', 'hour_mean',
        'lines_count', 'units_count', 'products_count', 'lines_per_order', 'units_per_order',
    ]) -%}
    {{ return(columns) }}
{% endmacro %}

{# A sum of whole numbers as a bigint: some engines widen it to 128 bits, which take twice the room and ten times the time to read. #}
{% macro whole_sum(expression) %}cast(sum({{ expression }}) as bigint){% endmacro %}

{# The standard deviation of a sample from exact sums, so that it does not depend on the order of rows; null under two values. #}
{% macro deviation(count, total, squares) -%}
case
    when {{ count }} > 1
        then sqrt(greatest(
            (cast({{ squares }} as double) - cast({{ total }} as double) * cast({{ total }} as double) / {{ count }}) / ({{ count }} - 1), 0
        ))
end
{%- endmacro %}
