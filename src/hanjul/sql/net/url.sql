-- URLs: checked and rebuilt as libcurl does it, so that what is stored is what is sent. Everything here is pure, and
-- called by roles that have no right but to enqueue.

-- _urlencode_string(string): percent-encoded UTF-8, all but A-Z a-z 0-9 - . _ ~; null for null.
create or replace function net._urlencode_string(string varchar)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    kept constant text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~';
    utf8 bytea := convert_to(string, 'UTF8');
begin
    if string ~ '^[A-Za-z0-9._~-]*$' then
        return string;
    end if;
    return (
        select string_agg(case when b.byte > 127 or strpos(kept, chr(b.byte & 127)) = 0 then '%' || upper(lpad(to_hex(b.byte), 2, '0'))
                               else chr(b.byte & 127) end, '' order by b.n)
        from (select n, get_byte(utf8, n) as byte from generate_series(0, octet_length(utf8) - 1) n) b);
end
$$;

-- _encode_url_with_params_array(url, params_array): the URL, rebuilt, with these `key=value` texts added to its query as
-- they are; nulls are left out. XX000 `invalid URL "...": reason` if it is none.
create or replace function net._encode_url_with_params_array(url text, params_array text[])
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    fragment text;
    whole text := url;
    param text;
begin
    if url is null then
        return null;
    end if;
    if not net._is_plain_url(url) then
        whole := net._rebuild_url(url);
        fragment := substr(whole, nullif(strpos(whole, '#'), 0));
        whole := split_part(whole, '#', 1);
    end if;
    foreach param in array coalesce(params_array, '{}') loop
        continue when param is null;
        whole := whole || case when strpos(whole, '?') = 0 then '?' when right(whole, 1) in ('?', '&') then '' else '&' end || param;
    end loop;
    return whole || coalesce(fragment, '');
end
$$;

-- _url(url, params): what is stored of http_get('...', '{...}'), by those whose URL is not plain or who have params.
-- params: a JSON object or null; 22023 otherwise. Pairs whose value is null are left out.
create or replace function net._url(url text, params jsonb)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if params is not null and jsonb_typeof(params) <> 'object' then
        raise exception 'params must be a JSON object, not %', net._json_kind(params) using errcode = 'invalid_parameter_value';
    end if;
    return net._encode_url_with_params_array(
        url, array(select net._urlencode_string(p.key) || '=' || net._urlencode_string(p.value) from jsonb_each_text(params) p));
end
$$;

-- _check_url_size(url): 22023 if it is longer than a URL may be; null, without being called, for null.
create or replace function net._check_url_size(url text)
returns void language plpgsql immutable strict set search_path = pg_catalog, pg_temp as $$
begin
    if octet_length(url) > 262144 then
        raise exception 'url must have at most 256 KiB, not % bytes', octet_length(url)
            using errcode = 'invalid_parameter_value', hint = 'Send what is long as a body.';
    end if;
end
$$;

-- _is_plain_url(url): whether it is stored as it is given: nothing about it would be normalised. One expression, so that
-- it becomes part of the statement that asks.
create or replace function net._is_plain_url(url text)
returns boolean language sql immutable parallel safe
return url ~ ('^https?://(([a-z0-9_-]+[.])*[a-z_][a-z0-9_-]*|127[.]0[.]0[.]1)(:[1-9][0-9]{0,3}|:[1-5][0-9]{4})?'
              || '/([A-Za-z0-9_~!$&''()*+,;=:@%-]+([./][A-Za-z0-9_~!$&''()*+,;=:@%-]+)*/?)?'
              || '([?][A-Za-z0-9_~!$&''()*+,;=:@%/.-]+)?$');

