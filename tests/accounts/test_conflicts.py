"""Who is tied to which organization, and may not judge its matches."""

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import conflicts
from accounts.conflicts import TieKind, has_tie, tie_kinds, ties, untied
from accounts.models import ManagerInterest, ManagerProfile, Membership
from tests.factories import (
    make_credit_code,
    make_manager,
    make_member,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db


def kinds(user, organization):
    """Return the kinds by all three ways of asking, which have to agree."""
    found = tie_kinds(user, [organization.pk]).get(organization.pk, set())
    assert ties([user.pk]).get(user.pk, {}).get(organization.pk, set()) == found
    assert has_tie(user, [organization.pk]) == bool(found)
    profiles = ManagerProfile.objects.filter(user=user)
    assert untied(profiles, [organization.pk]).exists() == (not found)
    return found


def test_a_stranger_has_no_tie():
    assert kinds(make_manager(), make_organization()) == set()


@pytest.mark.parametrize("active", [True, False])
def test_a_member_is_tied_also_while_they_wait_for_approval(active):
    manager, organization = make_manager(), make_organization()
    Membership.objects.create(
        user=manager, organization=organization, role="editor", is_active=active
    )
    assert kinds(manager, organization) == {TieKind.MEMBER}


@pytest.mark.parametrize(
    ("kind", "tie"), [("employment", TieKind.EMPLOYER), ("interest", TieKind.INTEREST)]
)
def test_what_was_declared_is_a_tie_until_an_operator_strikes_it_out(kind, tie):
    manager, organization = make_manager(), make_organization()
    interest = manager.manager_profile.interests.create(organization=organization, kind=kind)
    assert kinds(manager, organization) == {tie}
    ManagerInterest.objects.filter(pk=interest.pk).update(struck_at="2026-01-01T00:00Z")
    assert kinds(manager, organization) == set()


@pytest.mark.parametrize(
    ("mine", "theirs", "tied"),
    [
        ("li@hengzhou.test", "office@hengzhou.test", True),
        ("li@HengZhou.test", "office@hengzhou.TEST", True),
        ("li@lab.hit.edu.cn", "kyy@hit.edu.cn", True),
        ("li@hit.edu.cn", "kyy@zju.edu.cn", False),
        ("li@a.com.cn", "b@b.com.cn", False),
        ("li@jx.zj.cn", "b@hz.zj.cn", False),
        ("li@mail.a.com", "b@a.com", True),
        ("li@kjt.zj.gov.cn", "b@jxt.zj.gov.cn", False),
        ("li@kjt.zj.gov.cn", "b@mail.kjt.zj.gov.cn", True),
        ("li@qq.com", "b@qq.com", False),
        ("li@vip.163.com", "b@163.com", False),
        ("li@outlook.com", "b@OUTLOOK.com", False),
        ("li@ahengzhou.test", "b@hengzhou.test", False),
    ],
)
def test_the_domain_of_a_house_is_a_tie_and_a_mail_provider_is_not(mine, theirs, tied):
    manager, organization = make_manager(email=mine), make_organization(contact_email=theirs)
    assert kinds(manager, organization) == ({TieKind.DOMAIN} if tied else set())


def test_a_further_address_counts_once_it_is_confirmed():
    manager = make_manager()
    organization = make_organization(contact_email="office@hengzhou.test")
    address = EmailAddress.objects.create(user=manager, email="li@hengzhou.test", verified=False)
    assert kinds(manager, organization) == set()
    address.verified = True
    address.save()
    assert kinds(manager, organization) == {TieKind.DOMAIN}


def test_members_count_and_strangers_who_ask_to_join_do_not():
    manager = make_manager(email="li@agentur.test", phone="13912340000")
    organization = make_organization()
    colleague = make_member(organization, email="wu@agentur.test", phone="+86 139-1234-0000")
    assert kinds(manager, organization) == {TieKind.DOMAIN, TieKind.PHONE}
    colleague.memberships.update(is_active=False)
    assert kinds(manager, organization) == set()


@pytest.mark.parametrize(
    ("mine", "theirs", "tied"),
    [
        ("0571-8888 0000", "057188880000", True),
        ("+86 571 88880000", "0571-88880000", True),
        ("0086 139 1234 0000", "13912340000", True),
        ("１３９１２３４００００", "139-1234-0000", True),
        ("13912340000", "13912340001", False),
        ("", "", False),
        ("12345", "12345", False),
        ("--- ()", "  ", False),
        ("86123456", "123456", False),
    ],
)
def test_a_phone_number_is_compared_by_its_digits(mine, theirs, tied):
    manager = make_manager(phone=mine)
    organization = make_organization(contact_phone=theirs)
    assert kinds(manager, organization) == ({TieKind.PHONE} if tied else set())


def test_an_operator_adds_a_mail_provider(settings):
    manager = make_manager(email="li@town-net.test")
    organization = make_organization(contact_email="b@town-net.test")
    assert kinds(manager, organization) == {TieKind.DOMAIN}
    settings.PUBLIC_MAIL_DOMAINS = ["town-net.test"]
    assert kinds(manager, organization) == set()


@pytest.mark.parametrize(
    ("named", "code", "tied"),
    [
        ("恒轴股份", "same", True),
        ("别的名字", "same", True),
        ("恒轴股份", "", True),
        ("恒轴", "", False),
        ("恒轴股份", "nobody's", True),
        ("恒轴股份", "another's", False),
    ],
)
def test_a_tie_to_an_unregistered_organization_holds_once_it_is_here(named, code, tied):
    codes = {"same": make_credit_code(900_001), "nobody's": make_credit_code(900_002)}
    codes["another's"] = make_organization().credit_code
    manager = make_manager()
    manager.manager_profile.interests.create(
        name=named, credit_code=codes.get(code, ""), kind="employment"
    )
    organization = make_organization(name="恒轴股份", credit_code=codes["same"])
    assert kinds(manager, organization) == ({TieKind.EMPLOYER} if tied else set())


def test_of_two_with_one_name_none_is_linked_by_it_and_the_tie_holds_to_both():
    manager = make_manager()
    first, second = make_organization(name="恒轴股份"), make_organization(name="恒轴股份")
    interest = manager.manager_profile.interests.create(name="恒轴股份", kind="employment")
    conflicts.link_interests(second)
    interest.refresh_from_db()
    assert interest.organization is None
    assert kinds(manager, first) == kinds(manager, second) == {TieKind.EMPLOYER}


def test_of_many_managers_and_organizations_the_queries_stay_as_many():
    def world(count):
        made = []
        for number in range(count):
            domain = f"house{number}-{count}.test"
            manager = make_manager(email=f"li@{domain}", phone=f"1390000{count:02d}{number:02d}")
            organization = make_organization(contact_email=f"office@{domain}")
            manager.manager_profile.interests.create(name=organization.name, kind="interest")
            made.append((manager.pk, organization.pk))
        return made

    counts = []
    for count in (1, 10):
        made = world(count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            found = ties(user for user, _organization in made)
        assert all(
            found[user][organization] == {TieKind.DOMAIN, TieKind.INTEREST}
            for user, organization in made
        )
        assert all(len(found[user]) == 1 for user, _organization in made)
        counts.append(len(queries))
    # Memberships, interests, people, their addresses, organizations, other members.
    assert counts == [6, 6]


def test_one_question_is_one_query(django_assert_num_queries):
    manager, organization = make_manager(), make_organization()
    with django_assert_num_queries(1):
        has_tie(manager, [organization.pk])


def test_nobody_is_tied_to_nothing():
    user = make_user()
    assert ties([]) == {}
    assert ties([user.pk]) == {}
    assert tie_kinds(user, []) == {}
    assert not has_tie(user, [])


def test_the_list_of_providers_is_of_registered_domains_in_small_letters():
    listed = conflicts.public_mail_domains()
    assert {"qq.com", "163.com", "126.com", "gmail.com", "outlook.com", "foxmail.com"} <= listed
    assert all(name == name.strip().lower() and "." in name for name in listed)
