"""Row-level security on a queue's table: every call works, and shows a tenant only its own messages."""

import pytest

CALLS = {  # call -> what tenant `a` sees of it, whose messages are 1, 3, 5; those of `b` are 2, 4, 6
    "array_agg(msg_id) from pgmq.read('mail', 30, 9)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.read('mail', 30, 9, '{}')": [1, 3, 5],
    "array_agg(msg_id) from pgmq.read('mail', 30, 9, '{\"of\": \"b\"}')": None,
    "array_agg(msg_id) from pgmq.read_with_poll('mail', 30, 9, 0)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.read_grouped('mail', 30, 9)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.read_grouped_rr('mail', 30, 9)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.read_grouped_head('mail', 30, 9)": [1],
    "array_agg(msg_id) from pgmq.peek('mail', 9)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.pop('mail', 9)": [1, 3, 5],
    "array_agg(msg_id) from pgmq.set_vt('mail', '{1, 2}'::bigint[], 30)": [1],
    "array_agg(delete) from pgmq.delete('mail', '{1, 2}'::bigint[])": [1],
    "array_agg(delete) from pgmq.delete('mail', 2)": [False],
    "array_agg(archive) from pgmq.archive('mail', '{1, 2}'::bigint[])": [1],
    "array_agg(msg_id) from hanjul.claim('mail', 30, 9)": [1, 3, 5],
    "array_agg(msg_id) from hanjul.claim_groups('mail', 30, 9)": [1],
    "array_agg(msg_id) from hanjul.ack('mail', '{1, 2}', '{1, 1}')": [2],  # refused
    "array_agg(msg_id) from hanjul.ack('mail', '{1, 2}', '{1, 1}', true)": [2],
    "array_agg(msg_id) from hanjul.nack('mail', '{1, 2}', '{1, 1}', '{0, 0}')": [2],
    "array_agg(msg_id) from hanjul.release('mail', '{1, 2}', '{1, 1}', '{0, 0}')": [2],
    "array_agg(msg_id) from hanjul.extend('mail', '{1, 2}', '{1, 1}', 30)": [2],
    "array_agg(msg_id) from hanjul.reject('mail', '{1, 2}', '{1, 1}', '{x, x}', '{x, x}')": [2],
    "array_agg(queue_name) from hanjul.ready('{mail}')": ["mail"],
    "array_agg(queue_name) from hanjul.ready_groups('{mail}')": ["mail"],
    "array_agg(queue_length) from pgmq.metrics('mail')": [3],
    'array_agg(s) from pgmq.send(\'mail\', \'{"of": "a"}\', \'{"x-pgmq-group": "g"}\'::jsonb) s': [7],
    "array_agg(s) from pgmq.send_batch('mail', array['{\"of\": \"a\"}']::jsonb[]) s": [7],
    "array_agg(s) from hanjul.send_many('mail', '[[{\"of\": \"a\"}, null, null]]') s": [7],
}
OWN = "message ->> 'of' = current_setting('app.tenant', true)"
MARK = "headers ->> 'x-pgmq-group' = 'g'"


@pytest.fixture(params=["another role", "the owner, who is forced"])
def tenant(mail, request):
    """A session that works as tenant `a`; the policies are those of queue and archive."""
    role = f"tenant_of_{mail.one('select current_database()')}"
    mail.run(f"create role {role}; select hanjul.grant_queue('mail', '{role}', 'consumer')")
    if request.param != "another role":
        mail.run(f"select hanjul.grant_queue('mail', '{role}', 'admin')")
    for table in ("q_mail", "a_mail"):
        mail.run(f"alter table pgmq.{table} enable row level security, force row level security")
        mail.run(f"create policy own on pgmq.{table} using ({OWN})")
    for number, name in enumerate("ababab"):
        mail.run("""select pgmq.send('mail', %s::jsonb, '{"x-pgmq-group": "g"}'::jsonb)""", f'{{"of": "{name}"}}')
        if number == 1:
            mail.run("select hanjul.claim('mail', 0, 2)")  # 1 and 2 are delivered once
    mail.run(f"set role {role}; set app.tenant = 'a'")
    yield mail
    mail.run(f"reset role; reassign owned by {role} to current_user; drop owned by {role}; drop role {role}")


