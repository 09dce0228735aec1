-- The scan bound: reads start at the oldest message that may still be there, and not at the dead index entries before it,
-- which stay for as long as any transaction is open somewhere. The bound is a sequence, pgmq.b_<name>: sequences have no
-- versions, so it costs the same under any snapshot.
--
-- It must never pass a message. A deleted message is gone for good, but one may still come whose id is old: its sender
-- took the id a while ago and commits now. So the rule, in rounds:
--   1. note `last_id`, the newest id given out;
--   2. note the writers: transactions that hold the lock under which rows are inserted. Every id up to last_id is now
--      either committed, or of a writer noted here;
--   3. with a new snapshot, find the oldest message there is. The bound goes there, but not past the last_id of the round
--      before, whose writers are known. A writer of a round before that is still open may bring ids from where the bound
--      stood when it was first seen: when it is gone, the search of step 3 starts there, and finds what it has left.
-- A round works from what the last one committed to hanjul.scan, the bound included: setval is not rolled back, and a
-- dump holds a younger sequence than rows. It is made only in what looks like a transaction of one statement that has
-- written nothing, because it sees its own deletes, and because what it locks should not stay locked. What was noted of a
-- table that was emptied, rewritten or dropped since counts no more: ids may have started again.
-- Parked messages (park below) are not read through the bound: they have an index of their own, by the time they are due.

-- _advance(queue_name): what reads do now and then: move the bound as far as the last round allows, or make one.
create or replace function pgmq._advance(queue_name text)
returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')));
    btable regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'b')));
    known hanjul.scan;
    bound bigint;
    oldest bigint;
begin
    if not pgmq._may_round(queue_name, qtable, btable) then
        return;
    end if;
    known := pgmq._known(queue_name, qtable);
    execute format($look$
        select b.last_value, (select c.msg_id from %s c where c.due is null and c.msg_id >= (select b.last_value from %s b)
                              order by c.due, c.msg_id limit 1)
        from %2$s b
    $look$, qtable, btable) into bound, oldest;
    if known.writers = '{}' and known.last_id >= bound and random() < 0.95
       and known.last_id <= coalesce(pg_sequence_last_value(pg_get_serial_sequence(qtable::text, 'msg_id')::regclass), 0) then  -- rounds find more: ids given by hand
        perform setval(btable, least(oldest, known.last_id + 1));
    elsif random() < 0.5 then
        perform pgmq._tidy(queue_name);
    end if;
end
$$;

-- _known(queue_name, qtable): what the last round noted of the table as it is; nulls if there was none.
create or replace function pgmq._known(queue_name text, qtable regclass)
returns hanjul.scan language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known hanjul.scan;
begin
    select * into known from hanjul.scan s where s.queue_name = lower(_known.queue_name) order by s.id desc limit 1;
    if known.file is distinct from pgmq._file(qtable) then
        return null;
    end if;
    return known;
end
$$;

-- _file(qtable): a partitioned table has no file, and is known by itself.
create or replace function pgmq._file(qtable regclass)
returns oid language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(pg_relation_filenode(qtable), qtable::oid);
$$;

-- _may_round(...): true if the bound can be moved here and now; takes the lock under which that is done, to the end of
-- the transaction.
create or replace function pgmq._may_round(queue_name text, qtable regclass, btable regclass)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return pg_current_xact_id_if_assigned() is null
           and exists (select from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = btable and r.rolname = current_user)
           and pgmq._may_tidy(qtable)
           and pg_try_advisory_xact_lock(1751215723, hashtext(lower(queue_name)));
end
$$;

-- _tidy(queue_name): a round. True if the bound went back, so that a reader should look again.
-- SECURITY DEFINER: it must see all messages, also those that row-level security hides from the reader. Queues that belong
-- to others than whoever has installed us have no rounds: their reads walk further, and find the same.
create or replace function pgmq._tidy(queue_name text)
returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')));
    btable regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'b')));
    known hanjul.scan;
    last_id bigint;
    writers text[];
    bound bigint;
    start bigint;
    oldest bigint;
