"""A hundred days of a platform, of which every figure is known beforehand.

“Now” is ten on Wednesday, 15 April 2026. Ten groups of demands share a story each; between them lie
the Spring Festival (15 to 23 February, with 14 and 28 February to work) and Qingming (4 to 6
April). `KNOWN` says what the dashboards have to show of it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from pgvector import SparseVector

from accounts.models import AccountEvent, ManagerProfile, User
from catalog.models import (
    Achievement,
    Demand,
    ListingEvent,
    PublicationReview,
    revision_model,
)
from catalog.models.listings import CONTENT_FIELDS
from matchmaking.models import (
    TERM_DIMENSIONS,
    AchievementIndex,
    Consent,
    DemandIndex,
    Feedback,
    Inquiry,
    Match,
    MatchEvent,
    Review,
)
from tests.factories import make_embedding_model, make_manager, make_organization, make_user

NOW = "2026-04-15 10:00"
TODAY = dt.date(2026, 4, 15)

# Of the 90 days up to now.
KNOWN: dict[str, Any] = {
    "funnel": {
        "posted": 150,
        "published": 137,
        "suggested": 113,
        "approved": 83,
        "introduced": 40,
        "signed": 10,
    },
    "worst": "introduced",
    "why": {"decline.price": 30, "pair.approved": 7, "pair.lapsed": 6},
    "headline": {
        "answer-in-time": (73, 127),
        "answer-agreed": (40, 127),
        "answer-signed": (10, 127),
        "late": (25, None),
    },
    "before": (12, 12),
    "money": 10_000_000,
    # Counted, in time, late now, median, p90.
    "clocks": {
        "publication": (83, 48, 5, 1, 3),
        "answer": (127, 73, 15, 3, 5),
        "review": (133, 103, 0, 2, 2),
        "sides": (113, 40, 3, 5, 7),
        "verification": (6, 5, 1, 1, 1),
        "certification": (3, 0, 1, 4, 4),
    },
    "quick": (99, 133),
    "meeting": (9, 40, 127),
    # Answered, of, median: weeks without a demand are not named.
    "weeks": {
        "2026-02-09": (40, 40, 3),
        "2026-03-02": (10, 19, 1),
        "2026-03-09": (30, 30, 5),
        "2026-03-16": (20, 20, 1),
        "2026-03-23": (0, 15, None),
        "2026-03-30": (3, 3, 1),
    },
    "supply": {("C", "C"): 50, ("C", "I"): 14, ("I", "C"): 3},
    "supply_totals": {"A": (0, 15), "C": (54, 96), "I": (3, 23)},
    "offers": {"A": 1, "C": 2, "I": 1},
    "regions": {("33", "32"): 53, ("33", "11"): 10, ("32", "11"): 4},
    "region_totals": {"33": (53, 73), "32": (4, 34), "51": (0, 15), "0": (0, 12)},
    "grand": (57, 134),
    "unmet": (77, 134),
    "orphans": (2, 4),
    # Open, late, in time, settled.
    "desks": {"busy": (10, 0, 103, 133), "other": (0, 0, 30, 60)},
    "freshness": {
        "demand": {"30": 40, "90": 30, "180": 0, "older": 0, "never": 64},
        "achievement": {"30": 0, "90": 0, "180": 0, "older": 1, "never": 3},
    },
}


_NO_WORDS = SparseVector({}, TERM_DIMENSIONS)
# A listing that was compared with four others.
COMPARED: dict[str, Any] = {
    "version": 1,
    "matched_version": 1,
    "compared": 4,
    "terms": _NO_WORDS,
    "member_terms": _NO_WORDS,
    "public_terms": _NO_WORDS,
}


def at(day: str, hour: int = 10) -> dt.datetime:
    """Return a moment of 2026, or of another year where it is named."""
    full = day if len(day) == 10 else f"2026-{day}"
    return timezone.make_aware(dt.datetime.fromisoformat(f"{full} {hour:02}:00"))


class World:
    """Makes all rows. With `share`, only so many demands of each group: for counting queries."""

    def __init__(self, share: int | None = None) -> None:
        self.share = share
        self.owner = make_organization()
        self.model = make_embedding_model()
        self.busy, self.other = make_manager(capacity=30), make_manager(capacity=30)
        self.x = self.offer("C3451", "320500", confirmed="2025-01-01")
        self.y = self.offer("I6510", "110100")
        self.z = self.offer("C3451", "330100")
        self.w = self.offer("A0111", "330100")
        for story in (
            *(self.met, self.declined, self.rejected, self.alone, self.fresh, self.refused),
            *(self.earlier, self.undone, self.gone, self.silent, self.frozen, self.drafts),
            *(self.waiting, self.organizations, self.managers),
        ):
            story()

    # --- Parts of a story -------------------------------------------------------------------------

    def offer(self, industry: str, region: str, confirmed: str = "") -> Achievement:
        one = Achievement.objects.create(
            owner=self.owner,
            title="成果",
            industry=industry,
            region=region,
            status="published",
            version=1,
            published_at=at("2025-06-02"),
            confirmed_at=at(confirmed) if confirmed else None,
        )
        self.revise("achievement", [one])
        AchievementIndex.objects.create(listing=one, **COMPARED)
        return one

    def revise(self, kind: str, listings: list[Any]) -> None:
        model = revision_model(kind)
        model.objects.bulk_create(
            model(
                pgh_obj=one,
                pgh_label="revision",
                version=1,
                **{name: getattr(one, name) for name in CONTENT_FIELDS[kind]},
            )
            for one in listings
        )

    def demands(
        self,
        n: int,
        status: str,
        industry: str = "C3451",
        region: str = "330100",
        *,
        posted: str = "",
        published: str = "",
        confirmed: str = "",
        end: str = "",
        reason: str = "",
    ) -> list[Demand]:
        """Make demands with the steps of their life; `end`: the day of the last step."""
        live = status == "published"
        rows = Demand.objects.bulk_create(
            Demand(
                owner=self.owner,
                title=f"需求 {industry} {published or posted} {number}",
                industry=industry,
                region=region,
                status=status,
                version=1,
                money_max=1_000_000,
                submitted_at=at(posted) if posted else None,
                published_at=at(published) if published else None,
                confirmed_at=at(confirmed) if confirmed else None,
            )
            for number in range(min(n, self.share or n))
        )
        self.revise("demand", rows)
        steps = [("draft", "submitted", posted), ("submitted", "published", published)]
        if end:
            steps.append(("published" if published else "submitted", status, end))
        ListingEvent.objects.bulk_create(
            ListingEvent(
                demand=one,
                before=before,
                after=after,
                version=1,
                reason=reason if day == end else "",
                created_at=at(day),
            )
            for one in rows
            for before, after, day in steps
            if day
        )
        if live:
            DemandIndex.objects.bulk_create(
                DemandIndex(listing=one, query_terms=_NO_WORDS, **COMPARED) for one in rows
            )
        return rows

    def matches(
        self,
        demands: list[Demand],
        achievement: Achievement,
        status: str,
        *,
        steps: dict[str, str] | None = None,
        decided: str = "",
        introduced: str = "",
        **fields: Any,
    ) -> list[Match]:
        """Make a match for each demand; `steps` are its events, by verb."""
        kept = revision_model("demand").objects.filter(pgh_obj__in=demands)
        revisions = dict(kept.values_list("pgh_obj", "pk"))
        rows = Match.objects.bulk_create(
            Match(
                demand=one,
                achievement=achievement,
                demand_revision_id=revisions[one.pk],
                achievement_revision=achievement.revisions.get(),
                engine="test",
                model=self.model,
                score=0.9,
                rank=1,
                status=status,
                decided_at=at(decided) if decided else None,
                introduced_at=at(introduced) if introduced else None,
                **fields,
            )
            for one in demands
        )
        MatchEvent.objects.bulk_create(
            MatchEvent(match=one, verb=verb, after=status, created_at=at(day, 15))
            for one in rows
            for verb, day in {"suggested": "02-13", **(steps or {})}.items()
        )
        return rows

    def reviews(
        self,
        matches: list[Match],
        status: str,
        assigned: str,
        due: str,
        closed: str = "",
        *,
        manager: User | None = None,
        decision: str = "approve",
        reasons: list[str] | None = None,
    ) -> list[Review]:
        return Review.objects.bulk_create(
            Review(
                match=one,
                manager=manager or self.busy,
                status=status,
                decision=decision if status == "submitted" else "",
                reasons=reasons or [],
                due_on=at(due).date(),
                assigned_at=at(assigned),
                closed_at=at(closed) if closed else None,
            )
            for one in matches
        )

    def checks(
        self, demands: list[Demand], status: str, opened: str, closed: str = "", **fields: Any
    ) -> None:
        decided = {"decided_by": self.other, "decision": "publish"} if status == "submitted" else {}
        PublicationReview.objects.bulk_create(
            PublicationReview(
                demand=one,
                version=1,
                status=status,
                due_on=at("03-11").date(),
                opened_at=at(opened),
                closed_at=at(closed) if closed else None,
                **{**decided, **fields},
            )
            for one in demands
        )

    # --- The stories ------------------------------------------------------------------------------

    def met(self) -> None:
        """40, published before the Spring Festival, answered on the third working day: after it."""
        rows = self.demands(40, "published", posted="02-12", published="02-13", confirmed="04-01")
        self.checks(rows, "submitted", "02-12", "02-13")
        steps = {"accepted": "02-25", "approved": "02-26", "introduced": "03-04"}
        found = self.matches(
            rows, self.x, "introduced", steps=steps, decided="02-26", introduced="03-04"
        )
        self.reviews(found, "submitted", "02-24", "02-27", "02-26")
        Feedback.objects.bulk_create(
            Feedback(match=one, side="demand", rating=5, contract=said, user=self.busy)
            for at_, one in enumerate(found)
            for said in ["signed" if at_ < 10 else "talking"]
        )
        # Another of each lapsed after five working days of silence, a third was replaced.
        steps = {"approved": "03-02", "lapsed": "03-10"}
        self.matches(rows, self.z, "lapsed", steps=steps, decided="03-02")
        self.matches(rows, self.w, "superseded")

    def declined(self) -> None:
        """30, published two weeks after they were handed in, answered late, declined by a side."""
        rows = self.demands(
            30,
            "published",
            "C2611",
            "320500",
            posted="03-05",
            published="03-10",
            confirmed="02-01",
        )
        self.checks(rows, "no_response", "03-05", "03-09", manager=self.busy)
        self.checks(rows, "submitted", "03-09", "03-10", manager=self.other)
        steps = {"accepted": "03-17", "approved": "03-20", "declined": "03-31"}
        found = self.matches(rows, self.y, "declined", steps=steps, decided="03-20")
        self.reviews(found, "no_response", "03-10", "03-13", "03-16", manager=self.other)
        asked = self.reviews(found, "submitted", "03-16", "03-23", "03-20")
        Inquiry.objects.bulk_create(
            Inquiry(
                review=one,
                side="demand",
                status="answered",
                due_on=at("03-20").date(),
                asked_at=at("03-17"),
                closed_at=at("03-19"),
            )
            for one in asked
        )
        Consent.objects.bulk_create(
            Consent(
                match=one,
                side="demand",
                agreed=False,
                reason="price",
                user=self.busy,
                created_at=at("03-31"),
            )
            for one in found
        )

    def rejected(self) -> None:
        """20 that were answered on the next working day: not approved, for the price."""
        rows = self.demands(20, "published", "I6510", posted="03-19", published="03-20")
        steps = {"rejected": "03-23"}
        found = self.matches(rows, self.z, "rejected", steps=steps, decided="03-23")
        self.reviews(
            found, "submitted", "03-20", "03-25", "03-23", decision="reject", reasons=["price"]
        )

    def alone(self) -> None:
        """15 for which nothing is near enough: late, and unmet."""
        self.demands(15, "published", "A0111", "510100", posted="03-23", published="03-24")

    def fresh(self) -> None:
        """10 of yesterday, taken on at once: neither a success nor a failure yet."""
        rows = self.demands(10, "published", posted="04-13", published="04-14")
        found = self.matches(rows, self.x, "in_review", steps={"accepted": "04-14"})
        self.reviews(found, "accepted", "04-14", "04-17")
        self.matches(rows, self.y, "suggested")

    def refused(self) -> None:
        """8 that were not published."""
        rows = self.demands(8, "rejected", posted="04-01", end="04-02", reason="vague")
        self.checks(rows, "submitted", "04-01", "04-02", decision="reject")

    def earlier(self) -> None:
        """12 first published in December, changed and published again in the period."""
        rows = self.demands(12, "published", region="", posted="2025-12-01", published="2025-12-02")
        Demand.objects.filter(pk__in=[one.pk for one in rows]).update(
            submitted_at=at("03-01"), published_at=at("03-02")
        )
        ListingEvent.objects.bulk_create(
            ListingEvent(demand=one, before=before, after=after, version=2, created_at=at(day))
            for one in rows
            for before, after, day in (
                ("published", "submitted", "03-01"),
                ("submitted", "published", "03-02"),
            )
        )
        self.matches(
            rows, self.w, "rejected", steps={"rejected": "2025-12-03"}, decided="2025-12-03"
        )

    def undone(self) -> None:
        """5 whose publication was undone within minutes: they were never published."""
        rows = self.demands(5, "submitted", posted="03-02", published="03-03")
        ListingEvent.objects.bulk_create(
            ListingEvent(
                demand=one,
                before="published",
                after="submitted",
                version=1,
                verb="undone",
                created_at=at("03-03", 11),
            )
            for one in rows
        )
        self.checks(rows, "assigned", "03-02")

    def gone(self) -> None:
        """6 withdrawn while both sides were asked: their silence is nobody's."""
        rows = self.demands(6, "withdrawn", posted="03-01", published="03-02", end="03-05")
        steps = {"accepted": "03-03", "approved": "03-04", "lapsed": "03-05"}
        found = self.matches(rows, self.z, "lapsed", steps=steps, decided="03-04")
        self.reviews(found, "submitted", "03-02", "03-05", "03-04")

    def silent(self) -> None:
        """9 withdrawn before anybody answered: not in time, but late no more."""
        self.demands(9, "withdrawn", posted="03-01", published="03-02", end="03-05")

    def frozen(self) -> None:
        """4 whose match is frozen: its clock stands still."""
        rows = self.demands(4, "published", region="320500", posted="03-02", published="03-03")
        steps = {"accepted": "03-04", "approved": "03-09", "frozen": "03-10"}
        found = self.matches(
            rows,
            self.y,
            "approved",
            steps=steps,
            decided="03-09",
            is_frozen=True,
            due_on=at("03-16").date(),
        )
        self.reviews(found, "submitted", "03-04", "03-09", "03-09")

    def drafts(self) -> None:
        """3 that were never handed in; a check that was cancelled is none."""
        rows = self.demands(3, "draft")
        self.checks(rows, "cancelled", "03-02", "03-03")

    def waiting(self) -> None:
        """3 whose sides are late."""
        rows = self.demands(3, "published", "I6510", posted="03-29", published="03-30")
        steps = {"accepted": "03-31", "approved": "03-31"}
        found = self.matches(
            rows, self.x, "approved", steps=steps, decided="03-31", due_on=at("04-08").date()
        )
        self.reviews(found, "submitted", "03-30", "04-02", "03-31")

    def organizations(self) -> None:
        def registered(*steps: tuple[str, str], status: str = "verified") -> None:
            organization = make_organization(status=status)
            for verb, day in steps:
                AccountEvent.objects.create(
                    organization=organization, verb=verb, created_at=at(day)
                )

        for _number in range(3):
            registered(("registered", "03-02"), ("verified", "03-03"))
        for _number in range(2):
            registered(("registered", "03-02"), ("changed", "03-05"), ("verified", "03-06"))
        registered(("registered", "04-01"), status="pending")
        registered(("registered", "04-14"), status="pending")

    def managers(self) -> None:
        def applied(*steps: tuple[str, str], status: str = "certified") -> None:
            person = make_user()
            ManagerProfile.objects.create(
                user=person,
                grade="junior",
                certificate_no=f"W-{person.pk}",
                classes=["C"],
                status=status,
                # Not among those who have a desk.
                valid_from=TODAY - dt.timedelta(days=99),
                valid_until=TODAY - dt.timedelta(days=1),
            )
            for verb, day in steps:
                AccountEvent.objects.create(subject=person, verb=verb, created_at=at(day))

        applied(("applied", "03-02"), ("certified", "03-06"))
        applied(("applied", "03-02"), ("certified", "03-06"))
        applied(("applied", "04-10"), status="pending")
