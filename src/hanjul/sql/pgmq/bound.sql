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
--      before, whose writers are known. A writer of a round before that is still open may bring ids from the last_id of
--      the round before it was first seen: when it is gone, the search of step 3 starts there, and finds what it has left.
-- So the bound passes ids of nobody but of a writer whom two rounds have seen. What such a writer leaves is below the bound
-- from its commit until a round is made: by the next read that finds less than it wanted, and while none does, because
-- newer messages are plenty, by some of those that find enough.
-- A round works from what the last one committed to pgmq.scan, the bound included: setval is not rolled back, and a
-- dump holds a younger sequence than rows. It is made only in what looks like a transaction of one statement, because what
-- it locks should not stay locked. One that has an id, and that may have deleted something, a read that has locked what it
-- found included, sees its own deletes: then the bound can go back, but not ahead, and what is noted is undone where they
-- are. What was noted of a table that was emptied, rewritten or dropped since counts no more: ids may have started again.
-- Parked messages (park below) are not read through the bound: they have an index of their own, by the time they are due.
--
-- Rights: rounds must see all messages, also those that row-level security hides from the reader, and they must not run
-- what a table's owner has put on it, a trigger or an index expression, with the rights of anybody else. So they are
-- functions of the queue, pgmq."tidy.<queue>" and so on, that belong to its owner and run with his rights, whoever reads.
-- They take no arguments: a caller cannot tell them anything. Rows of pgmq.scan are for the owner of the queue that they name.

