-- Secrets: values that requests name. Only who sends can read them, and sends them nowhere but to their hosts.

-- set_secret(name, value, hosts): make it, or put another value in its place at once.
create or replace function net.set_secret(name text, value text, hosts text[])
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_secret(name, value);
    perform net._check_secret_hosts(name, hosts);
    insert into net.secret as s (name, value, hosts)
    values (set_secret.name, set_secret.value, array(select lower(h) from unnest(set_secret.hosts) h))
    on conflict on constraint secret_pkey
    do update set value = excluded.value, hosts = excluded.hosts, former = null, former_until = null, changed = clock_timestamp();
end
$$;

-- rotate_secret(name, value, keep): another value; signatures are made with the one before, too, for as long as `keep`.
create or replace function net.rotate_secret(name text, value text, keep interval default '24 hours')
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform net._check_secret(name, value);
    if (keep >= interval '0' and keep <= interval '1 year') is not true then
        raise exception 'keep must be between 0 and a year, not %', coalesce(keep::text, 'NULL') using errcode = 'invalid_parameter_value';
    end if;
    update net.secret s
    set former = s.value, former_until = clock_timestamp() + keep, value = rotate_secret.value, changed = clock_timestamp()
    where s.name = rotate_secret.name;
    if not found then
        raise exception 'there is no secret %', quote_literal(rotate_secret.name) using errcode = 'no_data_found',
            hint = 'select net.set_secret(name, value, hosts)';
    end if;
end
$$;

-- drop_secret(name): requests that name it fail from now on. False if there was none.
create or replace function net.drop_secret(name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from net.secret s where s.name = drop_secret.name;
    return found;
end
$$;

-- secrets_for(names): for senders.
create or replace function net.secrets_for(names text[])
returns table (name text, value text, former text, hosts text[]) language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.name, s.value, case when s.former_until > clock_timestamp() then s.former end, s.hosts
    from net.secret s where s.name = any (names);
$$;

-- _check_secret(name, value): 22023 for what cannot be one. The value is never shown.
create or replace function net._check_secret(name text, value text)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if (name ~ '^[A-Za-z0-9_.-]{1,100}$') is not true then
        raise exception 'a secret needs a name of 1 to 100 letters, digits, dots, _ and -, not %', coalesce(quote_literal(left(name, 120)), 'NULL')
            using errcode = 'invalid_parameter_value';
    elsif (length(value) between 1 and 8000 and value !~ '[\r\n]') is not true then
        raise exception 'the value of secret % must be 1 to 8000 characters without line breaks', quote_literal(name)
            using errcode = 'invalid_parameter_value';
    elsif value like 'whsec\_%' and value !~ '^whsec_[A-Za-z0-9+/]{16,}={0,2}$' then
        raise exception 'the value of secret % must be whsec_ and base64', quote_literal(name) using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- _check_secret_hosts(name, hosts): 22023 unless they are host names, or *.names.
create or replace function net._check_secret_hosts(name text, hosts text[])
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    host text;
begin
    if coalesce(cardinality(hosts), 0) = 0 then
        raise exception 'secret % needs the hosts that it may go to, as in array[''api.example.com'']', quote_literal(name)
            using errcode = 'invalid_parameter_value';
    end if;
    foreach host in array hosts loop
        if (host ~* '^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$' or host ~* '^\[[0-9a-f:.]+\]$') is not true then
            raise exception 'secret %: % is not a host name; allowed are api.example.com, *.example.com and addresses', quote_literal(name),
                coalesce(quote_literal(left(host, 120)), 'NULL') using errcode = 'invalid_parameter_value';
        end if;
    end loop;
end
$$;
