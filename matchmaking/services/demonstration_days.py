"""A hundred days of the demo town, lived through the services of the platform.

Only the clock is the demo's own: every step is made by the person and the function that make it in
life, at the moment at which it is to have happened. So events, deadlines, reminders, stars and
notifications agree with each other, and nothing is written over. All is drawn from one seed: the
same texts and the same day give the same town.
"""

from __future__ import annotations

import datetime as dt
import heapq
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from typing import Any, NamedTuple
from unittest import mock

from django.apps import apps
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.inbox import Notification
from accounts.models import MailState, ManagerProfile, Organization, OutboxMail, User
from accounts.permissions import is_certified_manager
from accounts.workdays import add_working_days, is_working_day
from catalog.models import Demand, PublicationReview
from catalog.services import deciding, publishing
from catalog.workflow import EndReason, ListingDecision, ListingReason, ListingStatus
from matchmaking.criteria import suggest_criteria
from matchmaking.models import Inquiry, Match, Review
from matchmaking.permissions import has_conflict
from matchmaking.questions import lines
from matchmaking.retrieval.encoders import Encoder
from matchmaking.services import assignment, clocks, indexing, matching
from matchmaking.services.appeals import appeal
from matchmaking.services.consents import answer
from matchmaking.services.feedback import give_feedback
from matchmaking.services.inquiries import answer_inquiry, ask
from matchmaking.services.reviews import accept_review, hand_back, refer, submit_review
from matchmaking.workflow import ContractState, Decision, InquiryStatus, MatchStatus, Side

DAYS = 100
SEED = 20261122
# Demands that were posted in the last three working days: much of them is under way.
RECENT = 12
# Notifications older than this have been read, and their mails sent.
READ_AFTER = dt.timedelta(days=3)

_REAL_NOW = timezone.now

# What becomes of the best match of each demand, oldest first.
_FATES = (
    *("signed", "met", "closed", "signed", "declined", "asked", "lapsed", "signed", "second"),
    *("signed", "overturned", "turned_down", "met", "silent", "refused", "met", "met", "upheld"),
    *("handed", "silent", "declined", "asked", "met", "lapsed", "referred", "silent", "refused"),
    *("unanswered", "turned_down", "met"),
)
# And of the recent ones, the first of them is the enterprise's that the README logs in as.
_RECENT_FATES = (
    *("waiting", "half_demand", "half_achievement", "waiting", "asking", "objecting", "desk"),
    *("taken", "waiting", "desk", "taken", "desk"),
)
# Checks that the first manager lets pass, and demands that are sent back once, by their number.
_SILENT_CHECKS = (4, 13, 22)
_SENT_BACK = (7, 19)

_PRAISE = (
    "核心指标都有实测数据，双方条件接近，建议尽快见面谈中试安排。",
    "指标基本满足，差的一项可以在方案里解决，建议先看样件。",
    "团队做过同类项目，价格也在预算之内。",
    "成熟度够，交付周期需要双方当面确认。",
    "主要硬指标满足，装机条件请见面时核对。",
    "数据完整，改造量需要现场确认，建议双方交流一次。",
)
_REFUSALS: tuple[tuple[list[str], str], ...] = (
    (["indicator_gap"], "一项硬指标差距较大，短期内补不上。"),
    (["off_topic", "no_evidence"], "用词相近，要解决的不是同一个问题。"),
    (["immature"], "还在小试阶段，需求要求直接上线。"),
    (["off_topic"], "应用对象不同，工艺路线借鉴不多。"),
    (["price"], "许可费超出预算较多，双方都不愿让步。"),
    (["no_evidence"], "成果没有给出对应指标的实测数据。"),
)
_EXCUSES = (
    ("timing", "团队本年度排期已满。"),
    ("partner", "已与另一家签订合作意向。"),
    ("price", "改造费用超出预算。"),
    ("direction", "今年的技改计划推迟到明年。"),
)
_OBJECTION = "评审说缺少实测数据，成果正文第二段给出了第三方检测结果，请再看一次。"
_QUESTION = "请补充这一项的实测条件和样本数量。"
_REPLY = "在三个批次共 60 件上测得，检测报告见面时可以提供，波动在百分之五以内。"
_THANKS = (
    (5, "经理人准备充分，第一次见面就谈到了样件。"),
    (4, "对接及时，技术参数核得很细。"),
    (5, "帮我们把验收指标写清楚了。"),
    (3, "方向合适，推进比预期慢一些。"),
)


