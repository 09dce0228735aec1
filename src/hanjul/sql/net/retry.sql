-- Policies of retries: {"max_attempts": 5, "base_s": 1, "cap_s": 3600, "jitter": 0.1, "schedule_s": [5, 300], "statuses": [429, 503],
-- "errors": true, "max_age_s": 86400, "retry_after": true}. What is left out is at its default; schedule_s takes the place of
-- base_s and cap_s. Senders judge by them (net/retry.py); here they are checked when they are written down.

-- _check_retry(retry): 22023 naming what no policy can have; null is none, and fine.
create or replace function net._check_retry(retry jsonb)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    fields constant text[] := '{max_attempts,base_s,cap_s,jitter,schedule_s,statuses,errors,max_age_s,retry_after}';
    unknown text;
begin
    if retry is null then
        return;
    elsif octet_length(retry::text) > 65536 then
        raise exception 'retry must have at most 64 KiB as JSON, not % bytes', octet_length(retry::text) using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(retry) <> 'object' then
        raise exception 'retry must be a JSON object, not %', net._json_kind(retry) using errcode = 'invalid_parameter_value';
    end if;
    select k into unknown from jsonb_object_keys(retry - fields) k limit 1;
    if found then
        raise exception 'retry has no field "%"', unknown
            using errcode = 'invalid_parameter_value', hint = 'Fields are: ' || array_to_string(fields, ', ');
    end if;
    perform net._refuse_request(net._retry_problem(retry));
end
$$;

-- _is_number(value, lowest, highest, whole): whether it is one within these bounds; null if it is not given.
create or replace function net._is_number(value jsonb, lowest numeric, highest numeric, whole boolean default false)
returns boolean language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when value is null then null
                when jsonb_typeof(value) <> 'number' then false
                else value::numeric between lowest and highest and (not whole or value::numeric = trunc(value::numeric)) end;
$$;

-- _are_numbers(value, fewest, most, lowest, highest, whole): whether it is a list of so many numbers within these bounds.
create or replace function net._are_numbers(
    value jsonb, fewest integer, most integer, lowest numeric, highest numeric, whole boolean default false)
returns boolean language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when value is null then null
                when jsonb_typeof(value) <> 'array' then false
                else jsonb_array_length(value) between fewest and most
                     and not exists (select from jsonb_array_elements(value) e where not net._is_number(e, lowest, highest, whole)) end;
$$;

-- _retry_problem(retry): what is impossible about a policy, whose fields are known ones; null if nothing.
create or replace function net._retry_problem(retry jsonb)
returns text language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('retry.%s must be %s, not %s', f.name, f.must_be, left((retry -> f.name)::text, 200))
    from (values
        ('max_attempts', 'an integer from 1 to 1000', net._is_number(retry -> 'max_attempts', 1, 1000, true)),
        ('base_s', 'a number from 0 to 31536000', net._is_number(retry -> 'base_s', 0, 31536000)),
        ('cap_s', 'a number from 0 to 31536000', net._is_number(retry -> 'cap_s', 0, 31536000)),
        ('jitter', 'a number from 0 to 1', net._is_number(retry -> 'jitter', 0, 1)),
        ('max_age_s', 'a number from 0 to 315360000 (ten years)', net._is_number(retry -> 'max_age_s', 0, 315360000)),
        ('retry_after', 'true or false', jsonb_typeof(retry -> 'retry_after') = 'boolean'),
        ('schedule_s', 'a list of 1 to 999 numbers from 0 to 31536000', net._are_numbers(retry -> 'schedule_s', 1, 999, 0, 31536000)),
        ('statuses', 'a list of HTTP statuses or "non-2xx"',
         retry -> 'statuses' = '"non-2xx"' or net._are_numbers(retry -> 'statuses', 0, 500, 100, 599, true)),
        ('errors', 'true, false, or a list out of "dns", "connect", "tls", "timeout", "protocol" and "too_large"',
         retry -> 'errors' <@ '["dns", "connect", "tls", "timeout", "protocol", "too_large"]' and jsonb_typeof(retry -> 'errors') = 'array'
         or jsonb_typeof(retry -> 'errors') = 'boolean')) f (name, must_be, is_so)
    where not f.is_so
    union all
    select 'retry.schedule_s takes the place of base_s and cap_s: give it or them'
    where jsonb_exists(retry, 'schedule_s') and (jsonb_exists(retry, 'base_s') or jsonb_exists(retry, 'cap_s'))
    limit 1;
$$;

-- _max_attempts(retry): how many attempts a policy allows; 1 without one.
create or replace function net._max_attempts(retry jsonb)
returns integer language sql immutable
return case when retry is null then 1
            else coalesce((retry ->> 'max_attempts')::numeric::integer, jsonb_array_length(retry -> 'schedule_s') + 1, 5) end;

-- _check_options(options): 22023 naming what no request can have; null is none, and fine.
create or replace function net._check_options(options jsonb)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    unknown text;
begin
    if options is null then
        return;
    elsif octet_length(options::text) > 65536 then
        raise exception 'options must have at most 64 KiB as JSON, not % bytes', octet_length(options::text) using errcode = 'invalid_parameter_value';
    elsif jsonb_typeof(options) <> 'object' then
        raise exception 'options must be a JSON object, not %', net._json_kind(options) using errcode = 'invalid_parameter_value';
    end if;
    select k into unknown from jsonb_object_keys(options - '{max_response_bytes,max_redirects}'::text[]) k limit 1;
    if found then
        raise exception 'options has no field "%"', unknown
            using errcode = 'invalid_parameter_value', hint = 'Fields are: max_response_bytes, max_redirects';
    end if;
    perform net._refuse_request((
        select format('options.%s must be an integer from 0 to %s, not %s', o.name, o.highest, left((options -> o.name)::text, 200))
        from (values ('max_response_bytes', 268435456), ('max_redirects', 50)) o (name, highest)
        where not net._is_number(options -> o.name, 0, o.highest, true)
        limit 1));
end
$$;
