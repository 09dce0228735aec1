-- Statements that are planned once a session. Each queue has a few functions of its own, pgmq."<operation>.<queue>",
-- whose statements name its tables, so that PostgreSQL keeps their plans; the functions of the API look them up by name
-- and pass their arguments on. A statement that is built and planned at every call costs two to eight times as much.
-- The templates stand beside the functions that call them: pgmq._plan_send in send.sql, and so on. Where they say {q},
-- {a}, {b}, {name} and {key}, the queue's table, its archive, its scan bound (bound.sql), its folded name and the hash
-- of that are put in, for {advance}, {tidy}, {missed} and {park} the queue's own functions of bound.sql; {find} is the
-- search of find.sql, {waited} the question of wake.sql whether a consumer waits.
-- What changes messages by id gives them back in that order, because it walks along the primary key; only over partitions
-- it has to be sorted, which costs a batch a twentieth: `{by id} ... {end}` around it, or `{sorted}` behind it, do that.

-- _planned_name(operation, queue_name): the function's name, without the schema; a name too long for PostgreSQL is hashed.
create or replace function pgmq._planned_name(operation text, queue_name text)
returns text language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select case when octet_length(operation || '.' || lower(queue_name)) <= 63 then operation || '.' || lower(queue_name)
                else operation || '.' || md5(lower(queue_name)) end;
$$;

-- _planned_or_error(...): the rare cases: a hashed name, a name that cannot be, no such queue.
create or replace function pgmq._planned_or_error(operation text, queue_name text)
returns text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    qtable text := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'));
    named text := format('pgmq.%I', pgmq._planned_name(operation, queue_name));
begin
    if to_regproc(named) is not null and to_regclass(qtable) is not null then
        return named;
    end if;
    if to_regclass(qtable) is null then
        raise exception 'relation "pgmq.%" does not exist', pgmq.format_table_name(queue_name, 'q') using errcode = 'undefined_table';
    end if;
    raise exception 'queue "%" has no function %', queue_name, named using errcode = 'object_not_in_prerequisite_state',
        hint = format('It is written again by: select pgmq._plan(%L)', queue_name);
end
$$;

-- _planned(operation, queue_name): the same, quoted and with the schema, for a queue that exists; 42P01 if it does not.
-- Every call of the API passes here. The body is one expression that was parsed when it was created: no search path can
-- bend it, and it becomes part of the caller's expression, so it is no call. 32 bytes fit whatever their small letters are.
create or replace function pgmq._planned(operation text, queue_name text)
returns text language sql stable parallel safe
return coalesce(
    case when octet_length(queue_name) <= 32 then to_regproc(format('pgmq.%I', operation || '.' || lower(queue_name)))::text end,
    pgmq._planned_or_error(operation, queue_name));

-- _plan_one(queue_name, operation, signature, settings, body): one function. `signature`: arguments and what it returns;
-- `settings`: what is set while it runs. A planner without choices makes one plan, whatever the statistics say.
-- The function is replaced and not dropped, so that sessions that are at it go on; only another signature, which the
-- body's first line tells, needs another function, and one that somebody planted under this name goes.
create or replace function pgmq._plan_one(queue_name text, operation text, signature text, settings text, body text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    folded text := lower(queue_name);
    name text := pgmq._planned_name(operation, queue_name);
    cut boolean := (select c.relkind = 'p' from pg_class c
                    where c.oid = format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass);
    part text[];
begin
    foreach part slice 1 in array array[
        ['{waited}', pgmq._waited()],
        ['{find}', pgmq._find()],
        ['{by id}', case when cut then 'with done as (' else '' end],
        ['{end}', case when cut then ') select * from done order by msg_id' else '' end],
        ['{sorted}', case when cut then 'order by msg_id' else '' end],
        ['{q}', format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))],
        ['{a}', format('pgmq.%I', pgmq.format_table_name(queue_name, 'a'))],
        ['{b}', format('pgmq.%I', pgmq.format_table_name(queue_name, 'b'))],
        ['{name}', quote_literal(folded)],
        ['{advance}', format('pgmq.%I', pgmq._planned_name('advance', queue_name))],
        ['{tidy}', format('pgmq.%I', pgmq._planned_name('tidy', queue_name))],
        ['{missed}', format('pgmq.%I', pgmq._planned_name('missed', queue_name))],
        ['{park}', format('pgmq.%I', pgmq._planned_name('park', queue_name))],
        ['{key}', hashtext(folded)::text]]
    loop
        body := replace(body, part[1], case when part[1] in ('{waited}', '{find}') then part[2] else pgmq._shielded(part[2]) end);
    end loop;
    body := replace(body, chr(1), '{');
    body := format(E'\n-- %s%s', regexp_replace(signature, '[[:space:]]+', ' ', 'g'), body);
    perform pgmq._drop_function(p.oid::regprocedure) from pg_proc p
    where p.proname = name and p.pronamespace = 'pgmq'::regnamespace and (
        split_part(p.prosrc, E'\n', 2) <> split_part(body, E'\n', 2)
        or p.proowner not in (select c.relowner from pg_class c where c.oid = format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass
                              union all select r.oid from pg_roles r where r.rolname = current_user));
    execute format('create or replace function pgmq.%I%s language plpgsql %s as %L', name, signature, settings, body);
end
$$;

-- _shielded(value): a queue may be named like one of our placeholders: nothing is put into what was put in.
create or replace function pgmq._shielded(value text)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select replace(value, '{', chr(1));
$$;

-- _operations(): what queues may have functions for.
create or replace function pgmq._operations()
returns text[] language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '{send,send_batch,send_many,read,claim,claim_groups,pop,delete,delete_one,archive,archive_one,set_vt,heads,take,grouped,
             ack,ack_to_archive,nack,release,extend,reject,advance,tidy,missed,park}'::text[];
$$;

create or replace function pgmq._drop_function(function regprocedure)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute format('drop function %s', function);
end
$$;

-- _one_scan(): settings under which a statement of one table, by ids or along an index, has only that plan. What they rule
-- out gets a huge cost, at which older servers would compile every call: hence no jit.
create or replace function pgmq._one_scan()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select 'set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan set jit = off '
           'set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off';
$$;

-- _one_plan(): the same where tables are joined. Each setting costs a call a third of a microsecond.
create or replace function pgmq._one_plan()
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select pgmq._one_scan() || ' set enable_hashjoin = off set enable_mergejoin = off';
$$;
