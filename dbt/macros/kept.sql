{#
A kept table changes with its inputs: a build does what has changed since the build before, and nothing where nothing has. The result equals a
build of the whole.

A model with a `part` in its meta (a column of its own, or an expression of them) falls into parts that do not depend on each other. It reads its inputs
through `part_of`, which leaves a mark in the compiled SQL; in place of the mark a build of some parts restricts the input to them. Three ways:

* nothing, when every input is as it was;
* parts, when only marked inputs have changed, or lookups named in `touched_by` (`{'int_skus': ['sku']}`: the parts of the marked rows with such a sku);
* whole and compared, when another input has. Without a `part` always so.

A dated model (`windows` in its meta: ages in days at which its facts stop counting for something; it reads them through `known`) holds the run's
moments only. A day after the one it holds it builds the parts that time touches as well, and carries the others: their rows may say nothing that
a day changes, so they hold dates, never ages. Without a `part` it is compared with what it held the day before.

The whole of a dated model of many rows and moments (`vars: slice_rows`) is built in slices, some of the parts at a time, so that what the engine holds
or spills does not grow with the shop.

What a build changed (rows that went and rows that came) is in `<table>__changes` until the next one: it tells the models downstream which of
their parts to build. Who has missed a build, a first build, changed code and `--full-refresh` build whole. `sources.model_builds` and
`sources.model_inputs` keep the books, in the transaction of the rows.
#}
{% materialization kept, default %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set name = named(this) -%}
    {%- set inputs = kept_inputs(sql) -%}
    {%- set part = kept_by('part') -%}
    {%- set made = make_temp_relation(target) -%}
    {%- set logged = this.schema ~ '.' ~ this.identifier ~ '__changes' -%}

    {{ run_hooks(pre_hooks) }}

    {% call statement('main', fetch_result=true) -%}
        {{ differing_inputs(name, local_md5(sql), inputs) }}
    {%- endcall %}
    {%- set differing = load_result('main')['data'] -%}
    {%- set way = way_to_build(differing, inputs, part, existing) -%}

    {% if way == 'whole' %}
        {% if existing is not none %}{% do adapter.drop_relation(existing) %}{% endif %}
        {%- set slices = slices_of(sql) -%}
        {% call statement('whole') -%}
            drop table if exists {{ logged }};
            {{ create_table_as(False, target, sliced(sql, 0, slices)) }};
            {%- for slice in range(1, slices) %}
            insert into {{ target }} by name ({{ sliced(sql, slice, slices) }});
            {%- endfor %}
            {{ say_code(target, sql) }};
            {{ enter_build(name, differing, true) }}
        {%- endcall %}
    {% elif way != 'nothing' %}
        {%- set is_in_parts = way == 'parts' -%}
        {% if is_in_parts %}
            {#- On its own: a contract is compared with the model's SQL before that is run. -#}
            {% call statement('changed_parts') -%}
                {{ changed_parts(differing, inputs, sql) }}
            {%- endcall %}
        {% endif %}
        {% call statement('made') -%}
            {{ create_table_as(True, made, restricted(sql, differing, inputs) if is_in_parts else sql) }}
        {%- endcall %}
        {%- set is_alike = is_in_parts or shape_of(target) == shape_of(made) -%}
        {%- set differs = not is_alike -%}
        {% if is_alike %}
            {% call statement('compared', fetch_result=true) -%}
                {{ carry(target, differing) }}
                {{ compare(target, made, is_changed(part, differing, target) if is_in_parts) }}
            {%- endcall %}
            {%- set differs = load_result('compared')['data'][0][0] > 0 -%}
        {% endif %}
        {% call statement('finish') -%}
            {%- if not is_alike %}
            create or replace table {{ target }} as select * from {{ made }};
            {{ say_code(target, sql) }};
            {%- elif differs %}
            {{ replace_rows(target, logged) }}
            {%- endif %}
            {{ enter_build(name, differing, not is_alike, differs) }}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}

{# What the model says of its parts, in its meta. #}
{% macro kept_by(what) %}{{ return(model.config.get('meta', {}).get(what)) }}{% endmacro %}

{% macro named(relation) %}{{ return(relation.schema ~ '.' ~ relation.identifier) }}{% endmacro %}

{% macro is_dated() %}{{ return(kept_by('windows') is not none) }}{% endmacro %}

{% macro way_to_build(differing, inputs, part, existing) %}
    {%- if existing is none or existing.is_view or should_full_refresh() -%}{{ return('whole') }}{%- endif -%}
    {%- if not differing -%}{{ return('nothing') }}{%- endif -%}
    {%- set found = namespace(way='parts' if part else 'compared') -%}
    {%- for input, batch, state, state_then in differing -%}
        {%- set how = inputs.get(input, {'kind': input}) -%}
        {%- if how.kind == 'moment' -%}
            {%- if not moves_by_days(state_then, state) -%}{{ return('whole') }}{%- endif -%}
        {%- elif how.kind == 'code' or (how.kind == 'kept' and 'whole' in state) -%}
            {{ return('whole') }}
        {%- elif not ('cut' in how or 'touch' in how) -%}
            {%- set found.way = 'compared' -%}
        {%- elif how.kind == 'raw' and (state_then != 'none' or batch == '-') -%}
            {%- set found.way = 'compared' -%}
        {%- elif how.kind == 'kept' and state_then.split(' ')[0] | int(-1) != state | int(-1) - 1 -%}
            {%- set found.way = 'compared' -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found.way) }}
{% endmacro %}

