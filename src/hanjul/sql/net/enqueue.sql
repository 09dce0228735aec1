-- Enqueueing, with pg_net's functions: one row in the caller's transaction and with the caller's rights, so nothing leaves
-- before it commits, and nothing after a rollback. What is plain is only looked at; the rest goes to url.sql and headers.sql.
-- Headers that frame the message or concern the connection are stored as they are given, as in pg_net, and not sent.
-- Defaults and signatures are pg_net's: scripts alter these functions by them. A negative timeout is none, as in pg_net: 0.

-- http_get(url, params, headers, timeout_milliseconds): the request's id. params: an object, added to the query.
create or replace function net.http_get(
    url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    request_id bigint;
    woken boolean;
    ms integer := case when timeout_milliseconds < 0 then 0 else timeout_milliseconds end;
begin
    if url is null or timeout_milliseconds is null then
        perform net._refuse_null(url is null);
    end if;
    if net._is_plain_url(url) is not true or params <> '{}' then
        url := net._url(url, params);
    end if;
    if octet_length(url) > 262144 then
        perform net._check_url_size(url);
    end if;
    if headers <> '{}' then
        perform net._check_headers(headers);
    end if;
    insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
    values ('GET', http_get.url, http_get.headers, ms) returning id into request_id;
    woken := net._wake();
    return request_id;
end
$$;

-- http_post(url, body, params, headers, timeout_milliseconds): the request's id. A content type, if one is given, must be
-- application/json: P0001 otherwise; net.http_request sends others. A body of JSON null is sent, a null body is empty.
create or replace function net.http_post(
    url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{"Content-Type": "application/json"}',
    timeout_milliseconds integer default 5000)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    request_id bigint;
    woken boolean;
    ms integer := case when timeout_milliseconds < 0 then 0 else timeout_milliseconds end;
    content bytea := convert_to(body::text, 'UTF8');
begin
    if url is null or timeout_milliseconds is null then
        perform net._refuse_null(url is null);
    end if;
    if net._is_plain_url(url) is not true or params <> '{}' then
        url := net._url(url, params);
    end if;
    if octet_length(url) > 262144 then
        perform net._check_url_size(url);
    end if;
    if (headers = '{"Content-Type": "application/json"}') is not true then
        headers := net._json_headers(headers);
    end if;
    if octet_length(content) > 67108864 then
        perform net._refuse_body(octet_length(content));
    end if;
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('POST', http_post.url, http_post.headers, content, ms) returning id into request_id;
    woken := net._wake();
    return request_id;
end
$$;

-- http_delete(url, params, headers, timeout_milliseconds, body): the request's id. A body's content type is said by headers.
create or replace function net.http_delete(
    url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000, body jsonb default null)
returns bigint language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    request_id bigint;
    woken boolean;
    ms integer := case when timeout_milliseconds < 0 then 0 else timeout_milliseconds end;
    content bytea := convert_to(body::text, 'UTF8');
begin
    if url is null or timeout_milliseconds is null then
        perform net._refuse_null(url is null);
    end if;
    if net._is_plain_url(url) is not true or params <> '{}' then
        url := net._url(url, params);
    end if;
    if octet_length(url) > 262144 then
        perform net._check_url_size(url);
    end if;
    if headers <> '{}' then
        perform net._check_headers(headers);
    end if;
    if octet_length(content) > 67108864 then
        perform net._refuse_body(octet_length(content));
    end if;
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('DELETE', http_delete.url, http_delete.headers, content, ms) returning id into request_id;
    woken := net._wake();
    return request_id;
end
$$;

-- _refuse_null(is_url): 23502 as the table raises it, for its column url or timeout_milliseconds; but the table's error shows
-- the whole row, with its credentials, to whoever reads the server's log.
create or replace function net._refuse_null(is_url boolean)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    missing constant text := case when is_url then 'url' else 'timeout_milliseconds' end;
begin
    raise exception 'null value in column "%" of relation "http_request_queue" violates not-null constraint', missing
        using errcode = 'not_null_violation', schema = 'net', table = 'http_request_queue', column = missing;
end
$$;

-- _refuse_body(size): it is larger than a request may be.
create or replace function net._refuse_body(size integer)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    raise exception 'body must have at most 64 MiB, not % bytes; keep it elsewhere, and send where', size
        using errcode = 'program_limit_exceeded';
end
$$;
