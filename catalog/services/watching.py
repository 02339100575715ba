"""Saved searches: kept, counted, and told of by mail. What tasks run is in the second half.

What is new is asked with the same filters and the same search as the page asks, and with the
reader's tier of that moment; a search by meaning always finds something, so of those only what is
among the closest counts.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from accounts.mail import promise
from accounts.models import User
from accounts.permissions import active_organizations, reader_tier
from catalog.columns import read_columns
from catalog.facets import Filters, Selection
from catalog.models import (
    QUERY_STRING_LIMIT,
    SEARCHES_AT_MOST,
    Achievement,
    Alert,
    Demand,
    Listing,
    ListingEvent,
    SavedSearch,
)
from catalog.search import find
from catalog.workflow import ListingStatus

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}

BY_MAIL = {Alert.DAILY: 1, Alert.WEEKLY: 7}
# A listing is published when its transaction ends, but bears the time of its beginning: an import
# takes minutes. What is younger is told next time.
SETTLED = dt.timedelta(minutes=10)
# Nobody wants a mail at midnight.
FIRST_HOUR = 8
# Of what is new, so much is looked at; and of a search by meaning, so much of what is closest.
CANDIDATES, CLOSEST = 1000, 100
# What a page counts to, and what a mail names of one search.
COUNTED, NAMED = 99, 10
# A search is counted anew after this time.
COUNTED_FOR = dt.timedelta(minutes=30)


def filters_of(search: SavedSearch) -> Filters:
    return read_query(search.kind, search.query)


def read_query(kind: str, query: str) -> Filters:
    """Return the filters that a query string asks for; what no facet knows is dropped."""
    return Filters.read(kind, MultiValueDict(parse_qs(query)))


# --- Run by pages -------------------------------------------------------------------------------


@transaction.atomic
def save_search(*, user: User, kind: str, query: str, name: str, alert: str) -> SavedSearch:
    """Keep the filters of a list. The same filters saved again are the same search.

    Raises `ValidationError` when there are too many.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    canonical = read_query(kind, query).query_string()
    if len(canonical) > QUERY_STRING_LIMIT:
        raise ValidationError(_("These are too many filters to keep. Choose fewer."))
    search = SavedSearch.objects.filter(user=user, kind=kind, query=canonical).first()
    if search is None:
        if SavedSearch.objects.filter(user=user).count() >= SEARCHES_AT_MOST:
            raise ValidationError(
                _("You have %(count)d saved searches, which is the most. Delete one first.")
                % {"count": SEARCHES_AT_MOST}
            )
        now = timezone.now()
        search = SavedSearch(
            user=user, kind=kind, query=canonical, seen_until=now, mailed_until=now
        )
    search.name = name
    _set_alert(search, alert)
    search.save()
    return search


@transaction.atomic
def change_search(*, search: SavedSearch, name: str, alert: str) -> SavedSearch:
    search = SavedSearch.objects.select_for_update().get(pk=search.pk)
    search.name = name
    _set_alert(search, alert)
    search.save(update_fields=("name", "alert", "mail_on", "mailed_until", "new_count"))
    return search


def _set_alert(search: SavedSearch, alert: str) -> None:
    before, search.alert = search.alert, alert
    if alert == Alert.OFF:
        search.new_count = 0
    if alert not in BY_MAIL:
        search.mail_on = None
    elif search.mail_on is None or before != alert:
        search.mail_on = timezone.localdate() + dt.timedelta(days=BY_MAIL[Alert(alert)])
        if before not in BY_MAIL:
            # Mails begin now: what appeared while there were none is not news.
            search.mailed_until = timezone.now()


def mark_seen(*, search: SavedSearch) -> None:
    """Note that the reader opens the list now."""
    SavedSearch.objects.filter(pk=search.pk).update(seen_until=timezone.now(), new_count=0)


def stop_mails(*, user: User) -> int:
    """Have every saved search of `user` counted on the page only. Return how many were mailed."""
    return SavedSearch.objects.filter(user=user, alert__in=list(BY_MAIL)).update(
        alert=Alert.PAGE, mail_on=None
    )


# --- Run by tasks -------------------------------------------------------------------------------


