"""pgmq.metrics, metrics_all, list_queues and q_info: sections 12 and 14 of the contract."""

METRICS = [
    "queue_name", "queue_length", "newest_msg_age_sec", "oldest_msg_age_sec",
    "total_messages", "scrape_time", "queue_visible_length", "default_partition_length",
]  # fmt: skip


def columns(session, query):
    return [column.name for column in session.connection.execute(query).description]


def test_an_empty_queue_counts_nothing_and_has_no_ages(mail):
    assert mail.rows("select * from pgmq.metrics('mail') where scrape_time = now()")[0][:5] == ("mail", 0, None, None, 0)
    assert mail.rows("select queue_visible_length, default_partition_length from pgmq.metrics('mail')") == [(0, None)]


def test_the_columns_are_those_of_pgmq_in_order(mail):
    assert columns(mail, "select * from pgmq.metrics('mail')") == METRICS
    assert columns(mail, "select * from pgmq.metrics_all()") == METRICS
    assert columns(mail, "select * from pgmq.list_queues()") == ["queue_name", "is_partitioned", "is_unlogged", "created_at"]


def test_lengths_ages_and_totals_are_exact(mail):
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 5) n))")
    mail.run("select pgmq.read('mail', 30, 1)")
    mail.run("select pgmq.delete('mail', 2)")
    mail.run("update pgmq.q_mail set enqueued_at = now() - make_interval(secs => 100 - msg_id)")

    mail.run("begin")
    mail.run("update pgmq.q_mail set enqueued_at = now() - make_interval(secs => 100 - msg_id)")
    [row] = mail.rows("select * from pgmq.metrics('mail')")

    assert row[:5] == ("mail", 4, 95, 99, 5)
    assert row[6:] == (3, None)


def test_the_total_survives_deletes_and_purges(mail):
    mail.run("select pgmq.send('mail', '1')")
    mail.run("select pgmq.pop('mail')")
    mail.run("select pgmq.purge_queue('mail')")

    assert mail.rows("select queue_length, total_messages from pgmq.metrics('mail')") == [(0, 1)]


def test_the_name_comes_back_as_it_was_passed_in(mail):
    assert mail.one("select queue_name from pgmq.metrics('MAIL')") == "MAIL"


def test_metrics_all_has_a_row_a_queue(mail):
    mail.run("select pgmq.create('post')")
    mail.run("select pgmq.send('post', '1')")

    assert mail.rows("select queue_name, queue_length from pgmq.metrics_all()") == [("mail", 0), ("post", 1)]


def test_metrics_all_leaves_out_a_queue_whose_table_is_gone(mail):
    mail.run("select pgmq.create('post')")
    mail.run("drop table pgmq.q_post")

    assert mail.column("select queue_name from pgmq.metrics_all()") == ["mail"]


def test_metrics_all_leaves_out_a_queue_that_is_dropped_while_it_counts(mail, connect, blocked):
    other = connect()
    mail.run("select pgmq.create('post')")
    mail.run("begin")
    mail.run("select pgmq.drop_queue('mail')")

    counted = other.later("select queue_name from pgmq.metrics_all()")
    blocked(other)
    mail.run("commit")

    assert counted.result(10) == [("post",)]


def test_a_queue_whose_table_is_gone_can_still_be_dropped(mail):
    mail.run("drop table pgmq.q_mail")

    assert mail.one("select pgmq.drop_queue('mail')") is True
    assert mail.rows("select to_regclass('pgmq.a_mail')") == [(None,)]


def test_looking_waits_for_no_row_lock(mail, connect):
    other = connect()
    mail.run("select pgmq.send('mail', '1')")
    mail.run("begin")
    mail.run("select pgmq.read('mail', 30, 1)")

    other.run("set lock_timeout = '1s'")

    assert other.rows("select queue_length, queue_visible_length from pgmq.metrics('mail')") == [(1, 1)]
    assert other.column("select msg_id from pgmq.peek('mail')") == [1]
    assert len(other.rows("select * from pgmq.q_info('mail')")) == 1


def test_q_info_adds_how_the_rest_stands(mail):
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 5) n))")
    mail.run("select pgmq.send('mail', '6', 60)")
    mail.run("select pgmq.archive('mail', 1)")
    mail.run("select pgmq.read('mail', 30, 2)")

    more = ["in_flight_length", "delayed_length", "archived_messages", "is_partitioned", "is_unlogged", "created_at"]
    assert columns(mail, "select * from pgmq.q_info('mail')") == METRICS + more
    [row] = mail.rows("""
        select queue_name, queue_length, queue_visible_length, in_flight_length, delayed_length, archived_messages,
               is_partitioned, is_unlogged, created_at <= now()
        from pgmq.q_info('mail')""")
    assert row == ("mail", 5, 2, 2, 1, 1, False, False, True)


def test_a_long_queue_is_estimated_and_not_counted(mail, connect):
    """Weak spot 11."""
    sender = connect()
    sender.run(
        "insert into pgmq.q_mail (vt, message) select now() + interval '1 hour' * (n % 2), '1' from generate_series(1, 300000) n"
    )
    sender.close()  # its statistics go with it: reported after the analyze, they would count twice
    while mail.rows("select from pg_stat_activity where pid = %s", sender.pid):
        pass
    mail.run("analyze pgmq.q_mail")
    mail.run("begin")
    read = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'q_mail'"

    [(length, visible)] = mail.rows("select queue_length, queue_visible_length from pgmq.metrics('mail')")
    looked_at = mail.one(read)
    mail.run("rollback")

    assert 270_000 <= length <= 330_000
    assert 0.4 <= visible / length <= 0.6
    assert looked_at <= 210_000