-- _rebuild_url(url): normalised; XX000 if it is no URL of HTTP.
create or replace function net._rebuild_url(url text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    parts text[] := regexp_match(url, '^([A-Za-z][A-Za-z0-9+.-]*):(/*)([^/?#]*)([^?#]*)([?][^#]*)?(#.*)?$');
    login text;
    authority text;
    bad text;
begin
    bad := case
        when parts is null then 'Bad scheme'
        when lower(parts[1]) not in ('http', 'https') then 'Unsupported URL scheme'
        when length(parts[2]) not between 1 and 3 then 'Unsupported number of slashes following scheme'
        when parts[4] ~ '[\x01-\x20\x7f]' then 'Bad path'
        when parts[5] ~ '[\x01-\x20\x7f]' then 'Bad query'
        when parts[6] ~ '[\x01-\x20\x7f]' then 'Bad fragment'
    end;
    if bad is null then
        login := substring(parts[3] from '^[^@]*@');
        authority := coalesce(substr(parts[3], length(login) + 1), parts[3]);
        bad := case when login ~ '[\x01-\x20\x7f]' then 'Bad login part' else net._host_problem(authority) end;
    end if;
    if bad is not null then
        raise exception 'invalid URL "%": %', url, bad using errcode = 'internal_error';
    end if;
    return lower(parts[1]) || '://' || coalesce(login, '') || net._rebuild_host(authority)
           || net._rebuild_path(parts[4]) || coalesce(nullif(parts[5], '?'), '') || coalesce(nullif(parts[6], '#'), '');
end
$$;

-- _host_problem(authority): what is wrong with `host:port`; null if nothing.
create or replace function net._host_problem(authority text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    host text := substring(authority from '^(\[[^\]]*\]|[^:]*)');
    port text := substr(authority, length(host) + 1);
begin
    if host = '' then
        return 'No host part in the URL';
    elsif host like '[%' then
        if host !~* '^\[[0-9a-f:.]+(%[0-9a-z._~%-]+)?\]$' or strpos(host, ':') = 0 then
            return 'Bad IPv6 address';
        end if;
        begin
            perform split_part(trim(host, '[]'), '%', 1)::inet;
        exception when invalid_text_representation then
            return 'Bad IPv6 address';
        end;
    elsif host ~ '[\x01-\x20\x7f/:#?!@{}\[\]\\$''"^`*<>=;,+&()%|]' then
        return 'Bad hostname';
    end if;
    if port !~ '^(:[0-9]{0,50})?$' or substr(port, 2) <> '' and substr(port, 2)::numeric > 65535 then
        return 'Port number was not a decimal number between 0 and 65535';
    end if;
    return null;
end
$$;

-- _rebuild_host(authority): an IPv4 address in any of its forms as four decimal numbers, an IPv6 address in its short form.
create or replace function net._rebuild_host(authority text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    host text := substring(authority from '^(\[[^\]]*\]|[^:]*)');
    port text := substr(authority, length(host) + 2);
begin
    if host like '[%' then
        host := '[' || host(split_part(trim(host, '[]'), '%', 1)::inet) || coalesce(substring(host from '%[^\]]+'), '') || ']';
    elsif host ~* '^(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}$' then
        host := coalesce(net._ipv4(string_to_array(host, '.')), host);
    end if;
    return host || case when port = '' then '' else ':' || port::integer end;
end
$$;

-- _ipv4(parts): the address that 1 to 4 numbers make, decimal, octal or hexadecimal, of which the last fills what is left;
-- null if they make none.
create or replace function net._ipv4(parts text[])
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    n integer := cardinality(parts);
    part text;
    digit text;
    base integer;
    number numeric;
    address numeric := 0;
begin
    for i in 1 .. n loop
        part := lower(parts[i]);
        base := case when part like '0x%' then 16 when part like '0%' then 8 else 10 end;
        number := 0;
        foreach digit in array string_to_array(case base when 16 then substr(part, 3) else part end, null) loop
            if strpos('0123456789abcdef', digit) > base then
                return null;
            end if;
            number := least(number * base + strpos('0123456789abcdef', digit) - 1, 4294967296);
        end loop;
        if number >= (case when i = n then 2 ^ (8 * (5 - n)) else 256 end) then
            return null;
        end if;
        address := address + number * case when i = n then 1 else 256 ^ (4 - i) end;
    end loop;
    return host('0.0.0.0'::inet + address::bigint);
end
$$;

-- _rebuild_path(path): without `.` and `..` segments; at least `/`.
create or replace function net._rebuild_path(path text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    kept text[] := '{}';
    segments text[] := string_to_array(substr(path, 2), '/');
    segment text;
begin
    if path !~ '/\.\.?(/|$)' then
        return case when path = '' then '/' else path end;
    end if;
    foreach segment in array segments loop
        if segment = '..' then
            kept := kept[: greatest(cardinality(kept) - 1, 0)];
        elsif segment <> '.' then
            kept := kept || segment;
        end if;
    end loop;
    if segments[cardinality(segments)] in ('.', '..') then
        kept := kept || ''::text;
    end if;
    return '/' || array_to_string(kept, '/');
end
$$;

-- _json_kind(value): what it is, for error messages: `an array`.
create or replace function net._json_kind(value jsonb)
returns text language sql immutable parallel safe
return case jsonb_typeof(value) when 'object' then 'an object' when 'array' then 'an array' else 'a JSON ' || jsonb_typeof(value) end;