def fresh(search: SavedSearch, *, since: dt.datetime, until: dt.datetime) -> list[int]:
    """Return what was first published between the two moments and fits, the newest or best first.

    Without what belongs to the reader's own organizations.
    """
    model, tier, filters = MODELS[search.kind], reader_tier(search.user), filters_of(search)
    before = ListingEvent.objects.filter(
        **{search.kind: OuterRef("pk")}, after=ListingStatus.PUBLISHED, created_at__lte=since
    )
    rows = (
        model.objects.live()
        .filter(published_at__gt=since, published_at__lte=until)
        .exclude(owner__in=active_organizations(search.user).values("pk"))
        .filter(~Exists(before))
        .order_by("-published_at", "-pk")
    )
    candidates = list(rows.values_list("pk", flat=True)[:CANDIDATES])
    if not candidates:
        return []
    columns = read_columns(model.objects.filter(pk__in=candidates))
    fitting = set(columns["pk"][Selection(columns, filters, tier).all].tolist())
    if filters.words and fitting:
        candidates = find(search.kind, filters.words, tier=tier, limit=CLOSEST).ids
    return [pk for pk in candidates if pk in fitting]


def count_new(*, limit: int = 200) -> int:
    """Count anew what each search has for its page, the longest uncounted first."""
    now = timezone.now()
    due = SavedSearch.objects.exclude(alert=Alert.OFF).exclude(looked_at__gt=now - COUNTED_FOR)
    searches = due.filter(user__is_active=True).select_related("user")
    done = 0
    for search in searches.order_by(F("looked_at").asc(nulls_first=True), "pk")[:limit]:
        count = len(fresh(search, since=search.seen_until, until=now - SETTLED))
        # Unless its reader has opened it meanwhile.
        rows = SavedSearch.objects.filter(pk=search.pk, seen_until=search.seen_until)
        rows.update(new_count=min(count, COUNTED), looked_at=now)
        done += 1
    return done


def write_news(*, limit: int = 200) -> int:
    """Promise a mail to each reader whose day it is and for whom there is something new.

    Return how many mails.
    """
    now = timezone.localtime()
    if now.hour < FIRST_HOUR:
        return 0
    due = SavedSearch.objects.filter(mail_on__lte=now.date(), user__is_active=True)
    users = due.order_by("user").values_list("user", flat=True).distinct()[:limit]
    return sum(_write_to(user, now) for user in list(users))


def _write_to(user_id: int, now: dt.datetime) -> bool:
    until = now - SETTLED
    due = SavedSearch.objects.filter(user=user_id, mail_on__lte=now.date())
    # Found before anything is locked: a search asks a worker and may wait for it.
    found = {
        search.pk: (search.mailed_until, fresh(search, since=search.mailed_until, until=until))
        for search in due.select_related("user")
    }
    with transaction.atomic():
        news: list[dict[str, Any]] = []
        for search in due.select_for_update(of=("self",)).select_related("user").order_by("pk"):
            since, ids = found.get(search.pk, (None, []))
            if since != search.mailed_until:
                continue  # changed meanwhile, or another clock was faster
            search.mailed_until = max(since, until)
            search.mail_on = now.date() + dt.timedelta(days=BY_MAIL[Alert(search.alert)])
            search.save(update_fields=("mailed_until", "mail_on"))
            if ids:
                news.append({"search": search.pk, "ids": ids[:NAMED], "count": len(ids)})
        if not news:
            return False
        user = User.objects.get(pk=user_id)
        return promise(
            kind="search_news",
            user=user,
            key=f"search_news:{user_id}:{news[0]['search']}:{until.isoformat()}",
            payload={"searches": news, "tier": reader_tier(user)},
        )


@dataclass(frozen=True)
class News:
    """What a mail says of one search."""

    search: SavedSearch
    listings: list[Listing]
    count: int


def told(user: User, payload: dict[str, Any]) -> list[News]:
    """Return what of a promised mail may still be said, search by search.

    Nothing to somebody who may read less than when it was found: the words were looked for in
    texts that are closed to them now.
    """
    if reader_tier(user) < payload["tier"]:
        return []
    kept = SavedSearch.objects.filter(user=user, alert__in=list(BY_MAIL)).in_bulk(
        [entry["search"] for entry in payload["searches"]]
    )
    news = []
    for entry in payload["searches"]:
        search = kept.get(entry["search"])
        if search is None:
            continue
        rows = MODELS[search.kind].objects.live().in_bulk(entry["ids"])
        listings = [rows[pk] for pk in entry["ids"] if pk in rows]
        if listings:
            gone = len(entry["ids"]) - len(listings)
            news.append(News(search, listings, entry["count"] - gone))
    return news
