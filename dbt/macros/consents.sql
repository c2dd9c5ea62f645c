{#
The statement that holds per customer, channel and purpose (and `moment`, such as as_of). Of one address the newest holds; of two at once, the
withdrawal; a soft opt-in is no statement of the customer's, any of those goes before it. Where a customer's addresses disagree, as those of two
people do whom a link made one, the refusal holds: nobody is written to because somebody else agreed.
#}
{% macro holding(statements, moment='') -%}
{%- set customer = moment ~ (', ' if moment else '') ~ 'customer_id, channel, purpose' -%}
(
    select *
    from (
        select
            *,
            row_number() over (
                partition by {{ customer }}
                order by state desc, is_soft_opt_in, occurred_at desc, known_at desc, consent_id desc
            ) as place
        from (
            select
                stated.*,
                row_number() over (
                    partition by {{ customer }}, addresses.address
                    order by stated.is_soft_opt_in, stated.occurred_at desc, stated.state desc, stated.known_at desc, stated.consent_id desc
                ) as recency
            from {{ statements }} as stated
            left join {{ looked_up(ref('int_record_addresses'), 'source_customer_id', statements) }} as addresses
                on
                    stated.source = addresses.source
                    and stated.source_customer_id = addresses.source_customer_id
                    and addresses.known_at <= stated.known_at
        ) as of_each_address
        where recency = 1
    ) as of_each_customer
    where place = 1
)
{%- endmacro %}
