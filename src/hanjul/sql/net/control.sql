-- What people do with requests: cancel them, send them again.

-- cancel(request_id): a request that has not ended, ends now; one that is on its way is given up by its sender.
create or replace function net.cancel(request_id bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    r net.http_request_queue := net._locked(request_id);
begin
    if r.finished is not null then
        raise exception 'request % has ended already: %', request_id, r.status using errcode = 'object_not_in_prerequisite_state';
    end if;
    update net.http_request_queue q set cancelled_by = session_user where q.id = request_id;
    perform net._end_unanswered(request_id, format('cancelled by %s', session_user), clock_timestamp());
end
$$;

-- retry(request_id): one that has ended is sent again, with all its attempts; one that waits for its next attempt goes now.
create or replace function net.retry(request_id bigint)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    r net.http_request_queue := net._locked(request_id);
begin
    if r.locked_until > clock_timestamp() then
        raise exception 'request % is on its way just now', request_id using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform net._send_again(array[request_id]);
end
$$;

-- redrive(request_ids): requests that have ended as errors are sent again; null: all that failed in spite of their retries
-- and were not cancelled. How many. Ids that are not of such requests are passed over.
create or replace function net.redrive(request_ids bigint[] default null)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return net._send_again(array(
        select r.id from net.http_request_queue r
        where r.status = 'ERROR' and r.finished is not null
          and case when request_ids is null then net._is_dead(r) else r.id = any (request_ids) end
        order by r.id for update));
end
$$;

-- queue_depth(): requests that have not ended.
create or replace function net.queue_depth()
returns bigint language sql stable set search_path = pg_catalog, pg_temp as $$
    select count(*) from net.http_request_queue r where r.finished is null;
$$;

-- _locked(request_id): the request, locked; P0002 if there is none, or it is none of ours to see.
create or replace function net._locked(request_id bigint)
returns net.http_request_queue language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    r net.http_request_queue;
begin
    select * into r from net.http_request_queue q where q.id = request_id for update;
    if not found then
        raise exception 'there is no request %', coalesce(request_id::text, 'NULL') using errcode = 'no_data_found',
            hint = 'Finished requests are kept for pg_net.queue_retention.';
    end if;
    return r;
end
$$;

-- _send_again(ids): as if they had just been enqueued; their attempts so far stay on record. The age that its policy allows
-- counts from now.
create or replace function net._send_again(ids bigint[])
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    n bigint;
begin
    update net.http_request_queue r
    set status = 'PENDING', finished = null, cancelled_by = null, attempts = 0, released = r.claims, in_line = false, locked_until = null,
        next_attempt_at = clock_timestamp(), give_up_at = clock_timestamp() + (r.give_up_at - r.created)
    where r.id = any (ids);
    get diagnostics n = row_count;
    if n > 0 then
        perform hanjul.wake('http requests');
    end if;
    return n;
end
$$;
