-- Headers: an object of names that are tokens and values that stay on their line. Everything here is pure.

-- _check_headers(headers): 22023 naming what cannot be sent. A value that is null is left out by the sender, any other goes
-- out as text.
create or replace function net._check_headers(headers jsonb)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    bad text;
begin
    if headers is null or octet_length(headers::text) <= 65536 and headers::text ~ '^\{("[A-Za-z0-9_-]+": "[ !#-\[\]-~]*"(, )?)*\}$' then
        return;  -- as nearly all are
    elsif jsonb_typeof(headers) <> 'object' then
        raise exception 'headers must be a JSON object, not %', net._json_kind(headers) using errcode = 'invalid_parameter_value';
    end if;
    perform net._refuse_request(net._headers_problem(headers));
    select h.key into bad from jsonb_each_text(headers) h where h.key !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$' limit 1;
    if found then
        raise exception '% is not a name of a header', to_json(bad) using errcode = 'invalid_parameter_value';
    end if;
    select h.key into bad from jsonb_each_text(headers) h where h.value ~ '[\x01-\x08\x0a-\x1f\x7f]' limit 1;
    if found then
        raise exception 'the value of header "%" has a control character (a line break?), which cannot be sent', bad
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _headers_problem(headers): what about their size nobody could send, or read; null if nothing.
create or replace function net._headers_problem(headers jsonb)
returns text language sql immutable
return case
    when octet_length(headers::text) > 262144
         then format('headers must have at most 256 KiB in all, as JSON, not %s bytes', octet_length(headers::text))
    when jsonb_path_exists(headers, 'strict $.**{21} ? (@.type() == "array" || @.type() == "object")')
         then 'the values of headers must not be nested deeper than 20 levels'
    when octet_length(headers::text) > 65536 and jsonb_typeof(headers) = 'object'
         then (select format('the value of header %s must have at most 64 KiB, not %s bytes', to_json(left(h.key, 200)), octet_length(h.value))
               from jsonb_each_text(headers) h where octet_length(h.value) > 65536 limit 1)
end;

-- _refuse_framing(headers): 22023 for those that say how the message is framed or the connection used: that is the sender's.
-- Only net.http_request and its kin refuse them; of pg_net's three functions they are stored, and left out by the sender.
create or replace function net._refuse_framing(headers jsonb)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    bad text := (
        select h.key from jsonb_object_keys(headers) h (key)
        where lower(h.key) in ('content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'trailer', 'expect', 'keep-alive')
           or lower(h.key) like 'proxy-%'
        limit 1);
begin
    if bad is not null then
        raise exception 'header "%" is set by the sender itself', bad using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _has_header(headers, name): in any letter case, and not null. name: in lower case.
create or replace function net._has_header(headers jsonb, name text)
returns boolean language sql immutable set search_path = pg_catalog, pg_temp as $$
    select exists (select from jsonb_each(headers) h where lower(h.key) = name and h.value <> 'null');
$$;

-- _json_headers(headers): those of net.http_post, whose content type is application/json, and no other. P0001 for another.
create or replace function net._json_headers(headers jsonb)
returns jsonb language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    given text;
begin
    perform net._check_headers(headers);
    select h.value into given from jsonb_each_text(headers) h where lower(h.key) = 'content-type' limit 1;
    if given is null then
        return coalesce(headers, '{}') || '{"Content-Type": "application/json"}';
    elsif given <> 'application/json' then
        raise exception 'Content-Type header must be "application/json"' using errcode = 'raise_exception';
    end if;
    return headers;
end
$$;
