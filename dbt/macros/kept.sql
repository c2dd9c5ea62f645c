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
        {% call statement('whole') -%}
            drop table if exists {{ logged }};
            {{ create_table_as(False, target, sql) }};
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

{# An input cut by the model's parts: `expression` says of each row which part it belongs to (by default as the model says of its own rows). #}
{% macro part_of(relation, expression=none) -%}
(select * from {{ relation }} {{ part_mark(relation, expression) }})
{%- endmacro %}

{# An input of a model that may have parts. #}
{% macro cut(relation) %}{{ return(part_of(relation) if kept_by('part') else relation) }}{% endmacro %}

{#
What a model looks up of another table by `column`, for the rows of `keys`, a CTE. A build of parts reads no other rows of it: joined as it is, the whole
table would be read and hashed for a handful of keys. A build of the whole joins it as it is.
#}
{% macro looked_up(relation, column, keys) -%}
(select * from {{ relation }} {% if kept_by('part') %}/*only {{ column }} of {{ keys }}*/{% endif %})
{%- endmacro %}

{% macro part_mark(relation, expression=none) %}
    {%- set expression = kept_by('part') if expression is none else expression -%}
    {%- if expression -%}{{ return('/*part ' ~ expression ~ ' of ' ~ named(relation) ~ '*/') }}{%- endif -%}
    {{ return('') }}
{% endmacro %}

{# What the model says of its parts, in its meta. #}
{% macro kept_by(what) %}{{ return(model.config.get('meta', {}).get(what)) }}{% endmacro %}

{% macro part_marks(sql) %}{{ return(modules.re.findall('/\\*part (.+?) of (\\S+)\\*/', sql)) }}{% endmacro %}

{% macro named(relation) %}{{ return(relation.schema ~ '.' ~ relation.identifier) }}{% endmacro %}

{#
What a model reads, by name: kind (`kept` table, `raw` table of batches, table of `days`, `content`: any other table, `view`), and how a change of it is followed:
`cut` (expressions that give the part), `touch` (columns to look up), or neither. A view is read through to its own inputs. An input counts as cut
when each reading of it is.
#}
{% macro kept_inputs(sql) %}
    {%- set cuts = {} -%}
    {%- for expression, name in part_marks(sql) -%}
        {%- do cuts.setdefault(name, []).append(expression) -%}
    {%- endfor -%}
    {%- for name in cuts | list if sql.count('"' ~ name | replace('.', '"."') ~ '"') != cuts[name] | length -%}
        {%- do cuts.pop(name) -%}
    {%- endfor -%}
    {%- set inputs = {} -%}
    {%- for id in model.depends_on.nodes -%}
        {%- do add_inputs(inputs, id, cuts, (kept_by('touched_by') or {})) -%}
    {%- endfor -%}
    {{ return(inputs) }}
{% endmacro %}

{% macro add_inputs(inputs, id, cuts, touches) %}
    {%- set node = graph.sources[id] if id in graph.sources else graph.nodes[id] -%}
    {%- set name = node.schema ~ '.' ~ (node.identifier if id in graph.sources else node.alias) -%}
    {%- set kept_as = 'source' if id in graph.sources else node.config.materialized -%}
    {%- if kept_as == 'ephemeral' -%}
        {%- for parent in node.depends_on.nodes -%}{%- do add_inputs(inputs, parent, cuts, touches) -%}{%- endfor -%}
    {%- elif kept_as == 'view' -%}
        {%- do inputs.update({name: {'kind': 'view'}}) -%}
        {%- for parent in node.depends_on.nodes -%}{%- do add_inputs(inputs, parent, {}, {}) -%}{%- endfor -%}
    {%- elif name not in ('sources.run_days', 'sources.built_days') -%}
        {#- Of the days of runs matters what the moment says. -#}
        {%- set input = inputs.setdefault(name, {'kind': kept_as if kept_as in ('kept', 'days') else 'raw' if '_batch_id' in node.columns else 'content'}) -%}
        {%- do input.update({'is_dated': kept_as == 'kept' and 'windows' in node.config.get('meta', {})}) -%}
        {%- if input.kind in ('kept', 'raw') and name in cuts -%}
            {%- do input.update({'cut': cuts[name] | unique | list}) if not input.is_uncut -%}
        {%- elif input.kind == 'kept' and node.name in touches -%}
            {%- do input.update({'touch': touches[node.name]}) if not input.is_uncut -%}
        {%- else -%}
            {#- Read another way too, a change of it cannot be told by part. -#}
            {%- do input.update({'is_uncut': true}) -%}
            {%- do input.pop('cut', none) -%}
            {%- do input.pop('touch', none) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{# The inputs, and of raw tables the batches, that are not as at the model's last build: input, batch, state now, state then. #}
{% macro differing_inputs(name, code, inputs) %}
with

present as (
    select 'code' as input, '-' as batch, '{{ code }}' as state
    {%- if is_dated() %}
    union all
    select
        'moment' as input,
        '-' as batch,
        concat_ws('|', max(as_of), max(known_by), count(*), md5(string_agg(concat(as_of, ' ', known_by, ' ', is_day), '|' order by as_of))) as state
    from {{ moments() }} as moments
    {%- endif %}
    {% for input, how in inputs.items() %}
    union all
    {% if how.kind == 'raw' -%}
    select '{{ input }}' as input, coalesce(_batch_id, '-') as batch, cast(count(*) as varchar) as state from {{ input }} group by _batch_id
    {%- elif how.kind == 'kept' -%}
    select model as input, '-' as batch, concat(build, case when is_whole then ' whole' end) as state
    from sources.model_builds
    where model = '{{ input }}'
    {%- elif how.kind == 'days' -%}
    select '{{ input }}' as input, '-' as batch, {{ content_of(days_of_the_run(input)) }} as state
    {%- elif how.kind == 'view' -%}
    select '{{ input }}' as input, '-' as batch, comment as state
    from duckdb_views()
    where schema_name = '{{ input.split('.')[0] }}' and view_name = '{{ input.split('.')[1] }}'
    {%- else -%}
    select '{{ input }}' as input, '-' as batch, {{ content_of(input) }} as state
    {%- endif %}
    {% endfor %}
),

-- Which SQL it is made of the table says itself: one that was made another way meanwhile says nothing.
seen as (
    select input, batch, state from sources.model_inputs where model = '{{ name }}' and input <> 'code'
    union all
    select 'code' as input, '-' as batch, comment as state
    from duckdb_tables()
    where schema_name = '{{ name.split('.')[0] }}' and table_name = '{{ name.split('.')[1] }}'
)

select
    coalesce(present.input, seen.input) as input,
    coalesce(present.batch, seen.batch) as batch,
    coalesce(present.state, 'none') as state,
    coalesce(seen.state, 'none') as state_then
from present
full join seen on present.input = seen.input and present.batch = seen.batch
where present.state is distinct from seen.state
{% endmacro %}

{% macro say_code(target, sql) %}comment on table {{ target }} is '{{ local_md5(sql) }}'{% endmacro %}

{# The rows of a relation as one text, whatever their order. #}
{% macro content_of(relation) -%}
(select cast(coalesce(sum(cast(hash(content) as hugeint)), 0) as varchar) from {{ relation }} as content)
{%- endmacro %}

{# What a table of days says of the run's moments. #}
{% macro days_of_the_run(name) -%}
(select * from {{ name }} where as_of in (select moments.as_of from {{ moments() }} as moments))
{%- endmacro %}

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

{# Whether the moment moved on, from the newest moment then to the only one now, by whole days of 24 hours: days end alike then. #}
{% macro moves_by_days(then, now) %}
    {%- set then = then.split('|') -%}
    {%- set now = now.split('|') -%}
    {%- set parse = modules.datetime.datetime.fromisoformat -%}
    {%- if then | length != now | length or now[2] != '1' or now[0] <= then[0] or now[1] < then[1] -%}{{ return(false) }}{%- endif -%}
    {{ return((parse(now[0]) - parse(then[0])).total_seconds() % 86400 == 0) }}
{% endmacro %}

{% macro is_dated() %}{{ return(kept_by('windows') is not none) }}{% endmacro %}

{#
For a dated model whose moment moved on: the parts of facts that begin or cease to count, or leave a window (days of age). Facts lie in the order in
which they came, more or less: asked for one span of time at a time, the engine passes over what lies outside, which it does not for several at once.
#}
{% macro parts_touched_by_time(differing, inputs) %}
    {%- for input, batch, state, state_then in differing if input == 'moment' -%}
        {%- set then = state_then.split('|') -%}
        {%- set now = state.split('|') -%}
        {%- for name, how in inputs.items() if how.kind == 'kept' and not how.is_dated -%}
            {%- for expression in how.get('cut', []) %}
                {%- set part = 'union select ' ~ expression ~ ' as part from ' ~ name %}
{{ part }} where known_at > timestamp '{{ then[1] }}' and known_at <= timestamp '{{ now[1] }}'
{{ part }} where superseded_at > timestamp '{{ then[1] }}' and superseded_at <= timestamp '{{ now[1] }}'
{{ part }} where occurred_at >= timestamp '{{ then[0] }}' and occurred_at < timestamp '{{ now[0] }}'
                {%- for window in kept_by('windows') %}
{{ part }} where occurred_at > {{ days_before(then[0], window) }} and occurred_at <= {{ days_before(now[0], window) }}
                {%- endfor -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}

{% macro days_before(moment, days) %}timestamp '{{ modules.datetime.datetime.fromisoformat(moment) - modules.datetime.timedelta(days=days) }}'{% endmacro %}

{# A dated model's rows of the newest moment then, carried to the moment now. #}
{% macro carry(target, differing) %}
    {%- for input, batch, state, state_then in differing if input == 'moment' %}
delete from {{ target }} where as_of <> timestamp '{{ state_then.split('|')[0] }}';
update {{ target }} set as_of = timestamp '{{ state.split('|')[0] }}';
    {% endfor -%}
{% endmacro %}

{# The batches that have come, of all inputs or of one, as a list of SQL. #}
{% macro new_batches(differing, input=none) %}
    {%- set batches = [] -%}
    {%- for name, batch, state, state_then in differing if batch != '-' and (input is none or name == input) and "'" ~ batch ~ "'" not in batches -%}
        {%- do batches.append("'" ~ batch ~ "'") -%}
    {%- endfor -%}
    {{ return(batches | join(', ')) }}
{% endmacro %}

{#
Where raw batches are all that has changed, they are named in the condition itself, so that the engine skips what it need not read. Of a table the
parts are looked up first, by what tells them alone: the rows themselves are then read only where there are such. Of parts "that are not null" the
engine makes a filter (Bloom's) that it takes into the reading of a column; without a condition, or where it knows that all fulfil it, it makes none:
one part is null, therefore.
#}
{% macro is_changed(expression, differing, table=none) %}
    {%- if expression == '_batch_id' and differing | selectattr(1, 'equalto', '-') | list | length == 0 -%}
        {{ return('_batch_id in (' ~ new_batches(differing) ~ ')') }}
    {%- endif -%}
    {%- set changed = '(' ~ expression ~ ') in (select changed_parts.part from changed_parts where changed_parts.part is not null)' -%}
    {{ return('rowid in (select rowid from ' ~ table ~ ' where ' ~ changed ~ ')' if table else changed) }}
{% endmacro %}

{% macro restricted(sql, differing, inputs) %}
    {%- set restricted = namespace(sql=sql) -%}
    {%- for expression, name in part_marks(sql) -%}
        {%- set mark = '/*part ' ~ expression ~ ' of ' ~ name ~ '*/' -%}
        {%- set restricted.sql = restricted.sql | replace(mark, 'where ' ~ is_changed(expression, differing, name if inputs.get(name, {}).kind == 'kept')) -%}
    {%- endfor -%}
    {#- Through one list, that the engine expects few keys: of a CTE it expects many, and hashes the table instead of the keys. -#}
    {%- set keys = '(select unnest(list(distinct \\2.\\1)) as key from \\2) as keys' -%}
    {%- set asked = 'where \\1 in (select keys.key from ' ~ keys ~ ' where keys.key is not null)' -%}
    {{ return(modules.re.sub('/\\*only (\\S+) of (\\S+?)\\*/', asked, restricted.sql)) }}
{% endmacro %}

{# The parts of what has changed in each marked input, and of the marked rows that a changed lookup touches. #}
{% macro changed_parts(differing, inputs, sql) %}
create or replace temp table changed_parts as
select cast(null as varchar) as part
{{ parts_touched_by_time(differing, inputs) }}
{% for input in differing | map(attribute=0) | unique if input != 'moment' %}
    {%- set how = inputs[input] -%}
    {%- for expression in how.get('cut', []) %}
union
        {%- if how.kind == 'raw' %}
select {{ expression }} as part from {{ input }} where _batch_id in ({{ new_batches(differing, input) }})
        {%- else %}
select {{ expression }} as part from {{ input }}__changes
        {%- endif -%}
    {%- endfor -%}
    {%- if 'touch' in how -%}
        {%- set touched = [] -%}
        {%- for expression, name in part_marks(sql) | unique -%}
            {%- if how.touch | reject('in', columns_of(name)) | list | length == 0 %}
union
select {{ expression }} as part from {{ name }}
where ({{ how.touch | join(', ') }}) in (select ({{ how.touch | join(', ') }}) from {{ input }}__changes)
                {%- do touched.append(name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not touched -%}
            {{ exceptions.raise_compiler_error(this ~ ' is touched by ' ~ input ~ ', but no input has ' ~ how.touch | join(', ') ~ '.') }}
        {%- endif -%}
    {%- endif -%}
{% endfor %}
{% endmacro %}

{% macro columns_of(name) %}
    {%- set relation = api.Relation.create(database=target.database, schema=name.split('.')[0], identifier=name.split('.')[1]) -%}
    {{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}
{% endmacro %}

{# Name and type of each column. #}
{% macro shape_of(relation) %}
    {%- set shape = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}{%- do shape.append(column.name ~ ' ' ~ column.data_type) -%}{%- endfor -%}
    {{ return(shape) }}
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

{# Whether a kept table reads a model, itself or through views and ephemeral models. #}
{% macro is_followed(unique_id) %}
    {%- for node in graph.nodes.values() if unique_id in node.depends_on.nodes -%}
        {%- if node.config.materialized == 'kept' or (node.config.materialized in ('view', 'ephemeral') and is_followed(node.unique_id)) -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(false) }}
{% endmacro %}

{#
Enter a build and the states of the inputs it was made from. A build that changed nothing has no number; one whose changes no kept table follows
counts twice, so that a table that comes to read this one finds that it has missed one.
#}
{% macro enter_build(name, differing, is_whole, changed=true) %}
    {%- if changed %}
insert into sources.model_builds
select '{{ name }}', coalesce(max(build), 0) + {{ 1 if is_followed(model.unique_id) else 2 }}, {{ is_whole }}
from sources.model_builds
where model = '{{ name }}';
delete from sources.model_builds
where model = '{{ name }}' and build < (select max(build) from sources.model_builds where model = '{{ name }}');
    {%- endif -%}
    {%- if differing %}
create or replace temp table entered as
select * from (values
    {%- for row in differing %} ('{{ row[0] }}', '{{ row[1] }}', '{{ row[2] }}'){{ ',' if not loop.last }}{% endfor -%}
) as entered (input, batch, state);
delete from sources.model_inputs using entered
where model_inputs.model = '{{ name }}' and model_inputs.input = entered.input and model_inputs.batch = entered.batch;
insert into sources.model_inputs select '{{ name }}', * from entered where state <> 'none' and input <> 'code';
drop table entered;
    {%- endif %}
select 1
{% endmacro %}
