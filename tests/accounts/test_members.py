"""Joining an organization, roles, and leaving."""

import pytest
from django.urls import reverse

from accounts.models import AccountEvent, InterestKind, ManagerInterest, Membership
from accounts.services import (
    JOIN_REQUESTS_AT_MOST,
    Refused,
    answer_join,
    ask_to_join,
    remove_member,
    set_role,
)
from tests.factories import (
    make_credit_code,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db


def test_asking_to_join_waits_for_an_owner(client):
    organization = make_organization()
    owner, person = make_member(organization), make_user(name="钱小进")
    client.force_login(person)

    response = client.post(
        reverse("organization_join"), {"credit_code": organization.credit_code.lower()}
    )

    assert response.status_code == 302
    membership = person.memberships.get()
    assert not membership.is_active
    client.force_login(owner)
    assert "钱小进 申请加入" in client.get(reverse("organization")).content.decode()
    client.post(
        reverse("member_answer", args=[organization.pk, membership.pk]),
        {"accept": "1", "role": "viewer"},
    )
    membership.refresh_from_db()
    assert (membership.is_active, membership.role) == (True, "viewer")
    verbs = list(AccountEvent.objects.values_list("verb", flat=True))
    assert verbs == ["join_asked", "joined"]


def test_a_refused_person_is_off_the_list(client):
    organization = make_organization()
    owner, person = make_member(organization), make_user()
    membership = ask_to_join(actor=person, credit_code=organization.credit_code)
    client.force_login(owner)

    client.post(reverse("member_answer", args=[organization.pk, membership.pk]))

    assert not person.memberships.exists()
    assert AccountEvent.objects.latest("pk").verb == "refused"


def test_an_unknown_code_says_so(client):
    client.force_login(make_user())
    response = client.post(reverse("organization_join"), {"credit_code": make_credit_code(800_000)})
    assert "还没有用这个信用代码登记的机构" in response.content.decode()
    assert not Membership.objects.exists()


def test_asking_twice_is_one_request():
    organization, person = make_organization(), make_user()
    ask_to_join(actor=person, credit_code=organization.credit_code)
    with pytest.raises(Refused):
        ask_to_join(actor=person, credit_code=organization.credit_code)
    assert Membership.objects.count() == 1


def test_a_member_need_not_ask():
    organization = make_organization()
    with pytest.raises(Refused):
        ask_to_join(actor=make_member(organization), credit_code=organization.credit_code)


def test_nobody_tries_out_codes():
    person = make_user()
    for _ in range(JOIN_REQUESTS_AT_MOST):
        ask_to_join(actor=person, credit_code=make_organization().credit_code)
    with pytest.raises(Refused):
        ask_to_join(actor=person, credit_code=make_organization().credit_code)
    assert Membership.objects.count() == JOIN_REQUESTS_AT_MOST


def test_nobody_lets_themselves_in(client):
    organization = make_organization()
    person = make_user()
    membership = ask_to_join(actor=person, credit_code=organization.credit_code)
    client.force_login(person)

    response = client.post(
        reverse("member_answer", args=[organization.pk, membership.pk]), {"accept": "1"}
    )

    assert response.status_code == 404
    with pytest.raises(Refused):
        answer_join(membership=membership, actor=person, accepted=True)
    membership.refresh_from_db()
    assert not membership.is_active


def test_an_owner_answers_only_for_the_own_organization(client):
    membership = ask_to_join(actor=make_user(), credit_code=make_organization().credit_code)
    owner = make_member()
    client.force_login(owner)
    own = owner.organizations.get()

    for organization in (own.pk, membership.organization_id):
        response = client.post(
            reverse("member_answer", args=[organization, membership.pk]), {"accept": "1"}
        )
        assert response.status_code == 404
    membership.refresh_from_db()
    assert not membership.is_active


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_other_members_look_but_do_not_change(client, role):
    organization = make_organization()
    owner, member = make_member(organization), make_member(organization, role=role)
    client.force_login(member)

    assert client.get(reverse("organization_members", args=[organization.pk])).status_code == 200
    target = owner.memberships.get()
    for name in ("member_role", "member_remove"):
        response = client.post(reverse(name, args=[organization.pk, target.pk]), {"role": "viewer"})
        assert response.status_code == 403
    target.refresh_from_db()
    assert target.role == "owner"


@pytest.mark.parametrize("act", ["role", "remove", "leave"])
def test_the_last_owner_stays(client, act):
    organization = make_organization()
    owner = make_member(organization)
    make_member(organization, role="editor")
    actor = make_operator() if act == "remove" else owner
    client.force_login(actor)
    membership = owner.memberships.get()
    name = "member_role" if act == "role" else "member_remove"

    response = client.post(reverse(name, args=[organization.pk, membership.pk]), {"role": "editor"})

    assert response.status_code == 409
    assert "最后一位管理员" in response.content.decode()
    membership.refresh_from_db()
    assert membership.role == "owner"


def test_an_owner_who_is_locked_out_does_not_count():
    organization = make_organization()
    owner = make_member(organization)
    make_member(organization, is_active=False)
    with pytest.raises(Refused):
        remove_member(membership=owner.memberships.get(), actor=owner)


def test_with_two_owners_one_may_go(client):
    organization = make_organization()
    first, second = make_member(organization), make_member(organization)
    client.force_login(first)
    membership = first.memberships.get()
    address = reverse("member_remove", args=[organization.pk, membership.pk])

    assert membership in first.memberships.all()
    assert client.get(address).status_code == 200  # looking removes nobody
    assert first.memberships.exists()
    assert client.post(address).status_code == 302
    assert not first.memberships.exists()
    assert second.memberships.exists()


def test_a_wrong_role_is_refused(client):
    organization = make_organization()
    owner, member = make_member(organization), make_member(organization, role="viewer")
    client.force_login(owner)
    response = client.post(
        reverse("member_role", args=[organization.pk, member.memberships.get().pk]),
        {"role": "emperor"},
    )
    assert response.status_code == 409
    assert member.memberships.get().role == "viewer"


def test_roles_change_with_a_trace():
    organization = make_organization()
    owner, member = make_member(organization), make_member(organization, role="viewer")
    set_role(membership=member.memberships.get(), actor=owner, role="owner")
    assert member.memberships.get().role == "owner"
    event = AccountEvent.objects.get()
    assert (event.actor, event.subject, event.organization) == (owner, member, organization)


def test_a_person_withdraws_the_own_request(client):
    person = make_user()
    membership = ask_to_join(actor=person, credit_code=make_organization().credit_code)
    client.force_login(person)
    client.post(reverse("member_remove", args=[membership.organization_id, membership.pk]))
    assert not Membership.objects.exists()


def test_a_manager_who_leaves_keeps_the_tie():
    organization = make_organization()
    make_member(organization)
    manager = make_manager()
    membership = Membership.objects.create(
        user=manager, organization=organization, role="editor", is_active=True
    )
    remove_member(membership=membership, actor=manager)
    interest = ManagerInterest.objects.get()
    assert interest.organization == organization
    assert interest.kind == InterestKind.EMPLOYMENT
