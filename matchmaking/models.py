"""Vectors and word weights of listings, and matches with everything that happens to them."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Self

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, SparseVectorField, VectorField

from accounts.models import User
from catalog.models import Achievement, Demand
from matchmaking.workflow import (
    MODEL_MOVES,
    MOVES,
    OPEN,
    REVIEW_MOVES,
    AppealStatus,
    ContractState,
    Decision,
    DeclineReason,
    Escalation,
    IllegalMove,
    InquiryStatus,
    MatchStatus,
    ModelState,
    ReviewStatus,
    Side,
)

if TYPE_CHECKING:
    from catalog.models import Listing

# Words are hashed into this many dimensions: of 1,000,000 distinct words 3 % share one.
TERM_DIMENSIONS = 2**25


class EmbeddingModelQuerySet(models.QuerySet["EmbeddingModel"]):
    def current(self) -> EmbeddingModel | None:
        """Return the model that questions are asked with and partners found by."""
        return self.filter(state=ModelState.CURRENT).first()


class EmbeddingModel(models.Model):
    """A model that makes vectors. Vectors of different models are never compared.

    Which one is current is said here and nowhere else: to go over to another is to change two
    rows, whatever the number of listings. See docs/adr/0016.
    """

    name = models.CharField(max_length=200)
    revision = models.CharField(max_length=64)
    dimension = models.PositiveSmallIntegerField()
    # Where a worker finds it: a folder, or its name on a hub.
    source = models.CharField(max_length=500, blank=True)
    state = models.CharField(
        max_length=8, choices=ModelState, default=ModelState.BUILDING, editable=False
    )
    # Since when it is the current one, or when it last became it.
    switched_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = EmbeddingModelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("name", "revision"), name="embedding_model_once"),
            # Two operators switch at once, or two workers of a new platform start together.
            models.UniqueConstraint(
                fields=("state",),
                condition=Q(state="current"),
                name="embedding_model_one_current",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.revision[:12]}"

    def move_to(self, state: ModelState) -> None:
        """Change the state in memory. The caller holds the row lock, and saves.

        Raises `IllegalMove` with a sentence.
        """
        if state not in MODEL_MOVES.get(self.state, set()):
            raise IllegalMove(
                gettext("A model that is “%(before)s” cannot become “%(after)s”.")
                % {"before": self.get_state_display(), "after": state.label}
            )
        self.state = state


class Unmatchable(models.TextChoices):
    """Why a text cannot be compared, with what its owner can do about it."""

    WORDLESS = (
        "empty",
        _(
            "There is no word in it, only signs or figures. Say in a sentence what is needed or "
            "offered."
        ),
    )
    UNREADABLE = (
        "unreadable",
        _("The language model makes nothing of it. Rewrite the description in plain sentences."),
    )


class ListingIndex(models.Model):
    """The words of one version of a listing's text, and how far it has been matched.

    `version` is the listing's version that was indexed; another one there means stale. `digest`
    covers the text and the way of cutting it. Words are of no model; see `ListingEncoding`.
    """

    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    # The tiers that hold for what follows. A reader's search trusts this row only while they are
    # those of the listing: a text that was closed a second ago must not be found by any more.
    disclosure = models.JSONField(default=dict)
    # Saturated BM25 weights by hashed word: of all that is compared, of what a member may read,
    # and of what a visitor may read.
    terms = SparseVectorField(dimensions=TERM_DIMENSIONS)
    member_terms = SparseVectorField(dimensions=TERM_DIMENSIONS)
    public_terms = SparseVectorField(dimensions=TERM_DIMENSIONS)
    # The hashed words of `terms`, for the index that finds the rows that hold a word.
    term_ids = ArrayField(models.IntegerField(), default=list)
    # Number of words, what BM25 calls the document's length.
    length = models.PositiveIntegerField(default=0)
    # Why this text cannot be matched, one of `Unmatchable`; "" where it can.
    problem = models.CharField(max_length=200, blank=True)
    indexed_at = models.DateTimeField(default=timezone.now)
    # The version whose matches are stored, and what they were compared with.
    matched_version = models.PositiveIntegerField(default=0)
    matched_at = models.DateTimeField(null=True)
    matched_engine = models.CharField(max_length=40, blank=True)
    compared = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True
        indexes = [
            # Without a list of what is pending: every search would have to read it through.
            GinIndex(fields=["term_ids"], name="%(class)s_words", fastupdate=False),
        ]


class DemandIndex(ListingIndex):
    listing = models.OneToOneField(
        Demand, models.CASCADE, primary_key=True, related_name="search_index"
    )
    # The demand as a BM25 query: inverse document frequencies over their sum, so that the inner
    # product with an achievement's `terms` is between 0 and 1 and comparable across achievements.
    query_terms = SparseVectorField(dimensions=TERM_DIMENSIONS)
    # The achievements that the last run compared field by field, and the least score of their
    # texts. While none of them changes or leaves, and no other reaches that score, a run would find
    # the same again. None: there were too few to be choosy, and whatever comes belongs among them.
    pool = ArrayField(models.BigIntegerField(), default=list)
    pool_score = models.FloatField(null=True)
    # The model that the stored matches were found by; another one there means match again.
    matched_model = models.ForeignKey(
        EmbeddingModel, models.PROTECT, null=True, related_name="+", db_index=False
    )
    # How often it was marked to be compared again: a run over many demands does not lock them while
    # it compares, and sees by this what was noted meanwhile.
    marks = models.PositiveIntegerField(default=0)

    class Meta(ListingIndex.Meta):
        indexes = [
            *ListingIndex.Meta.indexes,
            GinIndex(fields=["pool"], name="demandindex_pool", fastupdate=False),
        ]


class AchievementIndex(ListingIndex):
    listing = models.OneToOneField(
        Achievement, models.CASCADE, primary_key=True, related_name="search_index"
    )
    # When the demands were last looked through for those whose lists it enters.
    offered_at = models.DateTimeField(null=True, db_index=True)


class ListingEncoding(models.Model):
    """Which version of a listing's text one model has encoded; `digest` as in `ListingIndex`.

    The windows themselves are `ListingVector` rows, none for a text that says nothing.
    """

    model = models.ForeignKey(EmbeddingModel, models.PROTECT, related_name="+", db_index=False)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    # The tiers that the windows were cut by; see `ListingIndex.disclosure`.
    disclosure = models.JSONField(default=dict)
    # Why this model cannot compare it, one of `Unmatchable`; "" where it can.
    problem = models.CharField(max_length=200, blank=True)
    encoded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class DemandEncoding(ListingEncoding):
    listing = models.ForeignKey(Demand, models.CASCADE, related_name="encodings")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("model", "listing"), name="demand_encoding_once")
        ]


class AchievementEncoding(ListingEncoding):
    listing = models.ForeignKey(Achievement, models.CASCADE, related_name="encodings")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("model", "listing"), name="achievement_encoding_once")
        ]


class ListingVector(models.Model):
    """One window of a listing's text: first what everybody may read, then what fewer may."""

    model = models.ForeignKey(EmbeddingModel, models.PROTECT, related_name="+", db_index=False)
    window = models.PositiveSmallIntegerField()
    # The least `Tier` that may read all of it.
    tier = models.PositiveSmallIntegerField()
    # Speaks for a demand's need. A title that was cut off the body repeats it, and does not.
    asks = models.BooleanField(default=True)
    # What the window is written in ("zh" or "en"), read off its letters.
    language = models.CharField(max_length=2)
    # Copied from the listing, so that a filtered search need not join: letter of GB/T 4754, and
    # the first two digits of the region; "" where it says nothing.
    section = models.CharField(max_length=1, blank=True)
    province = models.CharField(max_length=2, blank=True)
    # As wide as its model's vectors. `retrieval.vectors` gives each model an index of its own.
    vector = HalfVectorField()

    class Meta:
        abstract = True