class Clock:
    """The time of the demo while its days are lived."""

    def __init__(self) -> None:
        self.end = self.now = timezone.now()


@contextmanager
def moved(clock: Clock) -> Iterator[None]:
    """Let `clock` be the time for all of Django in this process, stamps of new rows included."""
    fields = [
        field
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.default is _REAL_NOW
    ]

    def now() -> dt.datetime:
        return clock.now

    with mock.patch.object(timezone, "now", now):
        for field in fields:
            # Where Django keeps what it found out about the default once.
            field.__dict__["_get_default"] = now
        try:
            yield
        finally:
            for field in fields:
                del field.__dict__["_get_default"]


class Draft(NamedTuple):
    """A demand as its writer has it: `key` is that of the demo's files."""

    owner: Organization
    writer: User
    key: str
    content: dict[str, Any]


class Days:
    """What happens in the town, in the order of time: steps that make further steps.

    `drafts` are in the order of time, the `RECENT` ones at the end. What would happen after the
    clock's end does not happen: it is what waits.
    """

    def __init__(self, clock: Clock, encoder: Encoder, drafts: Sequence[Draft]) -> None:
        self.clock, self.encoder, self.drafts = clock, encoder, drafts
        self.demands: dict[str, Demand] = {}
        self._numbers: dict[int, int] = {}
        self._steps: list[tuple[dt.datetime, int, Callable[[], object]]] = []
        self._made = 0
        self._chance = random.Random(SEED)
        self._praise, self._refusals = cycle(_PRAISE), cycle(_REFUSALS)
        self._excuses, self._thanks = cycle(_EXCUSES), cycle(_THANKS)
        # Reviews and checks that somebody has a plan for, and demands whose first check was let go.
        self._planned: set[tuple[str, int]] = set()
        self._passed: set[int] = set()
        self._assigning = False
        self._contracts = cycle((ContractState.TALKING, ContractState.TALKING, ContractState.ENDED))

    def live(self) -> None:
        """Live the days up to now. The listings that are published already are known."""
        with transaction.atomic(), moved(self.clock):
            self._plan_days()
            while self._steps and self._steps[0][0] < self.clock.end:
                self.clock.now, _number, step = heapq.heappop(self._steps)
                step()
            self.clock.now = self.clock.end
            self._read()
            # Every task that a step asked for has been done above, in its turn.
            connection.run_on_commit.clear()

    # --- Time ------------------------------------------------------------------------------------

    def _at(self, when: dt.datetime, step: Callable[[], object]) -> None:
        self._made += 1
        heapq.heappush(self._steps, (when, self._made, step))

    def _later(self, days: int, step: Callable[[], object]) -> None:
        """Have something happen in the working hours `days` working days from now."""
        if days == 0:
            when = self.clock.now + dt.timedelta(minutes=self._chance.randint(40, 150))
            if timezone.localtime(when).hour < 18:
                self._at(when, step)
                return
            days = 1
        self._at(self._moment(add_working_days(timezone.localdate(), days)), step)

    def _moment(self, day: dt.date) -> dt.datetime:
        minute = self._chance.randint(9 * 60 + 10, 17 * 60 + 20)
        return timezone.make_aware(dt.datetime.combine(day, dt.time(minute // 60, minute % 60)))

    def _plan_days(self) -> None:
        today = timezone.localdate(self.clock.end)
        days = [today - dt.timedelta(days=back) for back in range(DAYS, -1, -1)]
        working = [day for day in days if is_working_day(day)]
        for day in working:
            morning = timezone.make_aware(dt.datetime.combine(day, dt.time(8, 30)))
            self._at(morning, self._morning)
        older, recent = len(self.drafts) - RECENT, working[-4:-1]
        for number in range(len(self.drafts)):
            if number < older:
                day = working[(len(working) - 9) * number // older]
            else:
                day = recent[(number - older) * len(recent) // RECENT]
            self._at(self._moment(day), partial(self._post, number))

    def _morning(self) -> None:
        if any(clocks.run().values()):
            self._assign_soon()

    # --- Listings --------------------------------------------------------------------------------

    def _post(self, number: int) -> None:
        owner, writer, key, content = self.drafts[number]
        demand = publishing.create_draft(
            model=Demand, owner=owner, actor=writer, content=content, external_id=key
        )
        self.demands[key] = demand
        self._numbers[demand.pk] = number
        self.clock.now += dt.timedelta(minutes=25)
        publishing.submit(listing=demand, actor=writer)
        self._assign_soon()

    def _check(self, pk: int) -> None:
        """Decide the check of a demand as its manager does."""
        check = PublicationReview.objects.open().select_related("demand", "manager").get(pk=pk)
        demand, manager = check.demand, check.manager
        if demand is None or manager is None:
            return
        number = self._numbers[demand.pk]
        if number in _SENT_BACK and demand.version == 1:
            deciding.decide(
                listing=demand,
                actor=manager,
                decision=ListingDecision.NEEDS_INFO,
                reason=ListingReason.NO_FIGURES,
                note="请补充现有工艺的实测数据，便于比对。",
                no_interest=True,
            )
            self._later(1, lambda: self._complete(demand))
            return
        deciding.decide(
            listing=demand,
            actor=manager,
            decision=ListingDecision.PUBLISH,
            no_interest=True,
        )
        indexing.refresh(kind="demand", ids=[demand.pk], encoder=self.encoder)
        matching.match_demand(demand_id=demand.pk)
        matching.explain(demand_id=demand.pk, encoder=self.encoder)
        self._assign_soon()

    def _complete(self, demand: Demand) -> None:
        demand.refresh_from_db()
        body = f"{demand.body}\n\n补充：以上数据为最近三个月的生产统计，可提供检测记录。"
        publishing.submit(listing=demand, actor=self._writer(demand.owner), content={"body": body})
        self._assign_soon()

    # --- Desks -----------------------------------------------------------------------------------

    def _assign_soon(self) -> None:
        """Have what waits given to managers before the next noon of a working day."""
        if self._assigning:
            return
        self._assigning = True
        here = timezone.localtime(self.clock.now)
        when = here.replace(hour=11, minute=5)
        if when <= here:
            day = add_working_days(here.date(), 1)
            when = timezone.make_aware(dt.datetime.combine(day, dt.time(11, 5)))
        self._at(when, self._assign)

    def _assign(self) -> None:
        self._assigning = False
        assignment.assign_matches()
        checks = PublicationReview.objects.open().filter(manager__isnull=False)
        for pk, demand in checks.filter(demand__isnull=False).values_list("pk", "demand"):
            if not self._is_new("check", pk):
                continue
            number = self._numbers[demand]
            if number in _SILENT_CHECKS and demand not in self._passed:
                self._passed.add(demand)
                continue
            quick = number >= len(self.drafts) - RECENT or self._chance.random() < 0.6
            self._later(0 if quick else 1, partial(self._check, pk))
        for review in Review.objects.open().select_related("match").order_by("pk"):
            if self._is_new("review", review.pk):
                self._plan_review(review)

    def _is_new(self, kind: str, pk: int) -> bool:
        known = (kind, pk) in self._planned
        self._planned.add((kind, pk))
        return not known

    def _fate(self, match: Match) -> str:
        """Return what is to become of a match: that of its demand, for its best one alone."""
        number = self._numbers[match.demand_id]
        older = len(self.drafts) - RECENT
        if number >= older:
            fate = _RECENT_FATES[(number - older) % len(_RECENT_FATES)]
            return fate if match.rank == 1 else "desk"
        fate = _FATES[number % len(_FATES)]
        if fate == "second":
            return "refused" if match.rank == 1 else "met" if match.rank == 2 else "other"
        return fate if match.rank == 1 else "other"

    def _plan_review(self, review: Review) -> None:
        fate, earlier = self._fate(review.match), review.match.reviews.exclude(pk=review.pk)
        again = earlier.exists()
        left = "objecting" if again else "silent"
        if fate in ("desk", left):
            return
        if fate in ("taken", "waiting", "half_demand", "half_achievement", "asking", "objecting"):
            taken = 0
        else:
            taken = self._chance.choice((0, 0, 0, 1))
        self._later(taken, lambda: self._take_on(review.pk, fate, again))

    def _open(self, pk: int) -> Review | None:
        return (
            Review.objects.open()
            .select_related("manager", "match__demand__owner", "match__achievement__owner")
            .select_related("match__demand_revision", "match__achievement_revision")
            .filter(pk=pk, match__is_frozen=False, match__status=MatchStatus.IN_REVIEW)
            .first()
        )

    def _take_on(self, pk: int, fate: str, again: bool) -> None:
        review = self._open(pk)
        if review is None:
            return
        manager = review.manager
        if fate == "handed" and not again:
            hand_back(review=review, actor=manager, note="本周外出调研，请其他经理人接单。")
            self._assign_soon()
            return
        accept_review(review=review, actor=manager)
        if fate == "taken":
            return
        if fate == "referred" and not again and (to := self._colleague(review)):
            self.clock.now += dt.timedelta(minutes=35)
            refer(review=review, actor=manager, to=to, note="偏材料方向，请更熟悉的同事判断。")
            self._assign_soon()
            return
        if fate in ("asked", "unanswered", "asking"):
            self._later(0, lambda: self._ask(pk, fate))
            return
        wait = 0 if fate in _RECENT_FATES else self._chance.choice((0, 0, 1, 1, 2))
        self._later(wait, lambda: self._decide(pk, fate, again))

    def _colleague(self, review: Review) -> ManagerProfile | None:
        others = ManagerProfile.objects.exclude(user=review.manager).select_related("user")
        for profile in others.order_by("pk"):
            if is_certified_manager(profile.user) and not has_conflict(profile.user, review.match):
                return profile
        return None

    def _ask(self, pk: int, fate: str) -> None:
        review = self._open(pk)
        if review is None:
            return
        offered = lines(review.match, Side.ACHIEVEMENT)
        asked = [{"field": one.key, "text": one.suggestion or _QUESTION} for one in offered[:2]]
        inquiry = ask(review=review, actor=review.manager, side=Side.ACHIEVEMENT, questions=asked)
        if fate == "asked":
            self._later(self._chance.choice((1, 2)), lambda: self._answer_questions(inquiry, pk))
        elif fate == "unanswered":
            self._later(5, lambda: self._decide(pk, "met", False))

    def _answer_questions(self, inquiry: Inquiry, pk: int) -> None:
        inquiry.refresh_from_db()
        if inquiry.status != InquiryStatus.OPEN:
            return
        owner = inquiry.review.match.achievement.owner
        answer_inquiry(
            inquiry=inquiry,
            actor=self._writer(owner),
            answers=[_REPLY for _question in inquiry.questions],
        )
        self._later(self._chance.choice((0, 1)), lambda: self._decide(pk, "met", False))

    # --- Decisions and answers --------------------------------------------------------------------

    def _decide(self, pk: int, fate: str, again: bool) -> None:
        review = self._open(pk)
        if review is None or review.paused_on is not None:
            return
        match = review.match
        if not (match.demand.is_live and match.achievement.is_live):
            return
        if fate in ("overturned", "upheld", "objecting"):
            approves = again and fate == "overturned"
        elif fate == "other":
            approves = match.confidence > 0.3 and self._chance.random() < 0.5
        else:
            approves = fate not in ("refused", "closed")
        reasons, comment = (
            (["measured", "negotiable"], next(self._praise)) if approves else next(self._refusals)
        )
        submit_review(
            review=review,
            actor=review.manager,
            decision=Decision.APPROVE if approves else Decision.REJECT,
            reasons=reasons,
            comment=comment,
            no_interest=True,
            criteria=suggest_criteria(match),
        )
        match.refresh_from_db()
        if match.status == MatchStatus.APPROVED:
            self._plan_answers(match, fate)
        elif match.status == MatchStatus.REJECTED:
            self._after_rejection(match, fate, again)
        self._assign_soon()

    def _after_rejection(self, match: Match, fate: str, again: bool) -> None:
        if fate in ("overturned", "upheld", "objecting") and not again:
            days = 0 if fate == "objecting" else self._chance.choice((1, 2, 3))
            self._later(days, lambda: self._object(match))
        elif fate == "closed":
            self._later(15, lambda: self._give_up(match.demand_id))

    def _object(self, match: Match) -> None:
        match.refresh_from_db()
        if match.status == MatchStatus.REJECTED:
            owner = match.achievement.owner
            appeal(match=match, side=Side.ACHIEVEMENT, actor=self._writer(owner), text=_OBJECTION)
            self._assign_soon()

    def _give_up(self, pk: int) -> None:
        demand = Demand.objects.select_related("owner").get(pk=pk)
        if demand.status == ListingStatus.PUBLISHED:
            publishing.close(
                listing=demand,
                actor=self._writer(demand.owner),
                status=ListingStatus.CLOSED,
                reason=EndReason.NO_PARTNER,
                note="这一工序改为外协。",
            )
            matching.listing_left(kind="demand", listing_id=pk)

    def _plan_answers(self, match: Match, fate: str) -> None:
        """Have both sides answer, or one, or nobody."""
        yes: dict[str, tuple[Side, ...]] = {
            "waiting": (),
            "half_demand": (Side.DEMAND,),
            "half_achievement": (Side.ACHIEVEMENT,),
            "lapsed": (Side.DEMAND,),
            "declined": (Side.DEMAND,),
            "turned_down": (Side.ACHIEVEMENT,),
            "other": (Side.ACHIEVEMENT,),
        }
        for side in yes.get(fate, tuple(Side)):
            days = 0 if fate in _RECENT_FATES else self._chance.choice((0, 1, 1, 2, 3))
            self._later(days, partial(self._answer, match, side, True, fate))
        no = {"declined": Side.ACHIEVEMENT, "turned_down": Side.DEMAND, "other": Side.DEMAND}
        if fate in no:
            self._later(
                self._chance.choice((2, 3)), lambda: self._answer(match, no[fate], False, fate)
            )

    def _answer(self, match: Match, side: Side, agreed: bool, fate: str) -> None:
        match.refresh_from_db()
        if match.status != MatchStatus.APPROVED or match.is_frozen:
            return
        if not (match.demand.is_live and match.achievement.is_live):
            return
        reason, note = ("", "") if agreed else next(self._excuses)
        match = answer(
            match=match,
            side=side,
            actor=self._writer(match.listing(side).owner),
            agreed=agreed,
            reason=reason,
            note=note,
        )
        if match.status == MatchStatus.INTRODUCED:
            came = ContractState.SIGNED if fate == "signed" else next(self._contracts)
            for one in Side:
                days = self._chance.randint(20, 27)
                self._later(days, partial(self._tell_what_came, match, one, came))

    def _tell_what_came(self, match: Match, side: Side, came: str) -> None:
        rating, note = next(self._thanks)
        owner = match.listing(side).owner
        give_feedback(
            match=match,
            side=side,
            actor=self._writer(owner),
            rating=rating,
            contract=came,
            note=note,
        )
        if came == ContractState.SIGNED and side == Side.DEMAND:
            self._later(2, lambda: self._fulfil(match.demand_id))

    def _fulfil(self, pk: int) -> None:
        demand = Demand.objects.select_related("owner").get(pk=pk)
        if demand.status == ListingStatus.PUBLISHED:
            publishing.close(
                listing=demand,
                actor=self._writer(demand.owner),
                status=ListingStatus.FULFILLED,
                reason=EndReason.HERE,
            )
            matching.listing_left(kind="demand", listing_id=pk)

    @staticmethod
    def _writer(organization: Organization) -> User:
        found = organization.users.order_by("pk").first()
        assert found is not None, "every demo organization has a person"
        return found

    # --- What people have read --------------------------------------------------------------------

    def _read(self) -> None:
        """Have people read what is older than a few days, and its mails gone out."""
        since = self.clock.end - READ_AFTER
        Notification.objects.filter(read_at__isnull=True, visible_from__lt=since).update(
            read_at=F("visible_from") + dt.timedelta(hours=3)
        )
        OutboxMail.objects.filter(state=MailState.WAITING, try_at__lt=since).update(
            state=MailState.SENT, sent_at=F("try_at"), attempts=1
        )
