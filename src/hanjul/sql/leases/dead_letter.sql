-- Dead letters: where a message goes that will not be delivered again, and the way back.

-- reject(...): to the dead letters now, with why (reasons: max_attempts, rejected, decode_error) and the last error.
-- Fenced, and one statement: a message is in its queue or among the dead letters, never in both or neither.
create or replace function hanjul.reject(queue_name text, msg_ids bigint[], attempts integer[], reasons text[], errors text[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql as $$
declare
    planned pg_catalog.text := hanjul._planned('reject', queue_name);
begin
    if planned is null then
        return query select * from hanjul._reject_upstream(queue_name, msg_ids, attempts, reasons, errors);
    else
        return query execute pg_catalog.format('select * from %s($1, $2, $3, $4)', planned)
            using msg_ids, attempts, reasons, errors;
    end if;
end
$$;

create or replace function hanjul._reject_upstream(queue_name text, msg_ids bigint[], attempts integer[], reasons text[], errors text[])
returns table (msg_id bigint, attempt integer, held_by integer)
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable text := pgmq.format_table_name(queue_name, 'q');
    done_ids bigint[];
    done_attempts integer[];
begin
    execute format($reject$
        with lease as materialized (select * from unnest($1, $2, $3, $4) as u (msg_id, attempt, reason, error) order by 1),
        done as (
            delete from pgmq.%I m using lease l where m.msg_id = l.msg_id and m.read_ct = l.attempt
            returning m.msg_id, m.read_ct, m.enqueued_at, m.message, m.headers, l.reason, l.error),
        dead as (
            insert into hanjul.dead_letter (queue_name, msg_id, attempts, reason, error, enqueued_at, message, headers)
            select $5, d.msg_id, d.read_ct, d.reason, left(d.error, 2048), d.enqueued_at, d.message, d.headers
            from done d order by d.msg_id)
        select array_agg(d.msg_id), array_agg(d.read_ct) from done d
    $reject$, qtable)
        into done_ids, done_attempts using msg_ids, attempts, reasons, errors, lower(queue_name);
    if cardinality(msg_ids) > coalesce(cardinality(done_ids), 0) then
        return query select * from hanjul._refused(qtable, msg_ids, attempts, done_ids, done_attempts);
    end if;
end
$$;

-- redrive(queue_name, qty): put the oldest `qty` (null: all) dead letters back, with their headers and a fresh count of
-- attempts; returns their new ids, in the order in which they died.
create or replace function hanjul.redrive(queue_name text, qty integer default null)
returns setof bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($redrive$
        with back as (
            delete from hanjul.dead_letter d
            where d.id = any (array(
                select c.id from hanjul.dead_letter c where c.queue_name = $1
                order by c.id limit $2 for update skip locked))
            returning d.id, d.message, d.headers)
        insert into pgmq.%I (vt, message, headers) select $3, b.message, b.headers from back b order by b.id
        returning msg_id
    $redrive$, pgmq.format_table_name(queue_name, 'q'))
        using lower(queue_name), qty, clock_timestamp();
    perform hanjul.wake(queue_name);
end
$$;

-- dead_letters(queue_name, qty): the newest `qty` dead letters of a queue.
create or replace function hanjul.dead_letters(queue_name text, qty integer default 100)
returns setof hanjul.dead_letter language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query select * from hanjul.dead_letter d where d.queue_name = lower(dead_letters.queue_name)
                 order by d.id desc limit qty;
end
$$;