class DemandVector(ListingVector):
    listing = models.ForeignKey(Demand, models.CASCADE, related_name="vectors", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("listing", "model", "window"), name="demand_window_once"
            )
        ]
        indexes = [
            models.Index(fields=("model", "section", "province"), name="demandvector_section"),
            models.Index(fields=("model", "province"), name="demandvector_province"),
            models.Index(fields=("model", "language"), name="demandvector_language"),
        ]


class AchievementVector(ListingVector):
    listing = models.ForeignKey(Achievement, models.CASCADE, related_name="vectors", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=("listing", "model", "window"), name="achievement_window_once"
            )
        ]
        indexes = [
            models.Index(fields=("model", "section", "province"), name="achievementvector_section"),
            models.Index(fields=("model", "province"), name="achievementvector_province"),
            models.Index(fields=("model", "language"), name="achievementvector_language"),
        ]


class CorpusStatistics(models.Model):
    """Counts that BM25 needs, of one list at one moment. Rebuilt when the list has grown."""

    class Corpus(models.TextChoices):
        DEMAND = "demand", _("Demands")
        ACHIEVEMENT = "achievement", _("Achievements")

    corpus = models.CharField(max_length=11, choices=Corpus, primary_key=True)
    documents = models.PositiveIntegerField()
    average_length = models.FloatField()
    built_at = models.DateTimeField(default=timezone.now)


