"""Everybody at once: random moves of all who act on matches, and what must hold after each.

Managers take on, decide, undo, hand back, refer and ask; sides answer, object and agree; operators
reassign and reopen; ties and suspensions come to light; listings are changed, published again and
withdrawn; deadlines pass. A move may be refused with a sentence, and then changes nothing.
"""

from collections import Counter
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.conflicts import ties
from accounts.inbox import Notification
from accounts.models import ManagerInterest, ManagerProfile, ManagerStatus
from catalog.workflow import ListingStatus
from matchmaking import presenting
from matchmaking.answers import status_text
from matchmaking.models import Appeal, Consent, Inquiry, Match, MatchEvent, Review
from matchmaking.permissions import ConflictOfInterest
from matchmaking.services import assignment, clocks, matching, reviews
from matchmaking.services.appeals import appeal
from matchmaking.services.consents import answer
from matchmaking.services.inquiries import answer_inquiry, ask, take_back
from matchmaking.workflow import (
    MOVES,
    AppealStatus,
    Decision,
    IllegalMove,
    InquiryStatus,
    MatchStatus,
    ReviewStatus,
)
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
)

M, R = MatchStatus, ReviewStatus
EXAMPLES, STEPS = 20, 25
REFUSALS = (IllegalMove, ConflictOfInterest, ValidationError)

# What would give a side away. No word of it stands in any of the listings.
SECRETS = {
    "demand": ("恒轴轴承集团有限公司", "恒轴", "沈恒明", "office@hengzhou.example"),
    "achievement": ("东岭理工大学", "东岭理工", "陆东岭", "tto@dongling.example"),
}
ACHIEVEMENT_SIDE, DEMAND_SIDE = "achievement", "demand"
APPROVED_ONCE = (M.APPROVED, M.INTRODUCED, M.DECLINED)

# What happens to a review, an objection or a pair once. Deadlines and escalations may come again.
ONCE = (
    *("review.assigned", "review.taken", "match.taken", "match.approved", "match.rejected"),
    *("match.introduced", "match.declined", "match.lapsed", "appeal.decided"),
)

managers = st.integers(0, 4)
matches = st.integers(0, 3)
sides = st.sampled_from([DEMAND_SIDE, ACHIEVEMENT_SIDE])


def secret_organization(side, kind):
    name, _short, person, mail = SECRETS[side]
    return make_organization(
        name=name, kind=kind, field="", contact_name=person, contact_email=mail
    )


