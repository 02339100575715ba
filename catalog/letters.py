"""What catalog writes to people. Each function makes the letter of one stored mail, or none.

A mail leaves the site: it holds what everybody may read of a listing, and nothing else.
"""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.delivery import Letter
from accounts.mail import absolute
from accounts.models import OutboxMail
from accounts.permissions import writable_organizations
from accounts.site import site_name
from accounts.templatetags.kq import day
from catalog.links import is_open, still_true_link, unsubscribe_link
from catalog.models import ListingReminder, ReminderStage
from catalog.services.watching import told


def reminder(mail: OutboxMail) -> Letter | None:
    """Ask whether listings are still true; what was answered meanwhile is left out."""
    rows = ListingReminder.objects.filter(pk__in=mail.payload["reminders"])
    own = set(writable_organizations(mail.user).values_list("pk", flat=True))
    reminders = [
        row
        for row in rows.select_related("demand", "achievement").order_by("valid_until", "pk")
        if is_open(row) and row.listing.owner_id in own
    ]
    if not reminders:
        return None
    first, count = reminders[0], len(reminders) + mail.payload["more"]
    expired = mail.payload["stage"] == ReminderStage.EXPIRED
    kinds = {row.listing.kind for row in reminders}
    words = {"title": first.listing.title, "day": day(first.valid_until), "count": count}
    if count == 1 and expired:
        subject = _("“%(title)s” has left the list: is it still true?") % words
    elif count == 1:
        subject = _("“%(title)s” is valid until %(day)s: is it still true?") % words
    elif expired:
        subject = _("%(count)d of your listings have left the list: are they still true?") % words
    else:
        subject = _("%(count)d of your listings run out soon: are they still true?") % words
    return Letter(
        subject=f"{subject} · {site_name()}",
        template="catalog/mails/reminder",
        context={
            "expired": expired,
            "items": [
                {
                    "title": row.listing.title,
                    "number": row.listing.number,
                    "day": day(row.valid_until),
                    "link": still_true_link(row, mail.user),
                    "page": absolute(row.listing.get_absolute_url()),
                }
                for row in reminders
            ],
            "more": mail.payload["more"],
            "lists": [
                absolute(f"{reverse(f'my_{kind}s')}?status=ending&sort=ends")
                for kind in sorted(kinds)
            ],
        },
    )


def search_news(mail: OutboxMail) -> Letter | None:
    """Tell what is new in saved searches, as far as it still is."""
    news = told(mail.user, mail.payload)
    if not news:
        return None
    count = sum(of_search.count for of_search in news)
    if len(news) == 1:
        subject = ngettext(
            "%(count)d new in your search “%(name)s”",
            "%(count)d new in your search “%(name)s”",
            count,
        ) % {"count": count, "name": news[0].search.name}
    else:
        subject = _("%(count)d new in %(searches)d of your searches") % {
            "count": count,
            "searches": len(news),
        }
    return Letter(
        subject=f"{subject} · {site_name()}",
        template="catalog/mails/search_news",
        context={
            "news": [
                {
                    "name": of_search.search.name,
                    "count": of_search.count,
                    "more": of_search.count - len(of_search.listings),
                    "page": absolute(of_search.search.get_absolute_url()),
                    "listings": [
                        {
                            "title": listing.title,
                            "number": listing.number,
                            "summary": listing.summary,
                            "region": listing.region_label(),
                            "industry": listing.industry_label(),
                            "page": absolute(listing.get_absolute_url()),
                        }
                        for listing in of_search.listings
                    ],
                }
                for of_search in news
            ],
            "manage": absolute(reverse("saved_searches")),
        },
        unsubscribe=unsubscribe_link(mail.user),
    )