class Centre(models.Model):
    """The mean vector of a list's windows in one language: what all such texts have in common.

    `prior` is the mean of our own samples, which a young list is centred by; `vector` has both in
    it. See `retrieval.centring`.
    """

    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="centres")
    corpus = models.CharField(max_length=11, choices=CorpusStatistics.Corpus)
    language = models.CharField(max_length=2)
    # How many of the list's windows are in `vector`.
    windows = models.PositiveIntegerField(default=0)
    prior = VectorField()
    vector = VectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("model", "corpus", "language"), name="centre_once")
        ]


class TermFrequency(models.Model):
    """In how many documents of a corpus a hashed word stands. Absent: in none."""

    corpus = models.ForeignKey(CorpusStatistics, models.CASCADE, related_name="terms")
    term = models.IntegerField()
    documents = models.PositiveIntegerField()
    # The same of what members and visitors may read. A word's weight would tell them of the rest.
    member_documents = models.PositiveIntegerField(default=0)
    public_documents = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("corpus", "term"), name="term_frequency_once")
        ]


class LatinWord(models.Model):
    """A Latin word that stands in some text, so that a slip of the pen can be put right.

    In how many texts, and for whom, says `TermFrequency`; this is only how it is written.
    """

    word = models.CharField(max_length=40, primary_key=True)
    term = models.IntegerField(db_index=True)