def as_installer(session):
    session.run("reset role; reset app.tenant")


@pytest.mark.parametrize("call", CALLS)
def test_a_call_works_and_touches_only_the_tenants_own(tenant, call):
    assert tenant.one(f"select {call}") == CALLS[call]

    tenant.run("set app.tenant = 'b'")
    assert tenant.one("select array_agg(msg_id) from pgmq.peek('mail', 9)") == [2, 4, 6]


def test_nobody_sends_in_the_name_of_another_tenant(tenant, refused):
    for call in ("pgmq.send('mail', '{\"of\": \"b\"}')", "hanjul.send_many('mail', '[[{\"of\": \"b\"}, null, null]]')"):
        with refused("42501"):
            tenant.run(f"select {call}")


def test_the_archive_shows_a_tenant_only_its_own(tenant):
    tenant.run("select pgmq.archive('mail', 1)")

    assert tenant.column("select msg_id from pgmq.a_mail") == [1]
    tenant.run("set app.tenant = 'b'")
    assert tenant.column("select msg_id from pgmq.a_mail") == []


def test_dead_letters_are_a_tenants_own_by_a_policy_of_the_same_kind(tenant):
    role = tenant.one("select current_role")
    as_installer(tenant)
    tenant.run(f"create policy own on hanjul.dead_letter as restrictive to {role} using ({OWN})")
    tenant.run("select hanjul.reject('mail', '{1, 2}', '{1, 1}', '{x, x}', '{x, x}')")

    tenant.run(f"set role {role}; set app.tenant = 'b'")

    assert tenant.column("select msg_id from hanjul.dead_letters('mail')") == [2]
    assert len(tenant.column("select hanjul.redrive('mail')")) == 1
    tenant.run("set app.tenant = 'a'")
    assert tenant.column("select msg_id from hanjul.dead_letters('mail')") == [1]


def owner_sees_all(session):
    """Rounds run as the owner: one from whom policies hide messages, as from his tenants, has none."""
    return session.one("select relowner::regrole::text <> current_role from pg_class where oid = 'pgmq.q_mail'::regclass")


def tidy(session):
    for _ in range(60):
        session.run('select pgmq."tidy.mail"(), pgmq."missed.mail"()')


def test_the_scan_bound_that_one_tenant_moves_hides_nothing_from_another(tenant):
    tenant.run("select pgmq.pop('mail', 9)")
    tidy(tenant)
    tenant.run("select pgmq.send('mail', '{\"of\": \"a\"}'), pgmq.pop('mail', 9)")
    tidy(tenant)

    tenant.run("set app.tenant = 'b'")

    assert tenant.column("select msg_id from pgmq.read('mail', 30, 9)") == [2, 4, 6]


def test_the_scan_bound_moves_past_what_all_tenants_have_finished(tenant):
    for name in ("a", "b"):
        tenant.run(f"set app.tenant = '{name}'")
        tenant.run("select pgmq.pop('mail', 9)")

    tidy(tenant)

    assert tenant.one("select last_value from pgmq.b_mail") == (7 if owner_sees_all(tenant) else 0)


def test_messages_that_one_tenant_has_parked_come_back_to_another(tenant):
    role = tenant.one("select current_role")
    as_installer(tenant)
    tenant.run("insert into pgmq.q_mail (vt, message) select now() + '1 hour', '{\"of\": \"b\"}' from generate_series(1, 3000)")
    tenant.run(f"set role {role}; set app.tenant = 'a'")
    for _ in range(50):
        tenant.run('select pgmq."park.mail"()')
    parked = owner_sees_all(tenant)
    as_installer(tenant)
    assert tenant.one("select count(*) from pgmq.q_mail where due is not null") == (3000 if parked else 0)
    tenant.run("update pgmq.q_mail set due = vt where due is null and vt > now()")
    tenant.run("update pgmq.q_mail set vt = now() where msg_id in (7, 2000)")

    tenant.run(f"set role {role}; set app.tenant = 'b'")

    assert tenant.column("select msg_id from pgmq.read('mail', 30, 9)") == [2, 4, 6, 7, 2000]
    tenant.run("set app.tenant = 'a'")
    assert tenant.column("select msg_id from pgmq.read('mail', 30, 9)") == [1, 3, 5]
