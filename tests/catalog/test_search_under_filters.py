"""A search under filters looks again among what they leave, when it could not look at all."""

import re

import numpy as np
import pytest

from accounts.permissions import Tier
from catalog import search
from catalog.facets import Filters
from catalog.listing_pages import Catalogue
from catalog.search import SearchResult
from catalog.workflow import ListingStatus
from tests.api import Program
from tests.factories import make_demand

pytestmark = pytest.mark.django_db


def text_of(response):
    return response.content.decode()


def titles(response):
    return re.findall(r'<span class="kq-tt"[^>]*>(.*?)</span>', text_of(response))


@pytest.fixture
def engine(monkeypatch):
    """Finds `first` of all, and of a scope whatever is in it; notes what it was asked."""

    class Engine:
        first: list[int] = []
        is_cut = True
        inside_cut = False

        def __init__(self):
            self.scopes = []

        def __call__(self, kind, words, tier, limit, within=None):
            if within is None:
                return SearchResult(self.first, True, False, is_cut=self.is_cut, nearness=0.4)
            self.scopes.append(within)
            return SearchResult(within.ids.tolist()[::-1], True, False, is_cut=self.inside_cut)

    engine = Engine()
    monkeypatch.setattr(search, "_backend", engine)
    return engine


@pytest.fixture
def demands(engine):
    near = [make_demand(title=f"近{n}", region="330100", industry="C34") for n in range(3)]
    far = [make_demand(title=f"远{n}", region="410100", industry="C35") for n in range(4)]
    near += [make_demand(title="近3", region="410100", industry="C34")]
    engine.first = [row.pk for row in near]
    return near, far


def option(catalogue, facet, value):
    [block] = [one for one in catalogue.facets if one.name == facet]
    return next(one for one in block.options if one.value == value)


def test_a_filter_finds_what_was_too_far_behind_without_it(client, demands):
    near, far = demands
    page = client.get("/demands/", {"q": "淬火", "region": "410000"})
    assert titles(page) == [row.title for row in [near[3], *far[::-1]]]
    assert "“淬火”找到 5 项需求" in text_of(page)


def test_the_engine_is_told_what_the_filters_leave(engine, demands):
    _near, far = demands
    Catalogue(Filters("demand", words="淬火", region=("410000",), industry=("C35",)), Tier.PUBLIC)

    [scope] = engine.scopes
    assert scope.ids.tolist() == sorted(row.pk for row in far)
    assert (scope.sections, scope.provinces) == (("C",), ("41",))
    # Of five in that section and province, four are in the class.
    assert scope.share == pytest.approx(4 / 5)
    assert scope.nearness == 0.4


def test_a_search_that_looked_at_all_is_not_made_twice(engine, demands):
    near, _far = demands
    engine.is_cut = False
    catalogue = Catalogue(Filters("demand", words="淬火", region=("410000",)), Tier.PUBLIC)
    assert engine.scopes == []
    assert [row.pk for row in catalogue.page().rows] == [near[3].pk]
    assert option(catalogue, "region", "330000").number == "3"


def test_a_number_that_may_be_too_small_says_so(demands):
    catalogue = Catalogue(Filters("demand", words="淬火", region=("410000",)), Tier.PUBLIC)
    # What is chosen is looked through; of the other values only the nearest were seen.
    assert option(catalogue, "region", "410000").number == "5"
    assert option(catalogue, "region", "330000").number == "3+"
    assert catalogue.count == option(catalogue, "region", "410000").count
    # Under the chosen filter all is known of the other facets.
    assert not any(one.at_least for one in catalogue.facets[0].options)


def test_without_filters_every_number_may_be_too_small(client, demands):
    catalogue = Catalogue(Filters("demand", words="淬火"), Tier.PUBLIC)
    assert option(catalogue, "region", "410000").number == "1+"
    page = text_of(client.get("/demands/", {"q": "淬火"}))
    assert "1+" in page
    # “The 4 closest”, for there may be more.
    assert "找到 4 项" not in page


def test_a_filter_that_leaves_too_much_as_well_says_so(engine, demands):
    engine.inside_cut = True
    catalogue = Catalogue(Filters("demand", words="淬火", region=("410000",)), Tier.PUBLIC)
    assert option(catalogue, "region", "410000").number == "5+"
    assert catalogue.found.is_cut


def test_what_a_filter_may_not_tell_is_not_looked_among(engine, demands):
    """A level that is withheld from visitors is under no level, in a search as in the list."""
    _near, _far = demands
    withheld = make_demand(trl=5, disclosure={"trl": "members"})
    told = make_demand(trl=5)
    for tier, expected in ((Tier.PUBLIC, False), (Tier.MEMBERS, True)):
        Catalogue(Filters("demand", words="淬火", trl=5), tier)
        assert told.pk in engine.scopes[-1].ids
        assert (withheld.pk in engine.scopes[-1].ids) == expected


def test_a_hit_of_the_second_search_that_has_left_is_not_shown(client, engine, demands):
    _near, far = demands
    client.get("/demands/", {"q": "淬火", "region": "410000"})
    type(far[0]).objects.filter(pk=far[0].pk).update(status=ListingStatus.WITHDRAWN)
    assert far[0].title not in titles(client.get("/demands/", {"q": "淬火", "region": "410000"}))


def test_listings_of_a_class_asked_for_by_its_code_are_filtered_as_well(engine, demands):
    _near, far = demands
    engine.first = []
    catalogue = Catalogue(Filters("demand", words="C35", region=("410000",)), Tier.PUBLIC)
    assert {row.pk for row in catalogue.page().rows} >= {row.pk for row in far}


def test_the_api_says_which_numbers_may_be_too_small(demands):
    facets = Program().get("demands/facets/?q=淬火").json()["facets"]
    [region] = [facet for facet in facets if facet["name"] == "region"]
    assert {(one["value"], one["count"], one["at_least"]) for one in region["options"]} == {
        ("330000", 3, True),
        ("410000", 1, True),
    }


def test_scopes_do_not_answer_for_each_other(engine, demands):
    _near, far = demands
    for region in ("330000", "410000"):
        Catalogue(Filters("demand", words="淬火", region=(region,)), Tier.PUBLIC)
    assert [np.isin(far[0].pk, scope.ids).item() for scope in engine.scopes] == [False, True]
