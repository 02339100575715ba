"""The operator's pages of the ranker: what is in use, why, and how to go back."""

import pytest
from django.test import Client
from django.urls import reverse

from matchmaking.models import DemandIndex, RankerChange, RankerVersion
from matchmaking.services import indexing
from tests.factories import make_demand, make_operator, make_ranker_version
from tests.fakes import FakeEncoder

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return make_operator()


@pytest.fixture
def page(operator):
    client = Client()
    client.force_login(operator)
    return client


def test_a_new_platform_says_that_the_fixed_weights_rank(page):
    text = page.get(reverse("ops_rankers")).content.decode()

    assert "固定权重" in text
    assert "至少需要 200 条评审" in text


def test_the_list_shows_what_each_version_learned_and_which_is_in_use(
    page, django_assert_num_queries
):
    model = indexing.register_model(FakeEncoder())
    for number in range(1, 4):
        make_ranker_version(number=number, model=model, is_active=number == 2, won=number < 3)
    page.get(reverse("ops_rankers"))

    # Session and person, 9 of the top bar; model, count, page, the version in use, its history
    with django_assert_num_queries(16):
        text = page.get(reverse("ops_rankers")).content.decode()

    assert "第 2 版" in text and "使用中" in text
    assert "214 / 40" in text and "0.050" in text
    assert "没有明显胜过固定权重" in text


def test_a_version_is_used_and_every_demand_is_compared_again(page, operator):
    demand = make_demand()
    indexing.refresh(kind="demand", ids=[demand.pk], encoder=FakeEncoder())
    DemandIndex.objects.update(matched_version=1)
    version = make_ranker_version()
    url = reverse("ops_ranker", args=[version.number])
    text = page.get(url).content.decode()
    assert "启用第 1 版" in text and "1 项已发布的需求会重新比对" in text
    assert "熟度" in text or "TRL" in text or "成熟" in text

    response = page.post(url, follow=True)

    assert response.redirect_chain == [(reverse("ops_rankers"), 302)]
    assert RankerVersion.objects.get(is_active=True) == version
    assert RankerChange.objects.get().actor == operator
    assert DemandIndex.objects.get().matched_version == 0
    assert "正在使用这一版" in page.get(url).content.decode()


def test_the_fixed_weights_come_back_in_one_step(page):
    version = make_ranker_version(is_active=True, model=indexing.register_model(FakeEncoder()))

    page.post(reverse("ops_ranker_fixed"))

    assert not RankerVersion.objects.filter(is_active=True).exists()
    assert RankerChange.objects.get().version is None
    # The version stays, and can be used again.
    page.post(reverse("ops_ranker", args=[version.number]))
    assert RankerVersion.objects.filter(is_active=True).exists()
    assert "第 1 版" in page.get(reverse("ops_rankers")).content.decode()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"won": False, "trees": ""}, "没有明显胜过固定权重"),
        ({"features_version": 999}, "匹配特征已经改变"),
    ],
)
def test_what_cannot_rank_has_no_button_and_is_refused(page, fields, sentence):
    version = make_ranker_version(**fields)
    url = reverse("ops_ranker", args=[version.number])
    shown = page.get(url).content.decode()
    assert sentence in shown and "启用第" not in shown

    response = page.post(url)

    assert response.status_code == 409
    assert sentence in response.content.decode()
    assert not RankerVersion.objects.filter(is_active=True).exists()
    assert not RankerChange.objects.exists()


@pytest.mark.parametrize("number", [7, 2**31 - 1, 2**64, 10**30])
def test_a_version_that_is_not_there_is_nothing(page, number):
    assert page.get(reverse("ops_ranker", args=[number])).status_code == 404


def test_the_overview_leads_there(page):
    assert reverse("ops_rankers") in page.get(reverse("ops_home")).content.decode()