-- _plan_rounds(queue_name): four functions of the queue.
-- `advance`: what reads do now and then: move the bound as far as the last round allows, or make one.
-- `tidy`: a round. True if the bound went back, so that a reader should look again. A transaction that is itself about to
-- insert makes none: it is no writer whom it could note.
-- `missed`: for a reader that found less than it wanted: true if a slow writer has left messages below the bound
-- meanwhile, and the bound went back to them. Where it found nothing, it helps the bound on if there were writers, and
-- looks now and then without knowing of one; where it found something, it looks for writers whom the bound has passed.
-- `park`: messages that lie in the way of reads, leased or delayed ones at the old end, go into the part of the index that
-- is by due time, for good. It costs as much as several reads, so not before thousands are in the way. Called by a read that
-- took long.
create or replace function pgmq._plan_rounds(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    advance text := $plan$
declare
    known pgmq.scan;
    bound bigint;
    oldest bigint;
begin
    if pg_current_xact_id_if_assigned() is not null or not pgmq._may_round({name}, {table}, {bound}) then
        return;
    end if;
    known := pgmq._known({name}, {table});
    select b.last_value, (select c.msg_id from {q} c where c.due is null and c.msg_id >= (select b.last_value from {b} b)
                          order by c.due, c.msg_id limit 1)
    into bound, oldest from {b} b;
    if known.writers = '{}' and known.last_id >= bound and random() < 0.95
       and known.last_id <= pgmq._last_id({table}) then  -- rounds find more: ids given by hand
        perform setval({bound}, least(oldest, known.last_id + 1));
    elsif random() < 0.5 then
        perform {tidy}();
    end if;
end
    $plan$;
    tidy text := $plan$
declare
    known pgmq.scan;
    last_id bigint;
    writers text[];
    writes_itself boolean;
    only_back boolean := pg_current_xact_id_if_assigned() is not null;
    bound bigint;
    left_behind bigint;  -- from where on writers that are gone may have left messages
    start bigint;
    oldest bigint;
begin
    if not pgmq._may_round({name}, {table}, {bound}) then
        return false;
    end if;
    last_id := pgmq._last_id({table});
    select coalesce(array_agg(distinct l.virtualtransaction), '{}'), coalesce(bool_or(l.pid = pg_backend_pid()), false)
    into writers, writes_itself
    from pg_locks l
    where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and (l.relation = {table} or l.relation in (select t.relid from pg_partition_tree({table}) t));
    if writes_itself then
        return false;
    end if;
    bound := (select b.last_value from {b} b);
    known := pgmq._known({name}, {table});
    if known.last_id > last_id then  -- ids have started again
        known := null;
    end if;
    left_behind := (select min(w.value::bigint) from jsonb_each_text(known.writers) w where w.key <> all (writers));
    if only_back and left_behind is null then
        return false;
    end if;
    start := least(coalesce(known.bound, 0), left_behind);
    oldest := (select c.msg_id from {q} c where c.due is null and c.msg_id >= start order by c.due, c.msg_id limit 1);
    if random() < (case when oldest is null then 0.1 else 0.005 end) then  -- ids can also be given by hand; the walk may be long
        oldest := (select c.msg_id from {q} c where c.due is null order by c.due, c.msg_id limit 1);
    end if;
    oldest := least(oldest, coalesce(known.last_id, 0) + 1, case when only_back then bound end);
    if oldest <> bound then
        perform setval({bound}, oldest);
    end if;
    perform pgmq._note_writers(known, {name}, pgmq._file({table}), oldest, last_id, writers);
    return oldest < bound;
end
    $plan$;
    missed text := $plan$
declare
    found_some boolean := pg_current_xact_id_if_assigned() is not null;
begin
    if (found_some or random() < 0.9) and coalesce(
        (select s.writers = '{}'
                or found_some and not exists (select from jsonb_each_text(s.writers) w where w.value::bigint < (select b.last_value from {b} b))
         from pgmq.scan s where s.queue_name = {name} order by s.id desc limit 1), true) then
        return false;
    end if;
    return {tidy}();
end
    $plan$;
    park text := $plan$
declare
    soon timestamptz := clock_timestamp() + interval '1 second';
    hidden bigint[];
begin
    if not pgmq._may_tidy({table}, {bound}) then
        return;
    end if;
    hidden := array(
        select f.msg_id
        from (select c.msg_id, c.vt from {q} c
              where c.due is null and c.msg_id >= (select b.last_value from {b} b)
              order by c.due, c.msg_id limit 5000) f
        where f.vt > soon);
    if cardinality(hidden) > 2000 then
        update {q} m set due = m.vt
        where m.msg_id = any (array(select c.msg_id from {q} c where c.msg_id = any (hidden) order by c.msg_id for update skip locked));
    end if;
end
    $plan$;
    definer text := 'security definer ' || pgmq._one_plan();
begin
    perform pgmq._plan_one(queue_name, 'advance', '() returns void', definer, pgmq._put_tables(advance, queue_name));
    perform pgmq._plan_one(queue_name, 'tidy', '() returns boolean', definer, pgmq._put_tables(tidy, queue_name));
    perform pgmq._plan_one(queue_name, 'missed', '() returns boolean', 'security definer set search_path = pg_catalog, pg_temp',
                           pgmq._put_tables(missed, queue_name));
    perform pgmq._plan_one(queue_name, 'park', '() returns void', definer, pgmq._put_tables(park, queue_name));
end
$$;

-- _put_tables(body, queue_name): what the templates above leave open: the queue's table and its bound, as regclass.
create or replace function pgmq._put_tables(body text, queue_name text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return replace(replace(body,
        '{table}', pgmq._shielded(format('%L::regclass', format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))))),
        '{bound}', pgmq._shielded(format('%L::regclass', format('pgmq.%I', pgmq.format_table_name(queue_name, 'b')))));
end
$$;

