"""The demo's worker: `hanjul worker hanjul.demo.mailer:app`. A plain function delivers one e-mail by SMTP."""

import os
import smtplib

from hanjul.app import App
from hanjul.demo.mails import Mail

QUEUE = "demo_mails"
CONCURRENCY = 8
PREFETCH = 32
LEASE_S = 5.0
"""Short, so that the demo need not wait long for what a killed worker held."""

app = App()


@app.consumer(QUEUE, concurrency=CONCURRENCY, prefetch=PREFETCH, lease_s=LEASE_S)
def deliver(mail: Mail) -> None:
    """Hand one e-mail to the SMTP server, and tell it which worker this is."""
    host, port = os.environ["HANJUL_DEMO_SMTP"].split(":")
    with smtplib.SMTP(host, int(port), local_hostname=f"worker-{os.getpid()}", timeout=10) as smtp:
        smtp.sendmail(mail.sender, [mail.to], mail.raw.encode("ascii"))
