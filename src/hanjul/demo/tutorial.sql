CREATE EXTENSION IF NOT EXISTS pgmq;
SELECT pgmq.create_queue('email_jobs');
SELECT pgmq.send('email_jobs', jsonb_build_object('to','user@example.com','subject','Welcome!','body','Thank you for signing up.'));
SELECT * FROM pgmq.read('email_jobs', 30, 1);
SELECT * FROM pgmq.pop('email_jobs');
SELECT * FROM pgmq.q_info('email_jobs');