class Actors(RuleBasedStateMachine):
    """Two organizations, four pairs of their listings, five managers and an operator."""

    clock = None

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self):
        try:
            if hasattr(self, "matches") and not connection.needs_rollback:
                self.look_at_the_pages()
        finally:
            transaction.set_rollback(True)
            self.example.__exit__(None, None, None)

    @initialize()
    def begin(self):
        self.clock.on("2026-11-25")
        self.opinions = 0
        enterprise = secret_organization(DEMAND_SIDE, "enterprise")
        university = secret_organization(ACHIEVEMENT_SIDE, "university")
        self.people = {
            DEMAND_SIDE: make_member(enterprise, name="沈恒明"),
            ACHIEVEMENT_SIDE: make_member(university, name="陆东岭"),
        }
        self.managers = [make_manager() for _ in range(5)]
        self.operator = make_operator()
        plain, large = (
            make_demand(owner=enterprise),
            make_demand(owner=enterprise, money_max=9_000_000),
        )
        one, two = make_achievement(owner=university), make_achievement(owner=university)
        pairs = [(plain, one), (plain, two), (large, one), (large, two)]
        self.matches = [
            make_match(demand=demand, achievement=achievement, rank=place + 1).pk
            for place, (demand, achievement) in enumerate(pairs)
        ]

    # --- What a move is -------------------------------------------------------------------------

    def match(self, place):
        return Match.objects.with_listings().get(pk=self.matches[place])

    def review_of(self, manager, place):
        """Return the manager's last review of a match, whatever became of it; else anybody's."""
        found = Review.objects.filter(match=self.matches[place]).order_by("-pk")
        return found.filter(manager=self.managers[manager]).first() or found.first()

    def attempt(self, step):
        """Make a move. What is refused says why, and leaves everything as it was."""
        before = self.everything()
        try:
            with transaction.atomic():
                step()
        except REFUSALS as refused:
            assert str(refused) or isinstance(refused, ConflictOfInterest)
            assert self.everything() == before

    def everything(self):
        return (
            list(Match.objects.order_by("pk").values_list("pk", "status", "due_on", "updated_at")),
            list(Review.objects.order_by("pk").values_list("pk", "status", "due_on", "decision")),
            MatchEvent.objects.count(),
            Notification.objects.count(),
            Consent.objects.count(),
            list(Inquiry.objects.order_by("pk").values_list("pk", "status")),
            list(Appeal.objects.order_by("pk").values_list("pk", "status")),
        )

    # --- Managers -------------------------------------------------------------------------------

    @rule()
    def assign(self):
        assignment.assign_matches()

    @rule(place=matches)
    def take_on(self, place):
        """Whoever has it takes it on: without this move most examples would go nowhere."""
        review = Review.objects.open().filter(match=self.matches[place]).first()
        if review is not None:
            self.attempt(lambda: reviews.accept_review(review=review, actor=review.manager))

    @rule(manager=managers, place=matches)
    def accept(self, manager, place):
        if review := self.review_of(manager, place):
            actor = self.managers[manager]
            self.attempt(lambda: reviews.accept_review(review=review, actor=actor))

    def decide(self, review, actor, decision, comment):
        self.attempt(
            lambda: reviews.submit_review(
                review=review,
                actor=actor,
                decision=decision,
                reasons=["measured" if decision == Decision.APPROVE else "immature"],
                comment=comment,
                no_interest=True,
                criteria={"fit": 4, "maturity": 3, "terms": 3, "credibility": 5},
                remarks={"indicator:1": comment} if decision == Decision.APPROVE else {},
            )
        )

    @rule(place=matches, decision=st.sampled_from(Decision.values))
    def decide_what_one_has(self, place, decision):
        review = Review.objects.filter(match=self.matches[place], status=R.ACCEPTED).first()
        if review is not None:
            self.opinions += 1
            self.decide(review, review.manager, decision, f"第 {self.opinions:03} 号意见")

    @rule(
        manager=managers,
        place=matches,
        decision=st.sampled_from([*Decision.values, "maybe"]),
        comment=st.sampled_from(["", "差距可以谈。", "请找沈恒明", "东岭理工的团队不错"]),
    )
    def decide_whatever(self, manager, place, decision, comment):
        if review := self.review_of(manager, place):
            self.decide(review, self.managers[manager], decision, comment)

    @rule(manager=managers, place=matches)
    def undo(self, manager, place):
        if review := self.review_of(manager, place):
            actor = self.managers[manager]
            self.attempt(lambda: reviews.undo_review(review=review, actor=actor))

    @rule(place=matches)
    def undo_the_last(self, place):
        review = (
            Review.objects.filter(match=self.matches[place], status=R.SUBMITTED)
            .order_by("-closed_at")
            .first()
        )
        if review is not None:
            self.attempt(lambda: reviews.undo_review(review=review, actor=review.manager))

    @rule(place=matches, manager=managers, interested=st.lists(sides, max_size=1))
    def hand_back(self, place, manager, interested):
        if not (review := self.review_of(manager, place)):
            return
        actor = self.managers[manager]
        self.attempt(
            lambda: reviews.hand_back(
                review=review, actor=actor, note="曾在恒轴工作", interested_in=interested
            )
        )
        reviews.void_conflicted([actor.pk])  # what the signal of the declaration does

    @rule(place=matches, to=managers)
    def refer(self, place, to):
        review = Review.objects.open().filter(match=self.matches[place]).first()
        if review is not None:
            profile = ManagerProfile.objects.get(user=self.managers[to])
            self.attempt(
                lambda: reviews.refer(
                    review=review, actor=review.manager, to=profile, note="更懂热处理"
                )
            )

    @rule(place=matches, side=sides, text=st.sampled_from(["报告能否提供？", "问问东岭理工"]))
    def ask(self, place, side, text):
        review = Review.objects.open().filter(match=self.matches[place]).first()
        if review is not None:
            self.attempt(
                lambda: ask(
                    review=review,
                    actor=review.manager,
                    side=side,
                    questions=[{"field": "indicator:1", "text": text}],
                )
            )

    @rule(place=matches)
    def take_questions_back(self, place):
        inquiry = Inquiry.objects.filter(review__match=self.matches[place]).last()
        if inquiry is not None:
            actor = inquiry.review.manager
            self.attempt(lambda: take_back(inquiry=inquiry, actor=actor))

    # --- Sides ----------------------------------------------------------------------------------

    @rule(place=matches, side=sides)
    def answer_questions(self, place, side):
        inquiry = Inquiry.objects.filter(review__match=self.matches[place]).last()
        if inquiry is not None:
            said = f"见附件，联系 {SECRETS[side][2]}"  # one's own name is one's own to write
            self.attempt(
                lambda: answer_inquiry(inquiry=inquiry, actor=self.people[side], answers=[said])
            )

    @rule(place=matches, side=sides, names=st.booleans())
    def object(self, place, side, names):
        text = "报告第三页给出了同样条件下的实测数据，请再看一遍。" + ("恒轴敬上" if names else "")
        self.attempt(
            lambda: appeal(match=self.match(place), side=side, actor=self.people[side], text=text)
        )

    @rule(place=matches, side=sides, who=sides, agreed=st.sampled_from([True, True, False]))
    def consent(self, place, side, who, agreed):
        self.attempt(
            lambda: answer(
                match=self.match(place),
                side=side,
                actor=self.people[who],
                agreed=agreed,
                reason="" if agreed else "other",
                note="" if agreed else f"请电邮 {SECRETS[side][3]}",
            )
        )

    # --- Operators, ties, suspensions -----------------------------------------------------------

    @rule(place=matches, to=managers)
    def reassign(self, place, to):
        profile = ManagerProfile.objects.get(user=self.managers[to])
        self.attempt(
            lambda: assignment.reassign(match=self.match(place), to=profile, actor=self.operator)
        )

    @rule(place=matches, manager=managers, note=st.sampled_from(["看漏了一项", " "]))
    def reopen(self, place, manager, note):
        if review := self.review_of(manager, place):
            self.attempt(
                lambda: reviews.reopen_review(review=review, actor=self.operator, note=note)
            )

    @precondition(lambda self: ManagerInterest.objects.count() < 2)
    @rule(manager=managers, side=sides)
    def a_tie_comes_to_light(self, manager, side):
        profile = ManagerProfile.objects.get(user=self.managers[manager])
        owner = self.match(0).listing(side).owner
        profile.interests.get_or_create(organization=owner, kind="employment")
        reviews.void_conflicted([profile.user_id])

    @rule(manager=managers)
    def suspend_or_let_back(self, manager):
        profile = ManagerProfile.objects.get(user=self.managers[manager])
        suspended = profile.status == ManagerStatus.SUSPENDED
        profile.status = ManagerStatus.CERTIFIED if suspended else ManagerStatus.SUSPENDED
        profile.save(update_fields=("status",))
        reviews.release_reviews([profile.user_id])

    # --- Listings and time ----------------------------------------------------------------------

    @rule(place=matches, side=sides)
    def a_listing_is_changed(self, place, side):
        self.leave(place, side, ListingStatus.SUBMITTED)

    @rule(place=matches, side=sides, status=st.sampled_from(["withdrawn", "expired"]))
    def a_listing_ends(self, place, side, status):
        # Seldom: nothing happens to a match of it any more.
        if sum(not one.listing(side).is_live for one in map(self.match, range(4))) == 0:
            self.leave(place, side, status)

    def leave(self, place, side, status):
        listing = self.match(place).listing(side)
        if listing.is_live:
            type(listing).objects.filter(pk=listing.pk).update(status=status)
            matching.listing_left(kind=side, listing_id=listing.pk)

    @rule(place=matches, side=sides)
    def a_changed_listing_is_published_again(self, place, side):
        listing = self.match(place).listing(side)
        if listing.status == ListingStatus.SUBMITTED:
            type(listing).objects.filter(pk=listing.pk).update(status=ListingStatus.PUBLISHED)
            self.a_run_finds_others(place)

    @rule(place=matches)
    def a_run_finds_others(self, place):
        """Let a run leave all matches out: what a person has touched goes on, the rest ends."""
        for pk in self.matches:
            match = Match.objects.select_for_update(of=("self",)).with_listings().get(pk=pk)
            waiting = match.status in (M.SUGGESTED, M.IN_REVIEW)
            thaws = match.is_frozen and match.status == M.APPROVED
            if thaws or (waiting and (match.is_touched or place == 0)):
                matching._supersede(match)

    @rule(minutes=st.sampled_from([3, 11, 60]))
    def minutes_pass(self, minutes):
        self.clock.move(minutes=minutes)

    @rule(days=st.integers(1, 6))
    def days_pass(self, days):
        self.clock.move(days=days)
        # Twice: a beat that comes again does nothing more.
        clocks.run()
        counted = MatchEvent.objects.count(), Notification.objects.count()
        clocks.run()
        assert counted == (MatchEvent.objects.count(), Notification.objects.count())

    # --- What must hold -------------------------------------------------------------------------

    @invariant()
    def the_rules_hold(self):
        """Read everything once, and look at it from all sides."""
        if not hasattr(self, "matches"):
            return
        loaded = Match.objects.with_listings().prefetch_related(
            "reviews__inquiries", "reviews__manager__manager_profile", "consents", "appeals"
        )
        found = list(loaded)
        events = {match.pk: [] for match in found}
        for event in MatchEvent.objects.select_related("actor", "subject").order_by("pk"):
            events[event.match_id].append(event)
        barred = ties(user.pk for user in self.managers)
        certified = set(ManagerProfile.objects.certified().values_list("user", flat=True))
        for match in found:
            self.history_leads_here(match, events[match.pk])
            self.reviews_and_match_agree(match, certified, barred)
            if match.status != M.INTRODUCED:
                self.sides_are_not_named(match, events[match.pk])
        self.nobody_is_told_twice_or_of_what_was_taken_back()

    def history_leads_here(self, match, events):
        """Replay the events: each begins where the last one ended, by a move of the table."""
        status = M.SUGGESTED
        for event in events:
            assert event.before == status, event.verb
            assert event.after == status or event.after in MOVES[status], event.verb
            status = MatchStatus(event.after)
        assert status == match.status

    def reviews_and_match_agree(self, match, certified, barred):
        held = [one for one in match.reviews.all() if one.is_open]
        decided = [one for one in match.reviews.all() if one.status == R.SUBMITTED]
        yes = [one for one in decided if one.decision == Decision.APPROVE]
        owners = {match.demand.owner_id, match.achievement.owner_id}
        assert len(held) <= 1
        for one in held:
            assert one.manager_id in certified
            assert not owners & barred.get(one.manager_id, {}).keys()
            assert one.manager_id not in {other.manager_id for other in decided}
            assert match.due_on is not None
            asked = [each for each in one.inquiries.all() if each.status == InquiryStatus.OPEN]
            assert len(asked) == (one.paused_on is not None)
        assert len({one.manager_id for one in decided}) == len(decided)
        self.decisions_in_force(match, held, decided, yes)
        for one in match.reviews.all():
            if not one.is_open:
                assert all(each.status != InquiryStatus.OPEN for each in one.inquiries.all())
        if match.status not in APPROVED_ONCE:
            assert match.status == M.LAPSED or not match.consents.all()
        if any(made.status == AppealStatus.OPEN for made in match.appeals.all()):
            assert match.status in (M.SUGGESTED, M.IN_REVIEW)
        if match.status == M.INTRODUCED:
            assert {one.side for one in match.consents.all() if one.agreed} == set(SECRETS)

    def decisions_in_force(self, match, held, decided, yes):
        """Check that no more decisions count than made the match what it is."""
        wanted = 2 if match.needs_second else 1
        if match.status in APPROVED_ONCE:
            assert len(decided) == len(yes) == wanted
        elif match.status == M.REJECTED:
            assert len(decided) - len(yes) == 1 and len(yes) < wanted
        elif match.status in (M.SUGGESTED, M.IN_REVIEW):
            assert len(decided) == len(yes) < wanted
            assert match.decided_at is None
            if match.status == M.SUGGESTED:
                assert not held
            else:
                assert held or yes
        else:
            assert not held

    def nobody_is_told_twice_or_of_what_was_taken_back(self):
        rows = list(Notification.objects.values_list("kind", "user", "payload", "visible_from"))
        told = Counter(
            (row[0], row[1], str(sorted(row[2].items()))) for row in rows if row[0] in ONCE
        )
        assert not [one for one, times in told.items() if times > 1]
        now = timezone.now()
        coming = {
            (payload["review"], kind)
            for kind, _user, payload, at in rows
            if kind in ("match.approved", "match.rejected") and at > now
        }
        standing = Review.objects.filter(pk__in=[pk for pk, _ in coming], status=R.SUBMITTED)
        decisions = dict(standing.values_list("pk", "decision"))
        for pk, kind in coming:
            approved = decisions[pk] == Decision.APPROVE
            assert kind == ("match.approved" if approved else "match.rejected")

    def sides_are_not_named(self, match, events):
        """Check that no text of a match tells a side who the other is."""
        for side in SECRETS:
            reader = presenting.side_reader(side, match)
            lines = presenting.event_lines(match, reader, events)
            told = (status_text(match, side), lines, presenting.opinion_of(match, reader))
            for secret in SECRETS[presenting.other_side(side)]:
                assert secret not in str(told)
        for held in match.reviews.all():
            if held.is_open and match.needs_second:
                self.second_is_blind(match, held, events)

    def second_is_blind(self, match, held, events):
        """Check that who decides second has not read the first one's opinion, where it stands."""
        reader = presenting.reader_of(held.manager, match)
        lines = str(presenting.event_lines(match, reader, events))
        for one in match.reviews.all():
            if one.status == R.SUBMITTED and one.comment.startswith("第 "):
                assert one.comment not in lines

    def look_at_the_pages(self):
        """Open one match as everybody who may, and look for names that they must not read."""
        match = self.match(len(Review.objects.all()) % 4)
        url = match.get_absolute_url()
        for side, person in self.people.items():
            client = Client()
            client.force_login(person)
            html = client.get(url).content.decode()
            assert match.number in html
            if match.status != M.INTRODUCED:
                for secret in SECRETS[presenting.other_side(side)]:
                    assert secret not in html
        for review in Review.objects.filter(match=match, status=R.ASSIGNED):
            client = Client()
            client.force_login(review.manager)
            html = client.get(url).content.decode()
            for secret in (*SECRETS[DEMAND_SIDE], *SECRETS[ACHIEVEMENT_SIDE]):
                assert secret not in html


def _loud(*_args):
    """Let no clock stand still unnoticed: it logs an error where a test should fail."""
    raise AssertionError("a clock failed, see the error above")


@pytest.mark.django_db
def test_whatever_all_of_them_do_the_rules_hold(clock, settings_of_actors):
    Actors.clock = clock
    with patch.object(clocks.logger, "exception", _loud):
        run_state_machine_as_test(Actors, settings=settings_of_actors)


@pytest.fixture
def settings_of_actors():
    return settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        # To make a failure shorter takes hundreds of runs; 25 steps can be read as they are.
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
