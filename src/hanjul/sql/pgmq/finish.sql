-- Finishing messages by id, whoever holds them: delete forgets, archive keeps. hanjul.ack is the fenced form.
-- Locks: the rows named, in the order of their ids (the only plan left walks the primary key), so that two batches
-- over the same messages cannot deadlock.
-- One message has functions of its own, which hand no rows around: that would cost as much as the delete.

create or replace function pgmq._plan_finish(queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._plan_one(queue_name, 'delete', '(msg_ids bigint[]) returns setof bigint', pgmq._one_scan(), $plan$
begin
    return query {by id}
        delete from {q} m where m.msg_id = any ($1) returning m.msg_id{end};
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'archive', '(msg_ids bigint[]) returns setof bigint', pgmq._one_scan(), $plan$
begin
    return query
        with taken as (
            delete from {q} m where m.msg_id = any ($1)
            returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
        insert into {a} (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
        select * from taken {sorted}
        returning msg_id;
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'delete_one', '(msg_id bigint) returns boolean', pgmq._one_scan(), $plan$
begin
    delete from {q} m where m.msg_id = $1;
    return found;
end
    $plan$);
    perform pgmq._plan_one(queue_name, 'archive_one', '(msg_id bigint) returns boolean', pgmq._one_scan(), $plan$
begin
    with taken as (
        delete from {q} m where m.msg_id = $1
        returning m.msg_id, m.read_ct, m.enqueued_at, m.last_read_at, m.vt, m.message, m.headers)
    insert into {a} (msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers)
    select * from taken;
    return found;
end
    $plan$);
end
$$;

create or replace function pgmq.delete(queue_name text, msg_ids bigint[])
returns setof bigint language plpgsql as $$
begin
    return query execute pg_catalog.format('select %s($1)', pgmq._planned('delete', queue_name)) using msg_ids;
end
$$;

create or replace function pgmq.delete(queue_name text, msg_id bigint)
returns boolean language plpgsql as $$
declare
    deleted boolean;
begin
    execute pg_catalog.format('select %s($1)', pgmq._planned('delete_one', queue_name)) into deleted using msg_id;
    return deleted;
end
$$;

create or replace function pgmq.archive(queue_name text, msg_ids bigint[])
returns setof bigint language plpgsql as $$
begin
    return query execute pg_catalog.format('select %s($1)', pgmq._planned('archive', queue_name)) using msg_ids;
end
$$;

create or replace function pgmq.archive(queue_name text, msg_id bigint)
returns boolean language plpgsql as $$
declare
    archived boolean;
begin
    execute pg_catalog.format('select %s($1)', pgmq._planned('archive_one', queue_name)) into archived using msg_id;
    return archived;
end
$$;