class RankerVersion(models.Model):
    """One run of training: what it learned from, how it compared, and the trees if it won.

    The fixed weights are no row: they rank where no version is in use.
    """

    number = models.PositiveIntegerField(unique=True)
    # What the trees were told of a pair, and by which vectors; see `retrieval.features`.
    features_version = models.PositiveSmallIntegerField()
    model = models.ForeignKey(EmbeddingModel, models.PROTECT, related_name="+")
    engine = models.CharField(max_length=40)
    demands = models.PositiveIntegerField()
    decisions = models.PositiveIntegerField()
    # See `services.training.report_of`.
    report = models.JSONField()
    # Better than the fixed weights on demands that were held back.
    won = models.BooleanField()
    # As LightGBM writes them; and what they add on average, which is taken off.
    trees = models.TextField(blank=True)
    offset = models.FloatField(default=0.0)
    is_active = models.BooleanField(default=False)
    trained_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-number",)
        constraints = [
            # Two people who choose at once: one version ranks, never two.
            models.UniqueConstraint(
                fields=("is_active",), condition=Q(is_active=True), name="ranker_one_active"
            ),
            # What has lost has no trees to rank by.
            models.CheckConstraint(
                condition=Q(is_active=False) | (Q(won=True) & ~Q(trees="")),
                name="ranker_active_has_won",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number}"

    def get_absolute_url(self) -> str:
        return reverse("ops_ranker", args=[self.number])


class RankerChange(models.Model):
    """From when on which ranker was in use, and who chose it. Never changed."""

    # None: the fixed weights.
    version = models.ForeignKey(RankerVersion, models.PROTECT, null=True, related_name="changes")
    # None: a training that won, or the command line.
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-created_at", "-pk")
        triggers = [
            pgtrigger.Protect(
                name="ranker_change_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.version_id or 'fixed'} {self.created_at:%Y-%m-%d}"


class MatchQuerySet(models.QuerySet["Match"]):
    def visible_to(self, user: User) -> Self:
        """Return the matches `user` may know of: all for an operator, those of one's own side,
        and those one has been asked to review."""
        if user.is_operator:
            return self
        own = user.memberships.filter(is_active=True).values("organization")
        return self.filter(
            Q(demand__owner__in=own)
            | Q(achievement__owner__in=own)
            | Q(pk__in=Review.objects.open_to(user).values("match"))
        )

    def by_number(self, number: str) -> Self:
        """Return the match with this public number, or nothing: also when it is malformed."""
        parts = re.fullmatch(r"M-(\d{8})-(\d{4,18})", number)
        if parts is None or parts[2] != f"{int(parts[2]):04d}":
            return self.none()
        try:
            day = dt.datetime.strptime(parts[1], "%Y%m%d").date()
        except ValueError:
            return self.none()
        return self.filter(pk=int(parts[2]), created_at__date=day)

    def open(self) -> Self:
        return self.filter(status__in=OPEN)

    def with_worth(self) -> Self:
        """Add `worth_cny`, what `worth` says: to order by, and to compare with the threshold."""
        return self.annotate(
            worth_cny=Coalesce(
                "demand_revision__money_max",
                "demand_revision__money_min",
                "achievement_revision__money_max",
                "achievement_revision__money_min",
            )
        )

    def awaiting_second(self) -> Self:
        """Return those in review that no manager has: one of two has approved."""
        held = Review.objects.open().filter(match=models.OuterRef("pk"))
        return self.filter(~models.Exists(held), status=MatchStatus.IN_REVIEW)

    def with_listings(self) -> Self:
        return self.select_related(
            "demand__owner", "achievement__owner", "demand_revision", "achievement_revision"
        )


class Match(models.Model):
    """One demand and one achievement that the engine put together, with its evidence."""

    demand = models.ForeignKey(Demand, models.CASCADE, related_name="matches")
    achievement = models.ForeignKey(Achievement, models.CASCADE, related_name="matches")
    # What exactly was compared.
    demand_revision = models.ForeignKey("catalog.DemandRevision", models.PROTECT)
    achievement_revision = models.ForeignKey("catalog.AchievementRevision", models.PROTECT)
    engine = models.CharField(max_length=40)
    model = models.ForeignKey(EmbeddingModel, models.PROTECT, related_name="+")
    # Comparable among the matches of one demand only.
    score = models.FloatField()
    # How likely the pair is worth a meeting, comparable between demands (`ranking.confidence`). 0:
    # by an engine that did not say.
    confidence = models.FloatField(default=0.0)
    rank = models.PositiveSmallIntegerField()
    # Each part 0 to 1, or absent where neither side says anything about it.
    parts = models.JSONField(default=dict)
    # What each part added to the score; together they are the score. See `ranking.added`.
    added = models.JSONField(default=dict)
    # Achievements that say the same and stand behind this one in the list; see `retrieval.alike`.
    alike = ArrayField(models.BigIntegerField(), default=list)
    # What a learned ranker is told of the pair, with "version"; see `retrieval.features`.
    features = models.JSONField(default=dict)
    # Which ranker gave `score`; None: the fixed weights.
    ranker = models.ForeignKey(
        "RankerVersion", models.PROTECT, null=True, related_name="+", db_index=False
    )
    # Evidence: rows of `explanation.constraint_grid`, what would make it fit, sentence pairs,
    # shared words.
    grid = models.JSONField(default=list)
    advice = models.JSONField(default=list)
    pairs = models.JSONField(default=list)
    terms = models.JSONField(default=list)
    explained_at = models.DateTimeField(null=True)
    # What the evidence rests on beside both revisions, the engine and the model: the day, the
    # tiers of that day, the weights of words. See `services.explaining`.
    basis = models.JSONField(default=dict)
    status = models.CharField(
        max_length=10, choices=MatchStatus, default=MatchStatus.SUGGESTED, editable=False
    )
    # A person has acted on it (a review was accepted, a decision made): no run may remove it.
    is_touched = models.BooleanField(default=False, editable=False)
    # Its listing is being changed; nobody can decide until it is published again.
    is_frozen = models.BooleanField(default=False, editable=False)
    # When the present turn ends: the review's or the answers' deadline.
    due_on = models.DateField(null=True, editable=False)
    # An operator has to look: since when, and why. Empty while a manager has it.
    escalated_at = models.DateTimeField(null=True, editable=False)
    escalation = models.CharField(
        max_length=11, choices=Escalation, blank=True, default="", editable=False
    )
    decided_at = models.DateTimeField(null=True, editable=False)
    introduced_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MatchQuerySet.as_manager()

    class Meta:
        ordering = ("-score", "pk")
        constraints = [
            # Two matcher runs may overlap. The database refuses the second pair.
            models.UniqueConstraint(fields=("demand", "achievement"), name="match_pair_once"),
        ]
        indexes = [
            models.Index(fields=("demand", "status"), name="match_of_demand"),
            models.Index(fields=("achievement", "status"), name="match_of_achievement"),
            models.Index(fields=("status", "due_on"), name="match_clock"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.demand} × {self.achievement}"

    @property
    def number(self) -> str:
        return f"M-{timezone.localtime(self.created_at):%Y%m%d}-{self.pk:04d}"

    def get_absolute_url(self) -> str:
        return reverse("match_detail", args=[self.number])

    def listing(self, side: str) -> Listing:
        return self.demand if side == Side.DEMAND else self.achievement

    @property
    def worth(self) -> int | None:
        """What is at stake, in CNY: the demand's budget, else the achievement's price, each by its
        upper end if there is one. None: neither says. Needs both revisions."""
        for revision in (self.demand_revision, self.achievement_revision):
            for money in (revision.money_max, revision.money_min):
                if money is not None:
                    return int(money)
        return None

    @property
    def needs_second(self) -> bool:
        """Say whether it is worth so much that two managers have to approve it."""
        return (self.worth or 0) > settings.SECOND_REVIEW_ABOVE

    def move_to(self, status: MatchStatus) -> None:
        """Change the status in memory. The caller holds the row lock, and saves.

        Raises `IllegalMove` with a sentence.
        """
        if status not in MOVES.get(self.status, set()):
            raise IllegalMove(
                gettext("A match that is “%(before)s” cannot become “%(after)s”.")
                % {"before": self.get_status_display(), "after": status.label}
            )
        self.status = status


class ReviewQuerySet(models.QuerySet["Review"]):
    def open(self) -> Self:
        return self.filter(status__in=(ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED))

    def open_to(self, user: User) -> Self:
        """Return the reviews that `user` may read: their own, unless handed back or taken away."""
        return self.filter(
            manager=user,
            status__in=(ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED),
        )


class Review(models.Model):
    """A manager's judgement of a match."""

    match = models.ForeignKey(Match, models.CASCADE, related_name="reviews")
    manager = models.ForeignKey(User, models.PROTECT, related_name="reviews")
    status = models.CharField(
        max_length=11, choices=ReviewStatus, default=ReviewStatus.ASSIGNED, editable=False
    )
    # Why this manager: {"classes": [...], "load": n, "capacity": n, "decided": n, "region": bool}.
    assigned_because = models.JSONField(default=dict)
    decision = models.CharField(max_length=7, choices=Decision, blank=True)
    # Codes of `catalog.reasons`.
    reasons = ArrayField(models.CharField(max_length=24), default=list, blank=True)
    # Points by `Criterion`, and those that the evidence alone would give (the form starts there).
    criteria = models.JSONField(default=dict)
    suggested = models.JSONField(default=dict)
    # Remarks by line of the grid ("indicator:2", "trl"...). Both sides read them with the comment.
    remarks = models.JSONField(default=dict)
    # Both sides read this once the match is approved; the owner also after a rejection.
    comment = models.TextField(max_length=2000, blank=True)
    due_on = models.DateField()
    assigned_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    # When the manager stated that they have no interest in either side, knowing both names.
    stated_at = models.DateTimeField(null=True)
    # While a side is asked the clock stands still: since when, and the working days then left.
    paused_on = models.DateField(null=True)
    days_left = models.SmallIntegerField(null=True)
    # The match as the manager saw it last; see `services.changes`.
    seen = models.JSONField(default=dict)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "pk")
        constraints = [
            # Two assignment runs may overlap: one open review of a match, never two.
            models.UniqueConstraint(
                fields=("match",),
                condition=Q(status__in=("assigned", "accepted")),
                name="review_one_open",
            ),
        ]
        indexes = [models.Index(fields=("manager", "status", "due_on"), name="review_queue")]

    def __str__(self) -> str:
        return f"{self.match_id} / {self.manager}"

    @property
    def is_open(self) -> bool:
        return self.status in (ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED)

    def get_absolute_url(self) -> str:
        return reverse("match_review", args=[self.match.number])

    def move_to(self, status: ReviewStatus) -> None:
        """Change the status in memory. The caller holds the match's lock, and saves."""
        if status not in REVIEW_MOVES.get(self.status, set()):
            raise IllegalMove(
                gettext("A review that is “%(before)s” cannot become “%(after)s”.")
                % {"before": self.get_status_display(), "after": status.label}
            )
        self.status = status


class Inquiry(models.Model):
    """A manager's questions to one side, each about one field. The review's clock waits."""

    review = models.ForeignKey(Review, models.CASCADE, related_name="inquiries")
    side = models.CharField(max_length=11, choices=Side)
    # [{"field": "indicator:2", "text": "..."}], and as many answers in the same order.
    questions = models.JSONField(default=list)
    answers = models.JSONField(default=list)
    status = models.CharField(
        max_length=9, choices=InquiryStatus, default=InquiryStatus.OPEN, editable=False
    )
    due_on = models.DateField()
    asked_at = models.DateTimeField(default=timezone.now)
    answered_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("asked_at", "pk")
        constraints = [
            # A side that is asked twice at once would not know which answer is awaited.
            models.UniqueConstraint(
                fields=("review",), condition=Q(status="open"), name="inquiry_one_open"
            ),
        ]
        indexes = [models.Index(fields=("status", "due_on"), name="inquiry_clock")]

    def __str__(self) -> str:
        return f"{self.review_id} → {self.side}"


class Appeal(models.Model):
    """A side's one objection to a rejection. Another manager decides anew."""

    match = models.ForeignKey(Match, models.CASCADE, related_name="appeals")
    side = models.CharField(max_length=11, choices=Side)
    text = models.TextField(max_length=1000)
    status = models.CharField(
        max_length=10, choices=AppealStatus, default=AppealStatus.OPEN, editable=False
    )
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=("match", "side"), name="appeal_once_a_side"),
        ]

    def __str__(self) -> str:
        return f"{self.match_id} {self.side}"


class Feedback(models.Model):
    """What one side says of an introduction and of the manager who made it."""

    match = models.ForeignKey(Match, models.CASCADE, related_name="feedback")
    side = models.CharField(max_length=11, choices=Side)
    # 1 to 5, of the manager.
    rating = models.PositiveSmallIntegerField()
    contract = models.CharField(max_length=7, choices=ContractState)
    note = models.CharField(max_length=1000, blank=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # The last answer counts: "still talking" becomes a contract.
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("match", "side"), name="feedback_once_a_side"),
            models.CheckConstraint(
                condition=Q(rating__gte=1, rating__lte=5), name="feedback_rating_1_to_5"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.match_id} {self.side} {self.rating}"


class SavedView(models.Model):
    """A manager's named filter of the workbench."""

    user = models.ForeignKey(User, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=40)
    # The query string, without the page.
    query = models.CharField(max_length=500)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(fields=("user", "name"), name="saved_view_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class ManagerVector(models.Model):
    """Where a manager's decisions lie: the mean of the pairs that they decided, centred.

    Computed anew by the assignment when they have decided more, or under another model; see
    `services.expertise`.
    """

    user = models.OneToOneField(
        User, models.CASCADE, primary_key=True, related_name="manager_vector"
    )
    model = models.ForeignKey(EmbeddingModel, models.CASCADE, related_name="+")
    # Of unit length, or zero where no pair of theirs has vectors.
    vector = HalfVectorField()
    # How many decisions they had when this was computed, and of how many it is the mean.
    decided = models.PositiveIntegerField()
    used = models.PositiveIntegerField()
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.used}"


class AssignmentPlan(models.Model):
    """A re-assignment as an operator was shown it. Confirmed, exactly these moves are made."""

    class Scope(models.TextChoices):
        WAITING = "waiting", _("Matches that wait for a manager")
        ASSIGNED = "assigned", _("All reviews that nobody has taken on yet")
        MANAGER = "manager", _("One manager's reviews that are not taken on yet")

    class State(models.TextChoices):
        RUNNING = "running", pgettext_lazy("plan", "Being worked out")
        READY = "ready", pgettext_lazy("plan", "Nothing changed yet")
        APPLIED = "applied", pgettext_lazy("plan", "Carried out")
        DROPPED = "dropped", pgettext_lazy("plan", "Not carried out")

    scope = models.CharField(max_length=8, choices=Scope)
    # Whose reviews are given away, for `Scope.MANAGER`.
    manager = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=7, choices=State, default=State.RUNNING, editable=False)
    # What would be moved, what nobody can take and why, and figures before and after: see
    # `services.planning`.
    moves = models.JSONField(default=list)
    stuck = models.JSONField(default=list)
    figures = models.JSONField(default=dict)
    # Of a plan that was carried out: how many were moved, and which not and why.
    result = models.JSONField(default=dict)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="manager", manager__isnull=False)
                | (~Q(scope="manager") & Q(manager__isnull=True)),
                name="plan_of_a_manager_names_one",
            ),
            # What was done says who did it and when.
            models.CheckConstraint(
                condition=Q(state__in=("running", "ready"), closed_at__isnull=True)
                | Q(
                    state__in=("applied", "dropped"),
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                ),
                name="plan_closed_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.scope}"

    def get_absolute_url(self) -> str:
        return reverse("ops_plan", args=[self.pk])


class Consent(models.Model):
    """One side's answer to an approved match."""

    match = models.ForeignKey(Match, models.CASCADE, related_name="consents")
    side = models.CharField(max_length=11, choices=Side)
    agreed = models.BooleanField()
    reason = models.CharField(max_length=10, choices=DeclineReason, blank=True)
    note = models.CharField(max_length=1000, blank=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Two colleagues who answer at once: the first counts, the second is told so.
            models.UniqueConstraint(fields=("match", "side"), name="consent_once_a_side"),
            models.CheckConstraint(
                condition=Q(agreed=True) | ~Q(reason=""), name="consent_no_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.match_id} {self.side} {self.agreed}"


class MatchEvent(models.Model):
    """One step in the life of a match: who, when, from, to, why. Never changed."""

    class Verb(models.TextChoices):
        SUGGESTED = "suggested", _("found")
        SUPERSEDED = "superseded", _("replaced")
        ASSIGNED = "assigned", _("assigned")
        ACCEPTED = "accepted", _("review accepted")
        VIEWED = "viewed", _("names viewed")
        HANDED_BACK = "handed_back", _("handed back")
        REFERRED = "referred", _("referred")
        NO_RESPONSE = "no_response", _("no response in time")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        AGREED = "agreed", _("agreed to meet")
        DECLINED = "declined", _("declined")
        INTRODUCED = "introduced", _("introduced")
        LAPSED = "lapsed", _("lapsed")
        FROZEN = "frozen", _("frozen while a listing is being changed")
        UNFROZEN = "unfrozen", _("taken up again")
        FIRST_YES = "first_yes", _("approved by the first of two managers")
        UNDONE = "undone", _("decision undone by its manager")
        REOPENED = "reopened", _("reopened by an operator")
        VOIDED = "voided", _("review void: a conflict of interest")
        ASKED = "asked", _("one side asked for more")
        ANSWERED = "answered", _("questions answered")
        UNANSWERED = "unanswered", _("questions not answered in time")
        APPEALED = "appealed", _("objection of one side")
        ESCALATED = "escalated", _("handed to the operators")
        PROLONGED = "prolonged", _("given a working day more")

    match = models.ForeignKey(Match, models.CASCADE, related_name="events")
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    # The manager whom the step is about, where somebody or something else has made it.
    subject = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    verb = models.CharField(max_length=11, choices=Verb)
    before = models.CharField(max_length=10, choices=MatchStatus, blank=True)
    after = models.CharField(max_length=10, choices=MatchStatus)
    side = models.CharField(max_length=11, choices=Side, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    note = models.TextField(max_length=2000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        triggers = [
            pgtrigger.Protect(
                name="match_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.match_id} {self.verb}"


def vector_model(listing_kind: str) -> type[Any]:
    """Return the table of a list's windows: "demand" or "achievement"."""
    return DemandVector if listing_kind == "demand" else AchievementVector


def encoding_model(listing_kind: str) -> type[Any]:
    """Return the table of which listing each model has encoded: "demand" or "achievement"."""
    return DemandEncoding if listing_kind == "demand" else AchievementEncoding


def index_model(listing_kind: str) -> type[Any]:
    """Return the table of a list's search index rows: "demand" or "achievement"."""
    return DemandIndex if listing_kind == "demand" else AchievementIndex
