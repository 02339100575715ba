"""Who people are: users, their organizations, and technology managers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar, Self

import pgtrigger
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from accounts.codes import validate_credit_code
from accounts.contact_keys import domain_key, phone_key
from accounts.files.inspecting import FileKind
from accounts.files.scanning import ScanState
from accounts.inbox import MailHours, Notification, NotificationPreference  # noqa: F401
from accounts.regions import macro_region, province_name


class UserManager(BaseUserManager["User"]):
    """Creates users that are known by their e-mail alone."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an operator: KeQiao knows no other superuser.

        Whoever may run this command is trusted with the address: the first operator of a new
        platform must be able to log in before its mail server works.
        """
        with transaction.atomic():
            user = self.create_user(email, password, is_operator=True, **fields)
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class Language(models.TextChoices):
    """The languages of the site, by Django's codes. `settings.LANGUAGES` has the same."""

    ZH = "zh-hans", _("Simplified Chinese")
    EN = "en", _("English")


class User(AbstractUser):  # type: ignore[django-manager-missing]  # knox has no stubs
    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=80)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    # Of pages on every device, and of letters: a task that writes one sees no browser.
    language = models.CharField(
        _("language of pages and e-mails"), max_length=7, choices=Language, default=Language.ZH
    )
    # Single letters press what they stand for in the workbench; who dictates to the computer, or
    # types with a device that sends letters, switches that off (WCAG 2.1.4).
    shortcuts = models.BooleanField(_("keyboard shortcuts"), default=True)
    # Of which roles (`accounts.navigation.Role`) the first steps are put away for good.
    guides_hidden = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    # When the home page was opened last, and when in the visit before: what is new since then.
    home_seen_at = models.DateTimeField(null=True, editable=False)
    home_seen_before = models.DateTimeField(null=True, editable=False)
    # Runs the platform: verifies, certifies, reassigns, sees everything, decides no match.
    is_operator = models.BooleanField(_("operator"), default=False)

    organizations: models.ManyToManyField[Organization, Membership] = models.ManyToManyField(
        "Organization", through="Membership", related_name="users"
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()  # type: ignore[assignment,misc]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            # A second account in other letters would receive the first one's mail.
            models.UniqueConstraint(Upper("email"), name="user_email_once_in_any_case"),
        ]
        indexes = [
            models.Index(domain_key("email"), name="user_mail_domain"),
            models.Index(phone_key("phone"), name="user_phone_line"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name


class OrganizationKind(models.TextChoices):
    ENTERPRISE = "enterprise", _("Enterprise")
    UNIVERSITY = "university", _("University")
    INSTITUTE = "institute", _("Research institute")
    HOSPITAL = "hospital", _("Hospital")
    AGENCY = "agency", _("Technology transfer agency")
    BUREAU = "bureau", _("Government bureau")


class OrganizationSize(models.TextChoices):
    MICRO = "micro", _("Micro")
    SMALL = "small", _("Small")
    MEDIUM = "medium", _("Medium")
    LARGE = "large", _("Large")


class OrganizationStatus(models.TextChoices):
    PENDING = "pending", _("Awaiting verification")
    VERIFIED = "verified", _("Verified")
    REJECTED = "rejected", _("Returned")


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def visible_to(self, user: User) -> Self:
        """Return what `user` may open: all for an operator, else one's own."""
        if user.is_operator:
            return self
        return self.filter(memberships__user=user)

    def verified(self) -> Self:
        return self.filter(status=OrganizationStatus.VERIFIED)


class Organization(models.Model):
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("English name"), max_length=160, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=OrganizationKind)
    credit_code = models.CharField(
        _("unified social credit code"),
        max_length=18,
        unique=True,
        validators=[validate_credit_code],
    )
    region = models.CharField(_("region"), max_length=6)
    size = models.CharField(_("size"), max_length=6, choices=OrganizationSize)
    # What the other side may read before the introduction, such as “装备制造”.
    field = models.CharField(_("field of work"), max_length=40)
    field_en = models.CharField(_("field of work in English"), max_length=80, blank=True)
    summary = models.TextField(_("about"), max_length=1000, blank=True)
    contact_name = models.CharField(_("contact person"), max_length=80)
    contact_phone = models.CharField(_("contact phone"), max_length=30)
    contact_email = models.EmailField(_("contact e-mail"))
    status = models.CharField(
        _("status"),
        max_length=8,
        choices=OrganizationStatus,
        default=OrganizationStatus.PENDING,
        editable=False,
    )
    status_reason = models.CharField(max_length=300, blank=True, editable=False)
    verified_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        indexes = [
            models.Index(fields=("status", "created_at")),
            models.Index(domain_key("contact_email"), name="organization_mail_domain"),
            models.Index(phone_key("contact_phone"), name="organization_phone_line"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_verified(self) -> bool:
        return self.status == OrganizationStatus.VERIFIED

    def blind(self) -> str:
        """Describe the organization without naming it: kind, part of the country, field.

        This is all that the other side reads until both have agreed to meet.
        """
        kind = {
            OrganizationKind.ENTERPRISE: gettext("an enterprise"),
            OrganizationKind.UNIVERSITY: gettext("a university"),
            OrganizationKind.INSTITUTE: gettext("a research institute"),
            OrganizationKind.HOSPITAL: gettext("a hospital"),
            OrganizationKind.AGENCY: gettext("an agency"),
            OrganizationKind.BUREAU: gettext("a government bureau"),
        }[OrganizationKind(self.kind)]
        parts = [kind, macro_region(self.region), self.local_field()]
        if self.kind == OrganizationKind.ENTERPRISE:
            parts.append(gettext("%(size)s size") % {"size": self.get_size_display()})
        return " · ".join(part for part in parts if part)

    def local_field(self) -> str:
        """Return the field of work in the reader's language where it is known."""
        from django.utils.translation import get_language

        english = (get_language() or "").startswith("en")
        return self.field_en if english and self.field_en else self.field

    def province(self) -> str:
        return province_name(self.region)


class MembershipRole(models.TextChoices):
    OWNER = "owner", _("Owner")
    EDITOR = "editor", _("Editor")
    VIEWER = "viewer", _("Viewer")


class MembershipQuerySet(models.QuerySet["Membership"]):
    def active(self) -> Self:
        return self.filter(is_active=True)


class Membership(models.Model):
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=6, choices=MembershipRole)
    # A person who asks to join waits here until an owner or an operator lets them in.
    is_active = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ("organization", "pk")
        constraints = [
            # Two sign-up clicks must not make one person two members.
            models.UniqueConstraint(fields=("user", "organization"), name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} @ {self.organization}"


class ManagerGrade(models.TextChoices):
    JUNIOR = "junior", _("Junior")
    INTERMEDIATE = "intermediate", _("Intermediate")
    SENIOR = "senior", _("Senior")


class ManagerStatus(models.TextChoices):
    PENDING = "pending", _("Awaiting certification")
    CERTIFIED = "certified", _("Certified")
    SUSPENDED = "suspended", _("Suspended")
    EXPIRED = "expired", pgettext_lazy("certificate", "Expired")


class ManagerQuerySet(models.QuerySet["ManagerProfile"]):
    def certified(self) -> Self:
        """Return managers who may review today: certified, with a certificate that is valid."""
        return self.certified_on(timezone.localdate())

    def certified_on(self, day: dt.date) -> Self:
        """The same of `day`. A certificate without dates is one from before dates were kept."""
        return self.filter(
            Q(valid_from=None) | Q(valid_from__lte=day),
            Q(valid_until=None) | Q(valid_until__gte=day),
            status=ManagerStatus.CERTIFIED,
            user__is_active=True,
        )

    def available_on(self, day: dt.date) -> Self:
        """Return managers certified on `day` who have not marked it as a day off."""
        away = Absence.objects.on(day).filter(profile=OuterRef("pk"))
        return self.certified_on(day).exclude(Exists(away))


class ManagerProfile(models.Model):
    """A technology manager: one who may review and broker once an operator has certified them."""

    user = models.OneToOneField(User, models.CASCADE, related_name="manager_profile")
    grade = models.CharField(_("grade"), max_length=12, choices=ManagerGrade)
    certificate_no = models.CharField(_("certificate number"), max_length=40, unique=True)
    issuer = models.CharField(_("issued by"), max_length=120, blank=True)
    # The days that stand on the certificate, both included. None: from before they were kept.
    valid_from = models.DateField(_("valid from"), null=True)
    valid_until = models.DateField(_("valid until"), null=True)
    # GB/T 4754 sections or divisions ("C", "C34") and province codes the manager works in.
    classes = ArrayField(models.CharField(max_length=5), verbose_name=_("industries"), default=list)
    regions = ArrayField(
        models.CharField(max_length=6), verbose_name=_("regions"), default=list, blank=True
    )
    capacity = models.PositiveSmallIntegerField(
        _("open reviews at most"),
        default=20,
        validators=[MinValueValidator(1), MaxValueValidator(200)],
    )
    status = models.CharField(
        max_length=9, choices=ManagerStatus, default=ManagerStatus.PENDING, editable=False
    )
    # Why it was turned down or suspended; the person reads it.
    status_reason = models.CharField(max_length=300, blank=True, editable=False)
    certified_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    # Set by `accounts.stars.with_stars`; no column.
    current_stars: ManagerStars | None

    objects = ManagerQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [
            # Days typed the wrong way round would expire a certificate before it begins.
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
                name="manager_valid_days_in_order",
            ),
        ]
        indexes = [models.Index(fields=("status", "valid_until"), name="manager_validity")]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def is_certified(self) -> bool:
        """Say whether the person may review today; see `ManagerQuerySet.certified`."""
        today = timezone.localdate()
        return (
            self.status == ManagerStatus.CERTIFIED
            and (self.valid_from is None or self.valid_from <= today)
            and (self.valid_until is None or self.valid_until >= today)
        )

    @property
    def has_expired(self) -> bool:
        """Say whether only the certificate's days stand in the way."""
        return self.status == ManagerStatus.EXPIRED or (
            self.status == ManagerStatus.CERTIFIED
            and self.valid_until is not None
            and self.valid_until < timezone.localdate()
        )

    def absence_on(self, day: dt.date) -> Absence | None:
        """Return the days off that `day` falls into: the one that lasts longest, None at work."""
        return self.absences.on(day).order_by(F("last").desc(nulls_first=True), "pk").first()


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def on(self, day: dt.date) -> Self:
        return self.filter(Q(last__gte=day) | Q(last=None), first__lte=day)

    def from_day(self, day: dt.date) -> Self:
        """Return those that are not over on `day`."""
        return self.filter(Q(last__gte=day) | Q(last=None))


class Absence(models.Model):
    """Days on which a manager takes no new reviews, both included; open without a last one."""

    profile = models.ForeignKey(ManagerProfile, models.CASCADE, related_name="absences")
    first = models.DateField(_("first day"))
    last = models.DateField(_("last day"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=120, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        ordering = ("first", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(last=None) | Q(last__gte=F("first")), name="absence_days_in_order"
            ),
        ]
        indexes = [models.Index(fields=("profile", "first", "last"), name="absence_days")]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.first} – {self.last or '…'}"


class RenewalStatus(models.TextChoices):
    OPEN = "open", pgettext_lazy("certificate", "Being checked")
    CONFIRMED = "confirmed", pgettext_lazy("certificate", "Renewed")
    REFUSED = "refused", pgettext_lazy("certificate", "Not renewed")
    RECALLED = "recalled", pgettext_lazy("certificate", "Withdrawn")


class Renewal(models.Model):
    """A certified manager's request for what a newer certificate says. The old one holds until an
    operator has compared it with its evidence."""

    profile = models.ForeignKey(ManagerProfile, models.CASCADE, related_name="renewals")
    grade = models.CharField(_("grade"), max_length=12, choices=ManagerGrade)
    certificate_no = models.CharField(_("certificate number"), max_length=40)
    issuer = models.CharField(_("issued by"), max_length=120)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"))
    classes = ArrayField(models.CharField(max_length=5), verbose_name=_("industries"), default=list)
    regions = ArrayField(
        models.CharField(max_length=6), verbose_name=_("regions"), default=list, blank=True
    )
    status = models.CharField(
        max_length=9, choices=RenewalStatus, default=RenewalStatus.OPEN, editable=False
    )
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # What the manager reads.
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            # Two requests at once could not both be meant.
            models.UniqueConstraint(
                fields=("profile",), condition=Q(status="open"), name="renewal_one_open"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__gte=F("valid_from")), name="renewal_days_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.certificate_no}: {self.valid_from} – {self.valid_until}"


class InterestKind(models.TextChoices):
    EMPLOYMENT = "employment", _("Past employment")
    INTEREST = "interest", _("Financial or family interest")


class ManagerInterestQuerySet(models.QuerySet["ManagerInterest"]):
    def standing(self) -> Self:
        """Return those that still bar: all but what an operator has struck out as a mistake."""
        return self.filter(struck_at=None)


class ManagerInterest(models.Model):
    """A tie between a manager and an organization that bars them from its matches.

    Of an organization that is not registered here its name and code are kept: the tie holds from
    the moment on at which one with that code, or else that name, registers.
    """

    profile = models.ForeignKey(ManagerProfile, models.CASCADE, related_name="interests")
    organization = models.ForeignKey(Organization, models.CASCADE, null=True, related_name="+")
    name = models.CharField(_("organization"), max_length=120, blank=True)
    credit_code = models.CharField(_("unified social credit code"), max_length=18, blank=True)
    kind = models.CharField(max_length=10, choices=InterestKind)
    # For operators: a tie that has ended is still one.
    since = models.DateField(_("since"), null=True, blank=True)
    until = models.DateField(_("until"), null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # An operator found it to be a mistake, such as the wrong organization's code.
    struck_at = models.DateTimeField(null=True, editable=False)
    struck_by = models.ForeignKey(User, models.PROTECT, null=True, editable=False, related_name="+")

    objects = ManagerInterestQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(
                fields=("profile", "organization", "kind"),
                condition=Q(struck_at=None, organization__isnull=False),
                name="interest_once",
            ),
            models.CheckConstraint(
                condition=Q(organization__isnull=False) | ~Q(name="") | ~Q(credit_code=""),
                name="interest_says_of_whom",
            ),
        ]
        indexes = [
            # What a new organization is looked up in.
            models.Index(
                fields=("credit_code",), condition=Q(organization=None), name="interest_by_code"
            ),
            models.Index(fields=("name",), condition=Q(organization=None), name="interest_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} – {self.title}"

    @property
    def title(self) -> str:
        """Return what the organization is called: as registered, else as the manager wrote it."""
        if self.organization is not None:
            return self.organization.name
        return self.name or self.credit_code

    @property
    def own_title(self) -> str:
        """Return what its manager reads of the organization: no more than they knew or typed.

        A code does not tell them whose it is, and an interest may have been declared in a match
        whose sides they were not to know yet.
        """
        if self.name or self.credit_code or self.organization is None:
            return self.name or self.credit_code
        return self.organization.blind()


class AccountEvent(models.Model):
    """One step in the life of an organization, a membership or a manager. Never changed."""

    class Verb(models.TextChoices):
        REGISTERED = "registered", _("registered")
        CHANGED = "changed", _("changed")
        VERIFIED = "verified", _("verified")
        RETURNED = "returned", _("returned")
        JOIN_ASKED = "join_asked", _("asked to join")
        JOINED = "joined", _("joined")
        REFUSED = "refused", _("refused")
        APPLIED = "applied", _("applied as technology manager")
        CERTIFIED = "certified", _("certified")
        SUSPENDED = "suspended", _("suspended")
        INTEREST = "interest", _("declared an interest")
        STRUCK = "struck", _("struck out a declared interest")
        LIFTED = "lifted", _("suspension lifted")
        EXPIRED = "expired", pgettext_lazy("certificate", "expired")
        RENEW_ASKED = "renew_ask", _("asked for a renewal")
        RENEWED = "renewed", _("certificate renewed")
        RENEW_REFUSED = "renew_no", _("renewal refused")
        RENEW_RECALLED = "renew_back", _("request for a renewal withdrawn")
        AWAY = "away", _("marked days off")
        BACK = "back", _("took days off back")
        CHECKED = "checked", _("point checked")
        UNCHECKED = "unchecked", _("check taken back")
        FILE_ADDED = "file_added", _("evidence added")
        FILE_REMOVED = "file_gone", _("evidence removed")
        FILE_READ = "file_read", _("evidence opened")
        FILE_REFUSED = "file_no", _("evidence refused: a virus")
        CODE_ASKED = "code_asked", _("asked for another credit code")
        CODE_CHANGED = "code_new", _("credit code changed")
        CODE_REFUSED = "code_no", _("another credit code refused")
        CODE_RECALLED = "code_back", _("request for another credit code withdrawn")
        TOKEN_MADE = "token_made", _("created an API token")
        TOKEN_GONE = "token_gone", _("revoked an API token")

    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="events")
    # The person whom the step is about, where it is not the organization itself.
    subject = models.ForeignKey(User, models.PROTECT, null=True, related_name="events")
    verb = models.CharField(max_length=10, choices=Verb)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        triggers = [
            pgtrigger.Protect(
                name="account_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb}"


class AccessEvent(models.Model):
    """One look at what is not for everybody, or one file taken out. Never changed.

    Who read what is as much a part of the trace as who changed what; see `accounts.trace`.
    """

    class Kind(models.TextChoices):
        NAMES = "names", _("read both names")
        CONTACTS = "contacts", _("read the contacts")
        RESTRICTED = "restricted", _("read fields that are not for members")
        EXPORT = "export", _("took a file out")

    class Subject(models.TextChoices):
        MATCH = "match", _("Match")
        LISTING = "listing", _("Listing")
        TRACE = "trace", _("Trace")
        FIGURES = "figures", _("Figures")

    actor = models.ForeignKey(User, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    subject = models.CharField(max_length=7, choices=Subject)
    # The public number of the match or listing; empty for the trace and for figures.
    number = models.CharField(max_length=40, blank=True)
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        indexes = [
            models.Index(fields=("actor", "created_at"), name="access_by_actor"),
            models.Index(fields=("number", "created_at"), name="access_by_number"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="access_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.actor_id} {self.kind} {self.number}"


class TokenScope(models.TextChoices):
    READ = "read", pgettext_lazy("token", "Read only")
    WRITE = "write", pgettext_lazy("token", "Read and write")


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """A key of one person to the API. Only its digest is kept, so it can be shown once.

    `token_key` holds its first characters, by which its owner and the look-up know it again.
    """

    # Names the token in addresses: the digest is nobody's business.
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=60)
    scope = models.CharField(_("scope"), max_length=5, choices=TokenScope, default=TokenScope.READ)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return self.name

    @property
    def has_expired(self) -> bool:
        return self.expiry is not None and self.expiry < timezone.now()


class MailState(models.TextChoices):
    WAITING = "waiting", pgettext_lazy("mail", "Waiting")
    SENT = "sent", pgettext_lazy("mail", "Sent")
    DROPPED = "dropped", pgettext_lazy("mail", "No longer wanted")
    FAILED = "failed", pgettext_lazy("mail", "Refused")


class OutboxMail(models.Model):
    """One mail to one person, promised in the transaction that is its reason; see `accounts.mail`.

    The text is made when it is sent, from `payload`, so that nobody is told what they may no
    longer know, and no text is stored that the receiver's language or role would change.
    """

    kind = models.CharField(max_length=30)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    # What this mail is the only one about: a task that runs twice must not write two.
    key = models.CharField(max_length=200, unique=True)
    payload = models.JSONField(default=dict)
    state = models.CharField(max_length=7, choices=MailState, default=MailState.WAITING)
    # Not before this moment. Whoever takes a mail up moves it ahead, and so holds it.
    try_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state=MailState.SENT, sent_at__isnull=False)
                | (~Q(state=MailState.SENT) & Q(sent_at__isnull=True)),
                name="mail_sent_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=("try_at",), condition=Q(state=MailState.WAITING), name="mail_waiting"
            ),
            models.Index(fields=("created_at",), name="mail_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.user_id}"


# --- Verification -----------------------------------------------------------------------------


class CheckPoint(models.TextChoices):
    """What an operator compares before an organization counts as verified."""

    CODE = "code", _("The credit code is valid and belongs to this name on the public register")
    LICENCE = "licence", _("Business licence or legal-person certificate seen")
    CONTACT = "contact", _("The contact was reached by phone")
    LETTER = "letter", _("Letter of authorisation for the person who registered")
    SITE = "site", _("The website or e-mail domain belongs to the organization")


class VerificationCheck(models.Model):
    """A point that an operator has ticked, for the entries as they are now."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="checks")
    point = models.CharField(max_length=7, choices=CheckPoint)
    note = models.CharField(max_length=200, blank=True)
    checked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    checked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # Two operators who tick at once have ticked it once.
            models.UniqueConstraint(fields=("organization", "point"), name="check_point_once"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.point}"


class CodeChangeStatus(models.TextChoices):
    OPEN = "open", _("Awaiting confirmation")
    CONFIRMED = "confirmed", _("Confirmed")
    REFUSED = "refused", pgettext_lazy("credit code", "Refused")
    RECALLED = "recalled", pgettext_lazy("credit code", "Withdrawn")


class CodeChange(models.Model):
    """An owner's request for another credit code. The old one holds until an operator confirms."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="code_changes")
    old_code = models.CharField(max_length=18)
    new_code = models.CharField(max_length=18, validators=[validate_credit_code])
    reason = models.CharField(max_length=300)
    status = models.CharField(
        max_length=9, choices=CodeChangeStatus, default=CodeChangeStatus.OPEN, editable=False
    )
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    # What the owners read.
    answer = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            # Two requests at once could not both be meant.
            models.UniqueConstraint(
                fields=("organization",), condition=Q(status="open"), name="code_change_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_code} → {self.new_code}"


class EvidenceKind(models.TextChoices):
    LICENCE = "licence", _("Business licence or legal-person certificate")
    LETTER = "letter", _("Letter of authorisation")
    CODE = "code", _("Proof of the new credit code")
    CERTIFICATE = "cert", _("Technology manager's certificate")
    OTHER = "other", _("Something else")


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    def present(self) -> Self:
        return self.filter(removed_at=None)


class Evidence(models.Model):
    """A file that shows who an organization is, or that a manager's certificate is theirs.

    The organization's owners or the manager read it, and operators; nobody else. A removed one
    leaves its row; the file itself is deleted.
    """

    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, related_name="evidence"
    )
    profile = models.ForeignKey(ManagerProfile, models.PROTECT, null=True, related_name="evidence")
    renewal = models.ForeignKey(Renewal, models.PROTECT, null=True, related_name="evidence")
    code_change = models.ForeignKey(CodeChange, models.PROTECT, null=True, related_name="evidence")
    purpose = models.CharField(max_length=7, choices=EvidenceKind)
    file = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=4, choices=FileKind)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    scan = models.CharField(max_length=9, choices=ScanState)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)
    removed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(
                fields=("organization", "sha256"),
                condition=Q(removed_at__isnull=True),
                name="evidence_same_file",
            ),
            models.UniqueConstraint(
                fields=("profile", "sha256"),
                condition=Q(removed_at__isnull=True),
                name="evidence_same_file_of_manager",
            ),
            # A file of nobody would be nobody's to read, one of two would be read by both.
            models.CheckConstraint(
                condition=Q(organization__isnull=False, profile=None, renewal=None)
                | Q(organization=None, code_change=None, profile__isnull=False),
                name="evidence_of_one",
            ),
        ]
        triggers = [
            pgtrigger.ReadOnly(
                name="evidence_content_stays",
                fields=["file", "name", "kind", "size", "sha256", "added_at"],
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_held(self) -> bool:
        return self.scan == ScanState.HELD


# --- Stars --------------------------------------------------------------------------------------


class ManagerStars(models.Model):
    """What one computation of a manager's stars found. A row is added when the result changes.

    `parts`: by part {"n": of how many, "good": how many of them or their sum, "points": 0 to 1};
    a part without data is missing. See `accounts.stars` for the formula.
    """

    profile = models.ForeignKey(ManagerProfile, models.CASCADE, related_name="stars")
    version = models.PositiveSmallIntegerField()
    # 1 to 5 in halves. None: too little is known.
    stars = models.DecimalField(max_digits=2, decimal_places=1, null=True)
    # 0 to 1, what was rounded.
    score = models.FloatField(null=True)
    n = models.PositiveIntegerField()
    parts = models.JSONField(default=dict)
    computed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-computed_at", "-pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(stars=None) | Q(stars__gte=1, stars__lte=5), name="stars_1_to_5"
            ),
        ]
        indexes = [
            models.Index(fields=("profile", "-computed_at", "-id"), name="stars_latest"),
        ]
        triggers = [pgtrigger.Protect(name="stars_append_only", operation=pgtrigger.Update)]

    def __str__(self) -> str:
        return f"{self.profile_id}: {self.stars or '-'} (v{self.version})"
