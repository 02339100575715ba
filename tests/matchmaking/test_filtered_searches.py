"""A reader's search among what filters leave finds what a search without limits would find."""

from functools import partial

import numpy as np
import pytest

from accounts.permissions import Tier
from benchmarks.catalogue import Catalogue
from catalog import search as catalog_search
from catalog.facets import Filters
from catalog.listing_pages import Catalogue as Pages
from catalog.models import Achievement
from catalog.search import SEARCH_LIMIT, Scope
from catalog.words import words as catalog_words
from catalog.workflow import ListingStatus
from matchmaking.retrieval import candidates, searching
from matchmaking.retrieval.asking import Answer
from matchmaking.retrieval.spelling import put_right, reader_terms, variants
from matchmaking.retrieval.statistics import load_statistics

pytestmark = pytest.mark.django_db

ROWS, QUESTIONS, DEPTH = 500, 4, 25
FACETS = {
    "region": {"region": ("330000",)},
    "section": {"industry": ("C",)},
    "mode": {"mode": ("license",)},
    "level": {"trl": 6},
    "price": {"money": ("1000000-5000000",)},
    "language": {"language": ("en",)},
    "section and mode": {"industry": ("C",), "mode": ("license",)},
    "level and language": {"trl": 3, "language": ("zh",)},
}


@pytest.fixture
def catalogue(monkeypatch):
    made = Catalogue(ROWS, lambda text: None)
    model = made.write(vacuum=False)

    class Known:
        """The encode worker has answered."""

        def __init__(self, text):
            self.text = text

        def answer(self):
            number = next(n for n in range(ROWS) if made.question(n) == self.text)
            return Answer(model, made.vector(number))

    monkeypatch.setattr(searching, "Question", Known)
    return made


@pytest.fixture
def shallow(monkeypatch):
    """Each leg proposes few, as 200 are among 100,000."""
    for name in ("find_candidates", "find_by_words"):
        monkeypatch.setattr(searching, name, partial(getattr(candidates, name), depth=DEPTH))
    monkeypatch.setattr(searching, "MORE_FROM", DEPTH * 3 // 4)
    # What is near enough must not decide here: nearly everything is.
    monkeypatch.setattr(searching, "RELEVANT", -1.0)
    monkeypatch.setattr(searching, "NEAR_BEST", 2.0)


def unlimited(monkeypatch, words, tier):
    """Every listing that can be read, best first."""
    with monkeypatch.context() as patched:
        for name in ("find_candidates", "find_by_words"):
            patched.setattr(searching, name, partial(getattr(candidates, name), depth=ROWS))
        return searching.search("achievement", words, tier, ROWS).ids


@pytest.mark.parametrize("named", [ROWS, 0], ids=["named to the database", "taken out afterwards"])
@pytest.mark.parametrize("facet", list(FACETS))
def test_under_filters_the_best_of_what_they_leave_is_found(
    catalogue, shallow, monkeypatch, facet, named
):
    monkeypatch.setattr(candidates, "NAMED", named)
    recalls = []
    for number in range(QUESTIONS):
        words = catalogue.question(number)
        pages = Pages(Filters("achievement", words=words, **FACETS[facet]), Tier.PUBLIC)
        left = set(Pages(Filters("achievement", **FACETS[facet]), Tier.PUBLIC)._ordered[1].tolist())
        expected = [pk for pk in unlimited(monkeypatch, words, Tier.PUBLIC) if pk in left][:10]
        found = [row.pk for row in pages.page(size=10).rows]
        assert set(found) <= left
        recalls.append(len(set(found) & set(expected)) / len(expected))
        if facet != "mode":
            # Without a second look there are hardly any.
            wide = searching.search("achievement", words, Tier.PUBLIC, SEARCH_LIMIT)
            assert wide.is_cut
            assert len(set(wide.ids) & left) <= len(pages._ordered[1])
    assert np.mean(recalls) >= 0.97


def test_the_number_of_a_chosen_value_is_the_number_of_rows(catalogue, shallow):
    words = catalogue.question(1)
    pages = Pages(Filters("achievement", words=words, region=("330000",)), Tier.PUBLIC)
    [region] = [facet for facet in pages.facets if facet.name == "region"]
    [chosen] = [option for option in region.options if option.chosen]
    assert chosen.count == pages.count == len(pages._ordered[1])


def test_a_scope_gives_away_nothing_that_has_left(catalogue, shallow):
    """Scopes come from memory, a moment old; what may be found is asked of the database."""
    words = catalogue.question(2)
    everything = np.arange(1, ROWS + 1)
    scope = Scope(name="x", ids=everything)
    before = searching.search("achievement", words, Tier.PUBLIC, 400, within=scope).ids
    Achievement.objects.filter(pk=before[0]).update(status=ListingStatus.WITHDRAWN)
    Achievement.objects.filter(pk=before[1]).update(disclosure={"keywords": "members"})

    after = searching.search("achievement", words, Tier.PUBLIC, 400, within=scope).ids

    assert not set(before[:2]) & set(after)
    assert after


def test_filters_narrow_and_let_nothing_in_that_was_too_far(catalogue, shallow, monkeypatch):
    """The nearest of a region may be far from the question: it was not about it before either."""
    monkeypatch.setattr(searching, "NEAR_BEST", 0.1)
    monkeypatch.setattr(searching, "MORE_FROM", 0)
    words = catalogue.question(3)
    wide = searching.search("achievement", words, Tier.PUBLIC, 400)
    far = np.array(sorted(set(range(1, ROWS + 1)) - set(wide.ids)))
    scope = Scope(name="far", ids=far, nearness=wide.nearness)

    inside = searching.search("achievement", words, Tier.PUBLIC, 400, within=scope)

    answer = searching.Question(words).answer()
    filters = candidates.Filters(answer.model_id, reader=Tier.PUBLIC)
    found = candidates.find_candidates(
        "achievement",
        candidates.Query(answer.vector.reshape(1, -1), {}, ["zh"]),
        filters,
        depth=ROWS,
    )
    near = {one.listing_id for one in found if one.dense >= wide.nearness}
    held = candidates.find_by_words("achievement", inside_terms(words), filters, depth=ROWS)
    by_words = {pk for pk, share in held.items() if share >= searching.WORDS_RELEVANT}
    assert inside.nearness == wide.nearness
    assert set(inside.ids) <= near | by_words
    assert set(inside.ids) <= set(far.tolist())


def inside_terms(words):
    groups = variants(catalog_words(words))
    statistics = load_statistics(
        "achievement", {form for group in groups for form in group}, tier=Tier.PUBLIC
    )
    return reader_terms(
        put_right("achievement", groups, statistics, Tier.PUBLIC).groups, statistics
    )


def test_a_search_remembers_each_set_of_filters_for_itself(catalogue, shallow):
    words = catalogue.question(0)
    answers = {
        name: catalog_search.find(
            "achievement",
            words,
            tier=Tier.PUBLIC,
            state="1",
            within=Scope(name=name, ids=np.array(ids)),
        ).ids
        for name, ids in {"a": range(1, 200), "b": range(200, ROWS + 1), "a ": range(1, 5)}.items()
    }
    assert not set(answers["a"]) & set(answers["b"])
    assert set(answers["a "]) <= {1, 2, 3, 4}
