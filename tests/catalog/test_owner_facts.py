"""What is told of an owner whose name is hidden."""

import datetime as dt

import pytest
from django.utils import timezone

from catalog.owner_facts import OwnerFacts, owner_facts
from tests.factories import make_achievement, make_demand, make_organization

pytestmark = pytest.mark.django_db


def test_both_lists_count_as_far_as_they_are_published_now():
    owner = make_organization()
    demand = make_demand(owner=owner)
    make_achievement(owner=owner)
    make_demand(owner=owner, status="draft")
    make_demand(owner=owner, valid_until=timezone.localdate() - dt.timedelta(days=1))
    make_demand()

    assert owner_facts(demand).published == 2


def test_the_last_confirmation_is_that_of_the_freshest(django_assert_num_queries):
    now = timezone.now()
    demand = make_demand(confirmed_at=now - dt.timedelta(days=9))
    make_achievement(owner=demand.owner, confirmed_at=now - dt.timedelta(days=2))

    with django_assert_num_queries(2):
        facts = owner_facts(demand)

    assert facts.confirmed_at == now - dt.timedelta(days=2)


@pytest.mark.parametrize(
    ("published", "words"),
    [(1, "1 条"), (10, "10 条"), (11, "10 条以上"), (1347, "1,000 条以上"), (100, "50 条以上")],
)
def test_a_large_number_is_told_roughly_for_it_would_be_a_name(published, words):
    assert words in OwnerFacts(published, None).count()


def test_the_page_of_a_listing_tells_it_without_the_name(client):
    demand = make_demand(confirmed_at=timezone.now())
    make_achievement(owner=demand.owner)

    page = client.get(demand.get_absolute_url()).content.decode()

    assert "2 条在线信息" in page and "最近一次确认" in page
    assert demand.owner.name not in page