begin
    if not pgmq._may_round(queue_name, qtable, btable) then
        return false;
    end if;
    execute format('select case when s.is_called then s.last_value else 0 end from %s s', pg_get_serial_sequence(qtable::text, 'msg_id')) into last_id;
    writers := array(
        select distinct l.virtualtransaction from pg_locks l
        where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
          and l.database = (select d.oid from pg_database d where d.datname = current_database())
          and l.pid is distinct from pg_backend_pid()
          and (l.relation = qtable or l.relation in (select t.relid from pg_partition_tree(qtable) t)));
    execute format('select b.last_value from %s b', btable) into bound;
    known := pgmq._known(queue_name, qtable);
    if known.last_id > last_id then  -- ids have started again
        known := null;
    end if;
    start := case
        when random() < 0.1 then 0  -- ids can also be given by hand
        else least(coalesce(known.bound, 0), (select min(w.value::bigint) from jsonb_each_text(known.writers) w where w.key <> all (writers)))
    end;
    execute format('select c.msg_id from %s c where c.due is null and c.msg_id >= $1 order by c.due, c.msg_id limit 1', qtable)
        into oldest using start;
    oldest := least(oldest, coalesce(known.last_id, 0) + 1);
    if oldest <> bound then
        perform setval(btable, oldest);
    end if;
    perform pgmq._note_writers(known, queue_name, pgmq._file(qtable), oldest, last_id, writers);
    return oldest < bound;
end
$$;

-- _note_writers(...): remember a round. A writer that is new may have ids from the last round's bound on, or, if its
-- transaction was prepared for a second phase and has changed its name thereby, any.
create or replace function pgmq._note_writers(known hanjul.scan, queue_name text, file oid, bound bigint, last_id bigint, writers text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    since bigint := least(coalesce(known.bound, 0), bound);
    noted jsonb := coalesce((select jsonb_object_agg(w, coalesce((known.writers ->> w)::bigint, case when w like '-%' then 0 else since end))
                             from unnest(writers) w), '{}');
begin
    if (bound, last_id, noted) = (known.bound, known.last_id, known.writers) then
        return;
    end if;
    if known.id is null then
        delete from hanjul.scan s where s.queue_name = lower(_note_writers.queue_name);
    end if;
    insert into hanjul.scan (queue_name, file, bound, last_id, writers)
    values (lower(_note_writers.queue_name), _note_writers.file, _note_writers.bound, _note_writers.last_id, noted);
    delete from hanjul.scan s where s.queue_name = known.queue_name and s.id = known.id;
end
$$;

-- _park(queue_name): messages that lie in the way of reads, leased or delayed ones at the old end, go into the part of the
-- index that is by due time, for good. It costs as much as several reads, so not before thousands are in the way. Called
-- by a read that took long.
create or replace function pgmq._park(queue_name text)
returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set enable_sort = off set enable_bitmapscan = off set jit = off as $$
declare
    qtable regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')));
    hidden bigint[];
begin
    if not pgmq._may_tidy(qtable) then
        return;
    end if;
    execute format($look$
        select array_agg(f.msg_id order by f.msg_id) filter (where f.vt > $1)
        from (select c.msg_id, c.vt from %1$s c
              where c.due is null and c.msg_id >= (select b.last_value from pgmq.%2$I b)
              order by c.due, c.msg_id limit 5000) f
    $look$, qtable, pgmq.format_table_name(queue_name, 'b')) into hidden using clock_timestamp() + interval '1 second';
    if cardinality(hidden) > 2000 then
        execute format($park$
            update %1$s m set due = m.vt
            where m.msg_id = any (array(select c.msg_id from %1$s c where c.msg_id = any ($1) order by c.msg_id for update skip locked))
        $park$, qtable) using hidden;
    end if;
end
$$;

-- _may_tidy(qtable): true in what looks like a transaction of one statement, where every message can be seen and changed.
create or replace function pgmq._may_tidy(qtable regclass)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return statement_timestamp() - transaction_timestamp() < interval '500 microseconds'  -- parsing and binding take some
           and current_setting('transaction_isolation') = 'read committed'
           and exists (  -- only what is our own: in a table of another's, his code would run with our rights
               select from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = qtable and r.rolname = current_user)
           and not row_security_active(qtable);
end
$$;

-- _missed(queue_name): for a reader that found less than it wanted: true if a slow writer has left messages below the
-- bound meanwhile, and the bound went back to them. Now and then it looks without knowing of a writer.
create or replace function pgmq._missed(queue_name text)
returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if random() < 0.9 and coalesce(
        (select s.writers = '{}' from hanjul.scan s where s.queue_name = lower(_missed.queue_name) order by s.id desc limit 1), true) then
        return false;
    end if;
    return pgmq._tidy(queue_name);
end
$$;

-- _due_follows_vt(): a parked message stays parked; whoever moves its vt, by whatever statement, moves it in its index.
create or replace function pgmq._due_follows_vt()
returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    new.due := new.vt;
    return new;
end
$$;
