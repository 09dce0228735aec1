"""Real e-mails: RFC 5322 messages with Korean subjects and an attachment, built by the standard library."""

from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

DOMAIN = "shop.example"
SUBJECTS = [
    "가입을 환영합니다",
    "주문이 접수되었습니다",
    "배송이 시작되었습니다",
    "비밀번호가 변경되었습니다",
    "이번 달 영수증입니다",
]
BODY = "안녕하세요, {number}번 고객님.\n\n{subject}.\n첨부한 영수증을 확인해 주세요.\n\n감사합니다.\n"
RECEIPT = "품목,수량,금액\n공책,{count},{price}\n연필,2,1800\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail as it waits in the queue.  raw: the whole message, in ASCII."""

    message_id: str
    sender: str
    to: str
    raw: str


def mail(number: int) -> Mail:
    """The number-th e-mail of the demo."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))  # JSON carries text: no bare 8-bit bytes
    message["Message-ID"] = f"<{number}@{DOMAIN}>"
    message["From"] = f"한줄 상점 <no-reply@{DOMAIN}>"
    message["To"] = f"user{number}@example.com"
    message["Subject"] = f"{subject} ({number})"
    message.set_content(BODY.format(number=number, subject=subject))
    receipt = RECEIPT.format(count=1 + number % 7, price=1500 * (1 + number % 7))
    message.add_attachment(receipt.encode(), maintype="text", subtype="csv", filename="영수증.csv")
    return Mail(str(message["Message-ID"]), f"no-reply@{DOMAIN}", str(message["To"]), message.as_bytes().decode("ascii"))
