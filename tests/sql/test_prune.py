"""Throwing away in batches, beside work that goes on."""


def test_a_purge_in_batches_leaves_what_somebody_is_at(mail, connect):
    """Weak spot 20."""
    mail.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[5]))")
    other = connect()
    other.run("begin")
    other.run("select pgmq.delete('mail', 2)")

    assert mail.column("select hanjul.purge('mail', 3) from generate_series(1, 2)") == [3, 1]

    other.run("rollback")
    assert mail.column("select msg_id from pgmq.q_mail") == [2]


def test_only_what_was_archived_long_ago_is_pruned_oldest_first(mail):
    mail.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[4]))")
    mail.run("select pgmq.archive('mail', '{1,2,3,4}'::bigint[])")
    mail.run("update pgmq.a_mail set archived_at = now() - interval '1 day' * (5 - msg_id)")

    assert mail.one("select hanjul.prune_archive('mail', '36 hours', 2)") == 2

    assert mail.column("select msg_id from pgmq.a_mail order by 1") == [3, 4]
    assert mail.one("select hanjul.prune_archive('mail', '36 hours', 2)") == 1


def test_dead_letters_are_pruned_also_when_their_queue_is_gone(mail):
    mail.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[2]))")
    mail.run("select hanjul.claim('mail', 30, 2)")
    mail.run("select hanjul.reject('mail', '{1,2}', '{1,1}', '{rejected,rejected}', '{no,no}')")
    mail.run("update hanjul.dead_letter set died_at = now() - interval '8 days' where msg_id = 1")
    mail.run("select pgmq.drop_queue('mail')")

    assert mail.one("select hanjul.prune_dead_letters('Mail', '7 days')") == 1

    assert mail.column("select msg_id from hanjul.dead_letter") == [2]
