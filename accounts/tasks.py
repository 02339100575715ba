"""What accounts does in the background. The beat schedule is in settings.

Services promise mails, and whoever promises one sends the task of this module: so services are
imported by the tasks that run them, not here.
"""

from __future__ import annotations

from celery import shared_task

from accounts import delivery
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
    from accounts import evidence

    evidence.rescan_held()


@shared_task(ignore_result=True)
def tidy_evidence() -> None:
    """Delete stored files that belong to no evidence."""
    from accounts import evidence

    evidence.tidy_up()


@shared_task(ignore_result=True)
def write_digests() -> None:
    """Promise the daily mails of those whose hour has come."""
    from accounts import digest

    digest.write_digests()


@shared_task(ignore_result=True)
def forget_notifications() -> None:
    """Delete notifications that nobody reads any more."""
    from accounts import notices

    while notices.forget_old():
        pass


@shared_task(ignore_result=True)
def watch_certificates() -> None:
    """Remind of certificates that run out, and close those that have."""
    from accounts import certification

    certification.watch_certificates()
