"""The demo's worker: `hanjul worker hanjul.demo.mailer:app`. A plain function delivers one e-mail by SMTP."""

import os
import signal
import smtplib
import threading

from hanjul.app import App
from hanjul.demo.mails import Mail

QUEUE = "demo_mails"
SMTP = "HANJUL_DEMO_SMTP"
CONCURRENCY = 8
PREFETCH = 32
LEASE_S = 5.0
"""Short, so that the demo need not wait long for what a killed worker held."""

app = App()


def stop_with_the_demo() -> None:
    """Wait for the end of standard input, which the demo holds open: however it ends, its workers end too."""
    while os.read(0, 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


if SMTP in os.environ:  # we are a worker of the demo, not the demo
    threading.Thread(target=stop_with_the_demo, daemon=True).start()


@app.consumer(QUEUE, concurrency=CONCURRENCY, prefetch=PREFETCH, lease_s=LEASE_S)
def deliver(mail: Mail) -> None:
    """Hand one e-mail to the SMTP server, and tell it which worker this is."""
    host, port = os.environ[SMTP].split(":")
    with smtplib.SMTP(host, int(port), local_hostname=f"worker-{os.getpid()}", timeout=10) as smtp:
        smtp.sendmail(mail.sender, [mail.to], mail.raw.encode("ascii"))