-- _missed(queue_name): the queue's own, for functions that are of no queue.
create or replace function pgmq._missed(queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    missed boolean;
begin
    execute format('select %s()', pgmq._planned('missed', queue_name)) into missed;
    return missed;
end
$$;

-- _last_id(qtable): the newest id given out; none yet: the one before the first.
create or replace function pgmq._last_id(qtable regclass)
returns bigint language sql volatile set search_path = pg_catalog, pg_temp as $$
    select coalesce(pg_sequence_last_value(i.ids), (select s.seqstart - 1 from pg_sequence s where s.seqrelid = i.ids), 0)
    from (select pg_get_serial_sequence(qtable::text, 'msg_id')::regclass as ids) i;
$$;

-- _known(queue_name, qtable): what the last round noted of the table as it is; nulls if there was none.
create or replace function pgmq._known(queue_name text, qtable regclass)
returns pgmq.scan language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known pgmq.scan;
begin
    select * into known from pgmq.scan s where s.queue_name = _known.queue_name order by s.id desc limit 1;
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
    return pgmq._may_tidy(qtable, btable)
           and pg_try_advisory_xact_lock(1751215723, hashtext(queue_name));
end
$$;

-- _may_tidy(qtable, btable): true in what looks like a transaction of one statement, where every message can be seen and
-- changed. Whoever is at work must own both: a table that was given to another without its functions is let be, because its
-- new owner's code would run with the rights of the old one.
create or replace function pgmq._may_tidy(qtable regclass, btable regclass)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return statement_timestamp() - transaction_timestamp() < interval '500 microseconds'  -- parsing and binding take some
           and current_setting('transaction_isolation') = 'read committed'
           and (select count(*) from pg_class c join pg_roles r on r.oid = c.relowner
                where c.oid in (qtable, btable) and r.rolname = current_user) = 2
           and not row_security_active(qtable);
end
$$;

-- _note_writers(...): remember a round. A writer that is new may have ids that were given out after the last round, or, if
-- its transaction was prepared for a second phase and has changed its name thereby, any.
create or replace function pgmq._note_writers(known pgmq.scan, queue_name text, file oid, bound bigint, last_id bigint, writers text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    since bigint := coalesce(known.last_id + 1, 0);
    noted jsonb := coalesce((select jsonb_object_agg(w, coalesce((known.writers ->> w)::bigint, case when w like '-%' then 0 else since end))
                             from unnest(writers) w), '{}');
begin
    if (bound, last_id, noted) = (known.bound, known.last_id, known.writers) then
        return;
    end if;
    if known.id is null then
        delete from pgmq.scan s where s.queue_name = _note_writers.queue_name;
    end if;
    insert into pgmq.scan (queue_name, file, bound, last_id, writers)
    values (_note_writers.queue_name, _note_writers.file, _note_writers.bound, _note_writers.last_id, noted);
    delete from pgmq.scan s where s.queue_name = known.queue_name and s.id = known.id;
end
$$;

-- _begin_ids(queue_name): a queue that is made anew goes on above the ids of its earlier lives: what a worker of then
-- settles must not hit a message of now. The first queue of a name begins at 1. What somebody may have left under the name to
-- spoil it, an id beyond half of all that there are, is not believed.
create or replace function pgmq._begin_ids(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := format('pgmq.%I', pgmq.format_table_name(queue_name, 'q'))::regclass;
    ended bigint := (select max(s.last_id) from pgmq.scan s where s.queue_name = lower(_begin_ids.queue_name) and s.last_id < 4611686018427387904);
begin
    delete from pgmq.scan s where s.queue_name = lower(_begin_ids.queue_name);
    if ended > 0 then
        execute format('alter table %s alter column msg_id set start with %s restart', q, ended + 1);
        perform pgmq._note_end(queue_name, ended);
    end if;
end
$$;

-- _end_ids(queue_name): what _begin_ids will want to know, before the queue is dropped.
create or replace function pgmq._end_ids(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    q regclass := to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')));
    last_id bigint;
begin
    if q is not null then
        execute format('lock table %s in access exclusive mode', q);  -- ids are given out no more
        last_id := greatest(pgmq._last_id(q), (select max(s.last_id) from pgmq.scan s where s.queue_name = lower(_end_ids.queue_name)));
        delete from pgmq.scan s where s.queue_name = lower(_end_ids.queue_name);
        if last_id > 0 then
            perform pgmq._note_end(queue_name, last_id);
        end if;
    end if;
end
$$;

-- _note_end(queue_name, last_id): a note that is of no table, so that no round works from it.
create or replace function pgmq._note_end(queue_name text, last_id bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    insert into pgmq.scan (queue_name, file, bound, last_id, writers) values (lower(queue_name), 0, 0, last_id, '{}');
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
