"""How KeQiao differs from allauth's defaults."""

from __future__ import annotations

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.utils.translation import gettext as _

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Keeps a page working when the mail server does not answer, and says so."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException):
            logger.exception("A mail of the kind %s could not be sent.", template_prefix)
            if self.request is not None:
                messages.error(
                    self.request,
                    _("The e-mail could not be sent just now. Please try again in some minutes."),
                )
