-- Collecting answers.

-- _http_collect_response(request_id, async): (SUCCESS, 'ok', the answer); (ERROR, why, the answer if there was one); or
-- (PENDING, 'request is pending', null), unless async is false: then wait for the answer.
create or replace function net._http_collect_response(request_id bigint, async boolean default true)
returns net.http_response_result language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    request record;
    answer net._http_response;
    response net.http_response;
    why text;
begin
    if async is false then
        perform net._await_response(request_id);
    end if;
    select q.status, q.error_msg, q.finished is null as is_pending into request from net.http_request_queue q where q.id = request_id;
    if request.is_pending then
        return ('PENDING', 'request is pending', null)::net.http_response_result;
    end if;
    select r.* into answer from net._http_response r where r.id = request_id order by r.created desc limit 1;
    if not found then
        return ('ERROR', 'request matching request_id not found', null)::net.http_response_result;
    end if;
    if answer.status_code is not null then
        response := (answer.status_code, answer.headers, answer.content);
    end if;
    why := coalesce(answer.error_msg, case when request.status = 'ERROR' then request.error_msg end);  -- that its policy is not content with
    if why is not null then
        return ('ERROR', why, response)::net.http_response_result;
    end if;
    return ('SUCCESS', 'ok', response)::net.http_response_result;
end
$$;

-- http_collect_response(request_id, async): the same; the older name.
create or replace function net.http_collect_response(request_id bigint, async boolean default true)
returns net.http_response_result language sql set search_path = pg_catalog, pg_temp as $$
    select net._http_collect_response(request_id, async);
$$;

-- _await_response(request_id): return when the request is finished, without limit: whether there is an answer. 25001 where
-- waiting could never end: for a request of this transaction, which is sent after its commit, and where a transaction sees
-- only what was there when it began.
create or replace function net._await_response(request_id bigint)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    of_whom text;
begin
    while net._is_pending(request_id) loop
        of_whom := (select pg_xact_status(net._full_xid(q.xmin)) from net.http_request_queue q where q.id = request_id);
        if of_whom = 'in progress' then
            raise exception 'request % was enqueued by this transaction: it is sent after the commit, so there is no answer to wait for', request_id
                using errcode = 'active_sql_transaction', hint = 'Commit first.';
        elsif current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
            raise exception 'a transaction at isolation level % does not see an answer that comes later', current_setting('transaction_isolation')
                using errcode = 'active_sql_transaction', hint = 'Wait in a transaction at level READ COMMITTED.';
        end if;
        perform pg_sleep(0.05);
    end loop;
    return exists (select from net._http_response r where r.id = request_id);
end
$$;

-- _is_pending(request_id): whether it waits or is on its way; false, too, if there is none that the role may see.
create or replace function net._is_pending(request_id bigint)
returns boolean language sql set search_path = pg_catalog, pg_temp as $$
    select exists (select from net.http_request_queue q where q.id = request_id and q.finished is null);
$$;

-- _full_xid(xid): with its epoch, as of one that is near the current transaction's; null if that has written nothing.
create or replace function net._full_xid(xid xid)
returns xid8 language sql stable set search_path = pg_catalog, pg_temp as $$
    select (ours + (theirs - ours + 2147483648 & 4294967295) - 2147483648)::text::xid8
    from (select pg_current_xact_id_if_assigned()::text::bigint, xid::text::bigint) x (ours, theirs);
$$;
