"""docs/workflow.md says what the tables in the code say."""

import re
from pathlib import Path

import pytest

from catalog.workflow import (
    END_REASONS,
    PUBLICATION_MOVES,
    ListingStatus,
    PublicationStatus,
    actor_of,
)
from catalog.workflow import MOVES as LISTING_MOVES
from matchmaking.workflow import (
    APPEAL_MOVES,
    INQUIRY_MOVES,
    MODEL_MOVES,
    REVIEW_MOVES,
    AppealStatus,
    InquiryStatus,
    MatchStatus,
    ModelState,
    ReviewStatus,
)
from matchmaking.workflow import MOVES as MATCH_MOVES

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "workflow.md").read_text("utf-8")
PEOPLE = {"owner", "reviewer", "manager", "side", "operator", "clock", "engine"}

WORKFLOWS = [
    ("Listing", LISTING_MOVES, ListingStatus),
    ("Publication review", PUBLICATION_MOVES, PublicationStatus),
    ("Match", MATCH_MOVES, MatchStatus),
    ("Review", REVIEW_MOVES, ReviewStatus),
    ("Questions", INQUIRY_MOVES, InquiryStatus),
    ("Objection", APPEAL_MOVES, AppealStatus),
    ("Language model", MODEL_MOVES, ModelState),
]


def documented(section):
    """Return the rows (from, to, who) of the section's first table of moves."""
    part = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    [body] = [each for each in part if each.startswith(f"{section}\n")]
    table = body.partition("| from | to | who | when |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [tuple(row[:3]) for row in rows if len(row) == 4 and set(row[0]) != {"-"}]


@pytest.mark.parametrize(("section", "moves", "statuses"), WORKFLOWS)
def test_the_documented_moves_are_those_of_the_code(section, moves, statuses):
    rows = documented(section)
    coded = {
        (str(before), str(after)) for before, all_after in moves.items() for after in all_after
    }

    assert {(before, after) for before, after, _who in rows} == coded
    assert len(rows) == len(coded)


@pytest.mark.parametrize(("section", "moves", "statuses"), WORKFLOWS)
def test_every_status_is_documented_and_every_move_has_somebody(section, moves, statuses):
    rows = documented(section)

    assert {status for row in rows for status in row[:2]} == set(statuses.values)
    for _before, _after, who in rows:
        assert set(who.split(", ")) <= PEOPLE


def test_the_documented_reasons_for_an_end_are_those_of_the_code():
    table = TEXT.partition("| end | reasons of a demand | reasons of an achievement |")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.partition("\n\n")[0].strip().splitlines()[1:]
    ]
    told = {
        kind: {row[0]: row[at].split(", ") for row in rows if row[at]}
        for at, kind in enumerate(("demand", "achievement"), start=1)
    }

    coded = {
        kind: {str(end): [str(reason) for reason in reasons] for end, reasons in of_kind.items()}
        for kind, of_kind in END_REASONS.items()
    }
    assert told == coded


def test_who_the_events_say_made_a_step_is_who_the_table_says():
    for before, after, who in documented("Listing"):
        assert actor_of(before, after) in who.split(", ")
