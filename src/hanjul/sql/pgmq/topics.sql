-- Topics: patterns bound to queues. A routing key such as logs.error.db reaches every queue with a binding that matches.
-- `*` is one or more characters without a dot, `#` any characters, also none; so logs.# does not match logs, as in PGMQ.

-- _validate_topic(what, topic, allowed, allowed_words): what keys and patterns have in common: length, characters, dots.
create or replace function pgmq._validate_topic(what text, topic text, allowed text, allowed_words text)
returns void language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if topic is null or topic = '' then
        raise exception '% cannot be NULL or empty', what;
    elsif char_length(topic) > 255 then
        raise exception '% length cannot exceed 255 characters, got % characters', what, char_length(topic);
    elsif topic !~ allowed then
        raise exception '% contains invalid characters. Only % are allowed. Got: %', what, allowed_words, topic;
    elsif topic like '.%' then
        raise exception '% cannot start with a dot. Got: %', what, topic;
    elsif topic like '%.' then
        raise exception '% cannot end with a dot. Got: %', what, topic;
    elsif topic like '%..%' then
        raise exception '% cannot contain consecutive dots. Got: %', what, topic;
    end if;
end
$$;

-- validate_routing_key(routing_key): true, or an error that says why not.
create or replace function pgmq.validate_routing_key(routing_key text)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_topic('routing_key', routing_key, '^[a-zA-Z0-9._-]+$',
                                 'alphanumeric, dots, hyphens, and underscores');
    return true;
end
$$;

-- validate_topic_pattern(pattern): true, or an error that says why not.
create or replace function pgmq.validate_topic_pattern(pattern text)
returns boolean language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq._validate_topic('pattern', pattern, '^[a-zA-Z0-9._*#-]+$',
                                 'alphanumeric, dots, hyphens, underscores, *, and #');
    if pattern like '%**%' then
        raise exception 'pattern cannot contain consecutive stars (**). Use # for multi-segment matching. Got: %', pattern;
    elsif pattern like '%##%' then
        raise exception 'pattern cannot contain consecutive hashes (##). A single # already matches zero or more segments. Got: %',
            pattern;
    elsif pattern like '%*#%' or pattern like '%#*%' then
        raise exception 'pattern cannot contain adjacent wildcards (*# or #*). Separate wildcards with dots. Got: %', pattern;
    end if;
    return true;
end
$$;

-- bind_topic(pattern, queue_name): from now on; again is no error. The queue's name in the spelling of its creation.
create or replace function pgmq.bind_topic(pattern text, queue_name text)
returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.validate_topic_pattern(pattern);
    if queue_name is null or queue_name = '' then
        raise exception 'queue_name cannot be NULL or empty';
    elsif not exists (select from pgmq.meta m where m.queue_name = bind_topic.queue_name) then
        raise exception 'Queue "%" does not exist. Create the queue first using pgmq.create()', queue_name;
    end if;
    insert into pgmq.topic_bindings (pattern, queue_name) values (bind_topic.pattern, bind_topic.queue_name)
    on conflict on constraint topic_bindings_unique_pattern_queue do nothing;
end
$$;

-- unbind_topic(pattern, queue_name): whether there was such a binding.
create or replace function pgmq.unbind_topic(pattern text, queue_name text)
returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if pattern is null or pattern = '' then
        raise exception 'pattern cannot be NULL or empty';
    elsif queue_name is null or queue_name = '' then
        raise exception 'queue_name cannot be NULL or empty';
    end if;
    delete from pgmq.topic_bindings b where b.pattern = unbind_topic.pattern and b.queue_name = unbind_topic.queue_name;
    return found;
end
$$;

create or replace function pgmq.list_topic_bindings()
returns table (pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query select b.pattern, b.queue_name, b.bound_at, b.compiled_regex from pgmq.topic_bindings b
                 order by b.bound_at desc, b.pattern, b.queue_name;
end
$$;

-- in SQL, where an argument and a column of the result may share a name
create or replace function pgmq.list_topic_bindings(queue_name text)
returns table (pattern text, queue_name text, bound_at timestamp with time zone, compiled_regex text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select b.pattern, b.queue_name, b.bound_at, b.compiled_regex from pgmq.topic_bindings b
    where b.queue_name = $1
    order by b.bound_at desc, b.pattern;
$$;

-- test_routing(routing_key): the bindings that a message with this key would take.
create or replace function pgmq.test_routing(routing_key text)
returns table (pattern text, queue_name text, compiled_regex text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform pgmq.validate_routing_key(routing_key);
    return query select b.pattern, b.queue_name, b.compiled_regex from pgmq.topic_bindings b
                 where routing_key ~ b.compiled_regex
                 order by b.pattern, b.queue_name;
end
$$;

-- _queues_of(routing_key): the queues that it reaches, each once, in the order of their names.
create or replace function pgmq._queues_of(routing_key text)
returns setof text language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query select distinct b.queue_name from pgmq.topic_bindings b where routing_key ~ b.compiled_regex
                 order by b.queue_name;
end
$$;
