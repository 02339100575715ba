"""The text of a listing's files in what is compared and found: for its readers, and healed."""

import pytest
from django.utils import timezone

from accounts.permissions import Tier
from catalog.models import Attachment
from catalog.search import find
from catalog.services import attaching, reading_files
from matchmaking.models import AchievementVector
from matchmaking.services import indexing
from tests.factories import make_achievement, make_member
from tests.fakes import FakeEncoder
from tests.files import make_docx, upload

pytestmark = pytest.mark.django_db

WORD = "磁轭导磁体"
READERS = (Tier.PUBLIC, Tier.MEMBERS, Tier.MANAGERS)


@pytest.fixture
def achievement():
    return make_achievement()


def attach(listing, tier, *, checked=True):
    attachment = attaching.attach(
        listing=listing,
        actor=make_member(listing.owner),
        upload=upload(make_docx(f"试件采用{WORD}。"), "a.docx"),
        name="a.docx",
        title="报告",
        tier=tier,
        joins_text=True,
    )
    reading_files.read(attachment_id=attachment.pk)
    if checked:
        Attachment.objects.filter(pk=attachment.pk).update(checked_at=timezone.now())
    return attachment


def index(listing, encoder=None):
    return indexing.refresh(kind="achievement", ids=[listing.pk], encoder=encoder or FakeEncoder())


def windows(listing):
    return list(
        AchievementVector.objects.filter(listing=listing)
        .order_by("window")
        .values_list("tier", flat=True)
    )


def terms(listing, tier):
    """Return whether the words of a reader's tier include the one of the file."""
    from catalog.words import words
    from matchmaking.retrieval.lexical import term_id

    row = indexing.index_model("achievement").objects.get(pk=listing.pk)
    stored = {
        Tier.PUBLIC: row.public_terms,
        Tier.MEMBERS: row.member_terms,
        Tier.MANAGERS: row.terms,
    }[tier]
    return {term_id(word) for word in words(WORD)} <= set(stored.indices())


@pytest.mark.parametrize("tier", list(Tier))
def test_a_text_counts_for_its_readers_and_for_nobody_below(achievement, tier):
    attach(achievement, tier)
    index(achievement)

    assert {reader for reader in READERS if terms(achievement, reader)} == {
        reader for reader in READERS if reader >= tier
    }


def test_a_word_that_only_a_file_has_finds_the_listing(achievement):
    attach(achievement, Tier.MEMBERS)
    make_achievement(title="另一项成果")
    index(achievement)
    indexing.rebuild_statistics("achievement")

    assert find("achievement", WORD, tier=Tier.MEMBERS).ids[:1] == [achievement.pk]


def test_what_waits_for_the_check_does_not_count_for_members(achievement):
    attach(achievement, Tier.MEMBERS, checked=False)
    index(achievement)

    assert not terms(achievement, Tier.MEMBERS) and terms(achievement, Tier.MANAGERS)


def test_a_window_of_the_file_has_its_tier(achievement):
    attach(achievement, Tier.MANAGERS)
    index(achievement)

    tiers = windows(achievement)

    assert tiers[0] == Tier.PUBLIC and tiers[-1] == Tier.MANAGERS


def test_a_changed_file_whose_message_was_lost_is_found_by_the_sweep(achievement):
    encoder = FakeEncoder()
    index(achievement, encoder)
    model = indexing.current_model()
    assert not indexing.stale("achievement", model)

    attachment = attach(achievement, Tier.MANAGERS)
    assert list(indexing.stale("achievement", model)) == [achievement]
    index(achievement, encoder)
    assert not indexing.stale("achievement", model)

    attaching.remove(attachment=attachment, actor=attachment.added_by)
    assert list(indexing.stale("achievement", model)) == [achievement]
    index(achievement, encoder)
    assert not indexing.stale("achievement", model)
    assert not terms(achievement, Tier.MANAGERS)