{#
The rows of a table to be replaced (`held`), of all or of those that fulfil a condition, and those of another to take their place (`came`); how many
contents differ. Rows are compared by their hashes, a number each, so that comparing costs little beside building: a row that changed is missed only
where its hash stays the same, once in 10^19. Where there is a condition, its rows are read once: they may lie strewn over the table.
#}
{% macro compare(target, made, condition=none) %}
{%- set content_hash = "hash(*columns(lambda name: name <> 'held_row'))" -%}
{%- set former = '(select rowid as held_row, * from ' ~ target ~ ')' -%}
{%- if condition %}
create or replace temp table former as select rowid as held_row, * from {{ target }} where {{ condition }};
    {%- set former = 'former' -%}
{%- endif %}
create or replace temp table differing as
select content_hash
from (
    select {{ content_hash }} as content_hash, 1 as side from {{ former }}
    union all
    select {{ content_hash }} as content_hash, -1 as side from {{ made }}
) as contents
group by content_hash
having sum(side) <> 0;
create or replace temp table held as
select * from {{ former }} where {{ content_hash }} in (select differing.content_hash from differing);
create or replace temp table came as
select * from {{ made }} where {{ content_hash }} in (select differing.content_hash from differing);
select count(*) from differing
{% endmacro %}

{# Put the rows that `came` in the place of the `held` ones of a table, and note which went and which came, for the kept tables that read it. #}
{% macro replace_rows(target, logged) -%}
{%- if is_followed(model.unique_id) %}
create or replace table {{ logged }} as (select * exclude (held_row) from held union all select * from came);
{%- else %}
drop table if exists {{ logged }};
{%- endif %}
delete from {{ target }} where rowid in (select held.held_row from held);
insert into {{ target }} by name select * from came;
{%- endmacro %}

{# Name and type of each column. #}
{% macro shape_of(relation) %}
    {%- set shape = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}{%- do shape.append(column.name ~ ' ' ~ column.data_type) -%}{%- endfor -%}
    {{ return(shape) }}
{% endmacro %}

{% macro columns_of(name) %}
    {%- set relation = api.Relation.create(database=target.database, schema=name.split('.')[0], identifier=name.split('.')[1]) -%}
    {{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{% endmacro %}
