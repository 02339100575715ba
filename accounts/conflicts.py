"""Ties between people and organizations, which bar a manager from judging their matches.

Nobody judges their own: one is tied to an organization that one is or wants to be a member of, has
worked for or declared an interest in, and to one that has one's e-mail domain or phone number. The
domain and the number are those of the organization's contact and of its active members: a stranger
who merely asks to join must not bar others by the way. Mail providers' domains count for nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    TextChoices,
    Value,
)
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.contact_keys import domain_key, phone_key
from accounts.models import (
    InterestKind,
    ManagerInterest,
    ManagerProfile,
    Membership,
    Organization,
    User,
)
from accounts.signals import tell, ties_changed

Ties = dict[int, dict[int, set["TieKind"]]]
_LIST = Path(__file__).parent / "data" / "public_mail_domains.txt"


class TieKind(TextChoices):
    MEMBER = "member", gettext_lazy("Membership")
    EMPLOYER = "employer", gettext_lazy("Past employment")
    INTEREST = "interest", gettext_lazy("Financial or family interest")
    DOMAIN = "domain", gettext_lazy("The same e-mail domain")
    PHONE = "phone", gettext_lazy("The same phone number")


KIND_OF = {
    InterestKind.EMPLOYMENT: TieKind.EMPLOYER,
    InterestKind.INTEREST: TieKind.INTEREST,
}


@cache
def _listed() -> frozenset[str]:
    lines = _LIST.read_text(encoding="utf8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def public_mail_domains() -> frozenset[str]:
    """Return the domains under which anybody gets an address, in small letters."""
    return _listed() | frozenset(settings.PUBLIC_MAIL_DOMAINS)


def ties(user_ids: Iterable[int]) -> Ties:
    """Return who is tied to which organizations, and how: user, organization, kinds.

    Users without a tie are missing. The number of queries does not depend on the number of users
    or of organizations.
    """
    return _ties(list(user_ids), None)


def tie_kinds(user: User, organization_ids: Collection[int]) -> dict[int, set[TieKind]]:
    """Return how `user` is tied to those of `organization_ids` that they are tied to."""
    return _ties([user.pk], list(organization_ids)).get(user.pk, {})


def untied(
    profiles: QuerySet[ManagerProfile], organization_ids: Collection[int]
) -> QuerySet[ManagerProfile]:
    """Return those of `profiles` who are tied to none of the organizations."""
    users = list(profiles.values_list("user", flat=True))
    return profiles.exclude(user__in=_ties(users, list(organization_ids)))


def has_tie(user: User, organization_ids: Collection[int]) -> bool:
    """Say in one query whether `user` has a tie of any kind to one of the organizations.

    Each kind is asked for on its own, from these organizations on: of one condition with all kinds
    the database would compute the keys of all members first.
    """
    wanted = list(organization_ids)
    if not wanted:
        return False
    private = ~_is_any_of("own_domain", public_mail_domains())
    interests = ManagerInterest.objects.standing().filter(profile__user=user)
    me = _keyed_people(User.objects.filter(pk=user.pk))
    addresses = _keyed_addresses(EmailAddress.objects.filter(user=user, verified=True))
    lines = me.filter(own_line__isnull=False).values("own_line")
    domains = me.filter(private, own_domain__isnull=False).values("own_domain")
    others = addresses.filter(private, own_domain__isnull=False).values("own_domain")
    contacts = _keyed(Organization.objects.filter(pk__in=wanted)).filter(
        Q(domain__in=domains) | Q(domain__in=others) | Q(line__in=lines)
    )
    colleagues = _keyed_members(Membership.objects.active().filter(organization__in=wanted))
    close = colleagues.filter(
        Q(own_domain__in=domains) | Q(own_domain__in=others) | Q(own_line__in=lines)
    )
    waiting = Organization.objects.filter(pk__in=wanted).filter(Exists(_awaiting(interests)))
    found: bool = (
        Membership.objects.filter(user=user, organization__in=wanted)
        .order_by()
        .values("organization")
        .union(
            interests.filter(organization__in=wanted).order_by().values("organization"),
            contacts.order_by().values("pk"),
            close.order_by().values("organization"),
            waiting.order_by().values("pk"),
            all=True,
        )
        .exists()
    )
    return found


def _is_any_of(column: str, values: Collection[str]) -> Q:
    """Return the condition that a column is one of many values: one parameter, not many.

    Not a lookup: Django puts what is compared with into parentheses, which ANY must not stand in.
    """
    array = Value(sorted(values), output_field=ArrayField(CharField()))
    return Q(
        Func(
            F(column),
            array,
            template="(%(expressions)s))",
            arg_joiner=" = ANY (",
            output_field=BooleanField(),
        )
    )


def _awaiting(interests: QuerySet[ManagerInterest]) -> QuerySet[ManagerInterest]:
    """Return those of `interests` that are in the outer organization, though not linked to it.

    A code says more than a name: the name counts while no organization has the code.
    """
    holder = Organization.objects.filter(credit_code=OuterRef("credit_code"))
    return interests.filter(organization=None).filter(
        Q(credit_code=OuterRef("credit_code"), credit_code__gt="")
        | (Q(name=OuterRef("name"), name__gt="") & ~Exists(holder))
    )


def _ties(user_ids: list[int], organization_ids: list[int] | None) -> Ties:
    found: dict[int, dict[int, set[TieKind]]] = defaultdict(lambda: defaultdict(set))
    if not user_ids or organization_ids == []:
        return {}
    memberships = Membership.objects.filter(user__in=user_ids)
    organizations = Organization.objects.all()
    colleagues = Membership.objects.active()
    if organization_ids is not None:
        memberships = memberships.filter(organization__in=organization_ids)
        organizations = organizations.filter(pk__in=organization_ids)
        colleagues = colleagues.filter(organization__in=organization_ids)
    for user, organization in memberships.values_list("user", "organization"):
        found[user][organization].add(TieKind.MEMBER)

    by_code: dict[str, set[tuple[int, TieKind]]] = defaultdict(set)
    by_name: dict[str, set[tuple[int, str, TieKind]]] = defaultdict(set)
    interests = ManagerInterest.objects.standing().filter(profile__user__in=user_ids)
    wanted = None if organization_ids is None else set(organization_ids)
    for interest in interests.select_related("profile"):
        user, declared = interest.profile.user_id, interest.organization_id
        tie = KIND_OF[InterestKind(interest.kind)]
        if declared is None:
            if interest.credit_code:
                by_code[interest.credit_code].add((user, tie))
            if interest.name:
                by_name[interest.name].add((user, interest.credit_code, tie))
        elif wanted is None or declared in wanted:
            found[user][declared].add(tie)

    by_domain, by_line = _keys_of(user_ids)
    near = _keyed(organizations).filter(
        Q(domain__in=list(by_domain))
        | Q(line__in=list(by_line))
        | Q(credit_code__in=list(by_code))
        | Q(name__in=list(by_name))
    )
    known_codes = (
        set(
            Organization.objects.filter(credit_code__in=list(by_code)).values_list(
                "credit_code", flat=True
            )
        )
        if by_name and by_code
        else set()
    )
    for pk, domain, line, code, name in near.values_list(
        "pk", "domain", "line", "credit_code", "name"
    ):
        for user in by_domain.get(domain, ()):
            found[user][pk].add(TieKind.DOMAIN)
        for user in by_line.get(line, ()):
            found[user][pk].add(TieKind.PHONE)
        for user, tie in by_code.get(code, ()):
            found[user][pk].add(tie)
        for user, their_code, tie in by_name.get(name, ()):
            if their_code not in known_codes:
                found[user][pk].add(tie)

    close = _keyed_members(colleagues).filter(
        Q(own_domain__in=list(by_domain)) | Q(own_line__in=list(by_line))
    )
    for member, pk, domain, line in close.values_list(
        "user", "organization", "own_domain", "own_line"
    ):
        for user in by_domain.get(domain, ()):
            if user != member:
                found[user][pk].add(TieKind.DOMAIN)
        for user in by_line.get(line, ()):
            if user != member:
                found[user][pk].add(TieKind.PHONE)
    return {user: dict(kinds) for user, kinds in found.items()}


def _keyed(rows: QuerySet[Organization]) -> Any:
    return rows.annotate(domain=domain_key("contact_email"), line=phone_key("contact_phone"))


def _keyed_people(rows: QuerySet[User]) -> Any:
    return rows.annotate(own_domain=domain_key("email"), own_line=phone_key("phone"))


def _keyed_addresses(rows: QuerySet[EmailAddress]) -> Any:
    return rows.annotate(own_domain=domain_key("email"))


def _keyed_members(rows: QuerySet[Membership]) -> Any:
    return rows.annotate(own_domain=domain_key("user__email"), own_line=phone_key("user__phone"))


def _keys_of(user_ids: list[int]) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """Return the users by e-mail domain (also of their further addresses) and by phone number."""
    public = public_mail_domains()
    by_domain: dict[str, set[int]] = defaultdict(set)
    by_line: dict[str, set[int]] = defaultdict(set)
    people = _keyed_people(User.objects.filter(pk__in=user_ids))
    for user, domain, line in people.values_list("pk", "own_domain", "own_line"):
        if domain and domain not in public:
            by_domain[domain].add(user)
        if line:
            by_line[line].add(user)
    addresses = EmailAddress.objects.filter(user__in=user_ids, verified=True)
    for user, domain in _keyed_addresses(addresses).values_list("user", "own_domain"):
        if domain and domain not in public:
            by_domain[domain].add(user)
    return by_domain, by_line


def sentence(kind: TieKind, who: str) -> str:
    """Return the tie in words for the manager; `who` is such as “the demand side”.

    Only for one who may know who that side is: the kind alone would tell them.
    """
    said = {
        TieKind.MEMBER: _("You belong to %(who)s, or have asked to join it."),
        TieKind.EMPLOYER: _("You have worked for %(who)s."),
        TieKind.INTEREST: _("You have declared an interest in %(who)s."),
        TieKind.DOMAIN: _("You share the e-mail domain of %(who)s."),
        TieKind.PHONE: _("You share a phone number with %(who)s."),
    }
    return said[TieKind(kind)] % {"who": who}


# --- Telling of it ------------------------------------------------------------------------------


def tied_managers(organization_ids: Collection[int]) -> set[int]:
    """Return the users with a manager profile who are tied to one of the organizations."""
    users = list(ManagerProfile.objects.values_list("user", flat=True))
    return set(_ties(users, list(organization_ids)))


def announce(*, users: Collection[int] = (), organizations: Collection[int] = ()) -> None:
    """Send `ties_changed` after the commit for the managers among `users`, and for those who are
    tied to one of `organizations`: their contact or one of their members has changed."""
    concerned = set(ManagerProfile.objects.filter(user__in=users).values_list("user", flat=True))
    if organizations:
        concerned |= tied_managers(organizations)
    tell(ties_changed, concerned)


def link_interests(organization: Organization) -> None:
    """Link what was declared of an organization before it was here, now that it registers.

    Without a link the tie holds as well; with it, it outlives another name or code. Of several with
    one name none is meant more than another: none is linked by it, and the tie holds to all.
    """
    waiting = ManagerInterest.objects.standing().filter(organization=None)
    same = Q(credit_code=organization.credit_code)
    others = Organization.objects.filter(name=organization.name).exclude(pk=organization.pk)
    if not others.exists():
        same |= Q(credit_code="", name=organization.name)
    for interest in waiting.filter(same).order_by("pk"):
        doubled = ManagerInterest.objects.standing().filter(
            profile=interest.profile_id, organization=organization, kind=interest.kind
        )
        if not doubled.exists():
            interest.organization = organization
            interest.save(update_fields=("organization",))
