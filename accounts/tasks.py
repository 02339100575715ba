"""What accounts does in the background: its mails. The beat schedule is in settings."""

from __future__ import annotations

from celery import shared_task

from accounts import delivery, verification
from accounts.broker import send


@shared_task(ignore_result=True)
def deliver_mail(mail_id: int) -> None:
    """Send one mail of the outbox. Safe to run twice; what fails is tried again by the sweep."""
    delivery.deliver(mail_id=mail_id)


@shared_task(ignore_result=True)
def sweep_mails() -> None:
    """Find mails whose message was lost, and those to be tried again; forget old ones."""
    for mail_id in delivery.waiting():
        if not send(deliver_mail, mail_id):
            break
    delivery.forget_old()


@shared_task(ignore_result=True)
def sweep_evidence() -> None:
    """Scan evidence that was held back."""
    verification.rescan_held()


@shared_task(ignore_result=True)
def tidy_evidence() -> None:
    """Delete stored files that belong to no evidence."""
    verification.tidy_up()
