"""An import as a job: checked in the background, stored when confirmed, in pieces or whole."""

import datetime as dt
from functools import partial

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import storages
from django.utils import timezone
from django.utils.translation import override

from accounts.models import OrganizationStatus
from catalog.models import (
    Achievement,
    Demand,
    ImportJob,
    ImportRow,
    ListingEvent,
    revision_model,
)
from catalog.services import import_jobs, import_runs, publishing
from catalog.services.unreadable import UnreadableFile
from catalog.signals import listings_left, listings_published
from catalog.tasks import remove_old_imports, sweep_imports
from catalog.workflow import IllegalMove
from tests.factories import (
    make_demand,
    make_member,
    make_operator,
    make_organization,
)

pytestmark = pytest.mark.django_db

HEAD = ["id", "title", "summary", "body", "industry", "region", "modes", "valid_until"]
REST = [
    "直径两米以上套圈淬火变形大，求工艺。",
    "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大，求一次成形。",
    "C3451",
    "浙江省",
    "许可",
    "2099-01-01",
]


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "private")},
        }
    }


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(import_runs, "CHUNK", 3)


def table(tmp_path, rows, name="list.tsv", head=HEAD):
    path = tmp_path / name
    lines = ["\t".join(row) for row in (head, *rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def good(count, start=1, title="第 {} 号难题的题目"):
    return [[f"R-{n}", title.format(n), *REST] for n in range(start, start + count)]


def start(tmp_path, rows, organization=None, **options):
    organization = organization or make_organization()
    path = table(tmp_path, rows)
    return import_jobs.start_import(
        organization=organization,
        actor=make_member(organization),
        kind=options.pop("kind", "demand"),
        path=path,
        file_name="我的表.tsv",
        **options,
    )


def checked(tmp_path, rows, organization=None, **options):
    job = start(tmp_path, rows, organization, **options)
    assert import_runs.run(job_id=job.pk)
    job.refresh_from_db()
    return job


def stored(tmp_path, rows, organization=None, scope="good", **options):
    job = checked(tmp_path, rows, organization, **options)
    return confirmed(job, scope)


def confirmed(job, scope="good"):
    import_jobs.confirm_import(job=job, scope=scope)
    import_runs.run(job_id=job.pk)
    job.refresh_from_db()
    return job


def figures(job):
    return job.new, job.changed, job.same, job.wrong


WRONG = ["R-9", "", *REST]


# --- Check --------------------------------------------------------------------------------------


def test_a_check_finds_every_error_and_stores_nothing(tmp_path, small_chunks):
    rows = [*good(4), WRONG, ["R-1", "题目够长", *REST], ["R-7", "题目够长", *REST[:5], "明年"]]

    job = checked(tmp_path, rows)

    assert (job.state, figures(job), job.total) == ("checked", (4, 0, 0, 3), 7)
    assert not Demand.objects.exists() and not ListingEvent.objects.exists()
    wrong = ImportRow.objects.filter(job=job, outcome="wrong")
    assert [(row.number, row.problems[0][0], row.problems[0][1]) for row in wrong] == [
        (6, "title", ""),
        (7, "id", "R-1"),
        (8, "valid_until", "明年"),
    ]


def test_sentences_are_in_the_language_of_who_sent_the_file(tmp_path):
    with override("en"):
        job = start(tmp_path, [WRONG])
    with override("zh-hans"):
        import_runs.run(job_id=job.pk)

    assert ImportRow.objects.get().problems[0][2] == "This cell is empty."


def test_the_job_says_what_would_be_new_changed_or_as_it_was(tmp_path):
    organization = make_organization()
    make_demand(owner=organization, status="draft", external_id="R-1")
    stored(tmp_path, good(1, start=2), organization)

    job = checked(tmp_path, good(3), organization)

    assert figures(job) == (1, 1, 1, 0)


@pytest.mark.parametrize("rows", [[], [["", "", *([""] * 6)]]])
def test_a_file_without_rows_is_refused_with_a_sentence(tmp_path, rows):
    with override("en"):
        job = start(tmp_path, rows)
    import_runs.run(job_id=job.pk)
    job.refresh_from_db()

    assert (job.state, job.problem) == ("failed", "Below the header the file has no rows.")


def test_a_file_with_too_many_rows_is_refused_before_any_is_kept(tmp_path, settings):
    settings.IMPORT_MAX_ROWS = 10
    with override("en"):
        job = start(tmp_path, good(11))
    import_runs.run(job_id=job.pk)
    job.refresh_from_db()

    assert job.state == "failed" and "more than 10 rows" in job.problem
    assert not ImportRow.objects.exists()


def test_a_file_that_turns_out_damaged_leaves_no_rows(tmp_path, small_chunks):
    path = tmp_path / "list.csv"
    path.write_text(
        "id,title\n"
        + "1,甲方题目\n" * 1
        + "".join(f"{n},题目{n}\n" for n in range(2, 30))
        + '99,"没有结尾\n',
        encoding="utf-8",
    )
    organization = make_organization()
    job = import_jobs.start_import(
        organization=organization,
        actor=make_member(organization),
        kind="demand",
        path=path,
        file_name="x.csv",
    )
    import_runs.run(job_id=job.pk)
    job.refresh_from_db()

    assert job.state == "failed" and job.problem
    assert not ImportRow.objects.exists()


# --- Who and how much ---------------------------------------------------------------------------


def test_an_organization_that_is_not_verified_gets_drafts_only(tmp_path):
    organization = make_organization(status=OrganizationStatus.PENDING)

    with pytest.raises(ValidationError):
        start(tmp_path, good(1), organization, submit=True)
    job = stored(tmp_path, good(1), organization)

    assert (job.state, Demand.objects.get().status) == ("done", "draft")


def test_an_organization_that_was_returned_imports_nothing(tmp_path):
    organization = make_organization(status=OrganizationStatus.REJECTED)

    with pytest.raises(ValidationError):
        start(tmp_path, good(1), organization)
    assert not ImportJob.objects.exists()


def test_the_size_and_the_number_of_open_imports_are_bounded(tmp_path, settings):
    organization = make_organization()
    settings.IMPORT_BYTES = 10
    with pytest.raises(ValidationError):
        start(tmp_path, good(1), organization)
    settings.IMPORT_BYTES = 10_000_000
    for _number in range(import_jobs.OPEN_AT_MOST):
        start(tmp_path, good(1), organization)
    with pytest.raises(ValidationError):
        start(tmp_path, good(1), organization)

    assert ImportJob.objects.count() == import_jobs.OPEN_AT_MOST


def test_a_file_that_is_not_what_it_is_called_is_not_kept(tmp_path):
    path = tmp_path / "list.xlsx"
    path.write_bytes(b"%PDF-1.7 ...")
    organization = make_organization()

    with pytest.raises(UnreadableFile):
        import_jobs.start_import(
            organization=organization,
            actor=make_member(organization),
            kind="demand",
            path=path,
            file_name="list.xlsx",
        )

    assert not ImportJob.objects.exists()
    assert not (tmp_path / "private").exists()


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.csv", "passwd.csv"),
        ("C:\\a\\表.CSV", "表.csv"),
        ("x" * 300 + ".csv", "x" * 100 + ".csv"),
        ("a\u202evsc.csv", "table.csv"),
        (".csv", ".csv"),
    ],
)
def test_the_name_of_a_file_is_no_path(name, kept):
    with override("en"):
        assert import_jobs._tidy_name(name) == kept


# --- Store --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["good", "all"])
def test_confirmed_rows_become_drafts_once(tmp_path, small_chunks, scope):
    organization = make_organization()

    job = stored(tmp_path, good(8), organization, scope=scope)
    again = stored(tmp_path, good(8), organization, scope=scope)

    assert (job.state, figures(job)) == ("done", (8, 0, 0, 0))
    assert (again.state, figures(again)) == ("done", (0, 0, 8, 0))
    assert Demand.objects.count() == ListingEvent.objects.count() == 8
    rows = ImportRow.objects.filter(job=job)
    assert {row.listing for row in rows} == set(Demand.objects.values_list("pk", flat=True))
    assert all(row.is_stored for row in rows)


def test_only_the_good_rows_are_stored(tmp_path, small_chunks):
    job = stored(tmp_path, [*good(4), WRONG, *good(2, start=20)])

    assert (job.state, figures(job)) == ("done", (6, 0, 0, 1))
    assert Demand.objects.count() == 6
    assert not ImportRow.objects.get(number=6).is_stored


def test_all_or_none_needs_a_file_without_errors(tmp_path):
    job = checked(tmp_path, [*good(2), WRONG])

    with pytest.raises(ValidationError):
        import_jobs.confirm_import(job=job, scope="all")

    job.refresh_from_db()
    assert job.state == "checked"


def test_all_or_none_is_none_when_one_has_changed_since_the_check(tmp_path, small_chunks):
    organization = make_organization()
    draft = make_demand(owner=organization, status="draft", external_id="R-8")
    with override("en"):
        job = checked(tmp_path, good(8), organization)
    assert figures(job) == (7, 1, 0, 0)
    publishing.withdraw(listing=draft, actor=make_operator())

    job = confirmed(job, "all")

    assert job.state == "failed" and "Row 9" in job.problem
    assert Demand.objects.count() == 1
    assert not ImportRow.objects.filter(is_stored=True).exists()


def test_good_rows_go_in_when_one_has_changed_since_the_check(tmp_path, small_chunks):
    organization = make_organization()
    draft = make_demand(owner=organization, status="draft", external_id="R-5")
    job = checked(tmp_path, good(8), organization)
    publishing.withdraw(listing=draft, actor=make_operator())

    job = confirmed(job)

    assert (job.state, figures(job)) == ("done", (7, 0, 0, 1))
    assert ImportRow.objects.get(external_id="R-5").problems


def test_a_row_may_name_a_listing_by_the_number_of_the_platform(tmp_path):
    organization = make_organization()
    mine = make_demand(owner=organization, status="draft", external_id="form:1")
    other = make_demand(status="draft")

    job = stored(
        tmp_path,
        [[mine.number, "题目改了", *REST], [other.number, "别家的号", *REST]],
        organization,
    )

    assert figures(job) == (1, 1, 0, 0)
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.title, mine.external_id) == ("题目改了", "form:1")
    assert other.title != "别家的号"


def test_two_rows_for_one_listing_are_refused(tmp_path):
    organization = make_organization()
    mine = make_demand(owner=organization, status="draft", external_id="R-1")

    job = checked(tmp_path, [*good(1), [mine.number, "题目改了", *REST]], organization)

    assert figures(job) == (0, 1, 0, 1)


def test_nothing_is_stored_of_a_cancelled_import(tmp_path):
    job = checked(tmp_path, good(2))
    import_jobs.cancel_import(job=job)

    with pytest.raises(IllegalMove):
        import_jobs.confirm_import(job=job, scope="good")
    with pytest.raises(IllegalMove):
        import_jobs.cancel_import(job=job)
    assert import_runs.run(job_id=job.pk)
    assert not Demand.objects.exists()


def test_a_cancel_in_the_middle_stops_behind_the_last_piece(tmp_path, small_chunks, monkeypatch):
    job = checked(tmp_path, good(9))
    original, pieces = import_runs._store_chunk, []

    def stored_piece(job):
        pieces.append(job)
        if len(pieces) == 2:
            import_jobs.cancel_import(job=job)
        return original(job)

    monkeypatch.setattr(import_runs, "_store_chunk", stored_piece)

    job = confirmed(job)

    assert job.state == "cancelled"
    assert Demand.objects.count() == ImportRow.objects.filter(is_stored=True).count() == 3


def _meanwhile(monkeypatch, nth, act):
    """Do something right before the `nth` piece of rows is stored."""
    count, original = 0, import_runs._write_rows

    def counted(*arguments):
        nonlocal count
        count += 1
        if count == nth:
            act()
        return original(*arguments)

    monkeypatch.setattr(import_runs, "_write_rows", counted)


# --- Handing in ---------------------------------------------------------------------------------


def test_rows_without_a_fault_are_handed_in_and_the_others_stay_drafts(tmp_path):
    bare = ["R-2", "只有一个题目", *[""] * 6]
    named = ["R-3", "请致电 13800138000 联系", *REST]

    job = stored(tmp_path, [*good(1), bare, named], submit=True)

    assert (figures(job), job.noted) == ((3, 0, 0, 0), 2)
    status = dict(Demand.objects.values_list("external_id", "status"))
    assert status == {"R-1": "submitted", "R-2": "draft", "R-3": "draft"}
    handed = Demand.objects.get(external_id="R-1")
    assert (handed.version, handed.submitted_at is not None) == (1, True)
    assert revision_model("demand").objects.get().pgh_obj_id == handed.pk
    assert "138" in ImportRow.objects.get(external_id="R-3").notes[0][1]
    # Again: what was handed in is as it was, what was not still is not.
    again = stored(tmp_path, [*good(1), bare, named], Demand.objects.first().owner, submit=True)
    assert figures(again) == (0, 0, 3, 0)


def test_a_change_of_what_is_published_is_submitted_as_a_new_version(
    tmp_path, django_capture_on_commit_callbacks
):
    organization = make_organization()
    live = make_demand(owner=organization, external_id="R-1")
    left = []
    hear = lambda ids, **_: left.extend(ids)  # noqa: E731
    listings_left.connect(hear)

    # Without a word about the review it is not touched.
    assert figures(checked(tmp_path, good(1), organization)) == (0, 0, 0, 1)
    with django_capture_on_commit_callbacks(execute=True):
        job = checked(tmp_path, good(1), organization, submit=True)
        job = confirmed(job)
    listings_left.disconnect(hear)

    live.refresh_from_db()
    assert (figures(job), live.status, live.version) == ((0, 1, 0, 0), "submitted", 2)
    assert left == [live.pk]
    assert revision_model("demand").objects.filter(pgh_obj=live, version=2).exists()
    event = ListingEvent.objects.filter(demand=live).latest("pk")
    assert (event.before, event.after, event.version) == ("published", "submitted", 2)


def test_a_later_last_day_of_what_is_published_takes_effect_at_once(tmp_path):
    organization = make_organization()
    live = make_demand(owner=organization, external_id="R-1")
    day = timezone.localdate() + dt.timedelta(days=300)
    head = ["id", "title", "valid_until"]
    path = table(tmp_path, [["R-1", live.title, day.isoformat()]], head=head)
    job = import_jobs.start_import(
        organization=organization,
        actor=make_member(organization),
        kind="demand",
        path=path,
        file_name="x.tsv",
        submit=True,
    )
    import_runs.run(job_id=job.pk)
    job.refresh_from_db()
    confirmed(job)

    live.refresh_from_db()
    assert (live.status, live.version, live.valid_until) == ("published", 1, day)
    assert ListingEvent.objects.filter(demand=live).latest("pk").valid_until == day


def test_what_is_being_checked_is_not_overwritten(tmp_path):
    organization = make_organization()
    make_demand(owner=organization, status="submitted", external_id="R-1")

    job = checked(tmp_path, good(1), organization, submit=True)

    assert figures(job) == (0, 0, 0, 1)


def test_a_published_listing_is_not_replaced_by_one_that_lacks_something(tmp_path):
    organization = make_organization()
    make_demand(owner=organization, external_id="R-1")

    job = checked(tmp_path, [["R-1", "新题目", "", *REST[1:]]], organization, submit=True)

    assert figures(job) == (0, 0, 0, 1)


def test_an_operator_may_publish_for_a_trusted_source(tmp_path, django_capture_on_commit_callbacks):
    heard = []
    hear = lambda ids, **_: heard.extend(ids)  # noqa: E731
    listings_published.connect(hear)
    with django_capture_on_commit_callbacks(execute=True):
        job = stored(tmp_path, good(2), kind="achievement", publish=True)
    listings_published.disconnect(hear)

    assert (job.state, Achievement.objects.live().count()) == ("done", 2)
    assert sorted(heard) == sorted(Achievement.objects.values_list("pk", flat=True))


def test_an_organization_that_lost_its_mark_between_hands_nothing_in(tmp_path):
    organization = make_organization()
    job = checked(tmp_path, good(1), organization, submit=True)
    organization.status = OrganizationStatus.REJECTED
    organization.save(update_fields=("status",))

    with pytest.raises(ValidationError):
        import_jobs.confirm_import(job=job, scope="good")


# --- Killed, twice, at once ---------------------------------------------------------------------


class Killed(BaseException):
    """No handler of ours sees it, as none sees a SIGKILL."""


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_run_that_dies_is_gone_on_with_behind_its_last_piece(
    tmp_path, small_chunks, monkeypatch, nth
):
    job = checked(tmp_path, good(9))
    import_jobs.confirm_import(job=job, scope="good")

    def die():
        raise Killed

    with monkeypatch.context() as patch:
        _meanwhile(patch, nth, die)
        with pytest.raises(Killed):
            import_runs.run(job_id=job.pk)
    assert Demand.objects.count() == 3 * (nth - 1)
    # While its sign of life is fresh nobody takes it over; then somebody does.
    assert import_runs.stalled() == [] and not import_runs.run(job_id=job.pk)
    _age(job)
    assert import_runs.stalled() == [job.pk]
    assert import_runs.run(job_id=job.pk)

    job.refresh_from_db()
    assert (job.state, figures(job)) == ("done", (9, 0, 0, 0))
    assert Demand.objects.count() == ListingEvent.objects.count() == 9


def _age(job):
    ImportJob.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now() - dt.timedelta(hours=1))


def test_a_check_that_dies_is_gone_on_with_and_finds_the_same(tmp_path, small_chunks, monkeypatch):
    rows = [*good(4), WRONG, *good(3, start=20), ["R-2", "题目够长", *REST]]
    job = start(tmp_path, rows)
    original, count = import_runs.settle, 0

    def dying(*arguments, **options):
        nonlocal count
        count += 1
        if count == 3:
            raise Killed
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(import_runs, "settle", dying)
        with pytest.raises(Killed):
            import_runs.run(job_id=job.pk)
    _age(job)
    import_runs.run(job_id=job.pk)

    job.refresh_from_db()
    assert (job.state, figures(job)) == ("checked", (7, 0, 0, 2))
    assert [row.number for row in ImportRow.objects.filter(job=job)] == list(range(2, 11))
    # The double was in a piece that the first run had kept.
    assert ImportRow.objects.get(number=10).problems


def test_a_run_that_was_only_thought_dead_stores_nothing_more(tmp_path, small_chunks, monkeypatch):
    job = checked(tmp_path, good(9))
    import_jobs.confirm_import(job=job, scope="good")
    _meanwhile(monkeypatch, 2, lambda: ImportJob.objects.update(token="another"))

    import_runs.run(job_id=job.pk)

    job.refresh_from_db()
    assert (job.state, Demand.objects.count(), job.done) == ("storing", 3, 3)


def test_a_file_that_kills_every_worker_is_given_up(tmp_path, monkeypatch):
    job = start(tmp_path, good(2))
    monkeypatch.setattr(import_runs, "open_table", partial(_raise, Killed))
    for _attempt in range(import_runs.MAX_ATTEMPTS):
        with pytest.raises(Killed):
            import_runs.run(job_id=job.pk)
        _age(job)
    assert import_runs.run(job_id=job.pk)

    job.refresh_from_db()
    assert job.state == "failed" and "3" in job.problem


def _raise(error, *_arguments, **_options):
    raise error


def test_an_unforeseen_failure_leaves_the_job_to_the_next_run(tmp_path, monkeypatch):
    job = start(tmp_path, good(2))
    with monkeypatch.context() as patch:
        patch.setattr(import_runs, "open_table", partial(_raise, RuntimeError))
        with pytest.raises(RuntimeError):
            import_runs.run(job_id=job.pk)

    assert import_runs.stalled() == [job.pk]
    assert import_runs.run(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == "checked"


def test_two_imports_of_one_organization_go_one_after_the_other(tmp_path):
    organization = make_organization()
    first, second = (start(tmp_path, good(2), organization) for _ in range(2))
    elsewhere = start(tmp_path, good(2))
    ImportJob.objects.filter(pk=first.pk).update(token="x", heartbeat_at=timezone.now())

    assert not import_runs.run(job_id=second.pk)
    assert import_runs.run(job_id=elsewhere.pk)
    assert import_runs.waiting_behind(job_id=first.pk) == [second.pk]
    _age(first)
    assert import_runs.run(job_id=first.pk)
    assert import_runs.run(job_id=second.pk)


def test_a_lost_message_is_found_by_the_sweep(tmp_path, monkeypatch):
    sent = []
    job = start(tmp_path, good(2))
    monkeypatch.setattr("catalog.tasks.send", lambda task, pk: sent.append((task.name, pk)) or True)

    sweep_imports()

    assert sent == [("catalog.tasks.run_import", job.pk)]


def test_old_files_and_rows_are_removed_and_the_figures_stay(tmp_path, settings):
    settings.IMPORT_KEEP_DAYS = 30
    done, open_one, fresh = (checked(tmp_path, good(2)) for _ in range(3))
    confirmed(done)
    old = timezone.now() - dt.timedelta(days=31)
    ImportJob.objects.filter(pk__in=[done.pk, open_one.pk]).update(created_at=old)

    remove_old_imports()

    done, open_one, fresh = (ImportJob.objects.get(pk=job.pk) for job in (done, open_one, fresh))
    assert (done.file, done.state, figures(done)) == ("", "done", (2, 0, 0, 0))
    assert (open_one.file, open_one.state) == ("", "cancelled")
    assert fresh.file and storages["private"].exists(fresh.file)
    assert set(ImportRow.objects.values_list("job", flat=True)) == {fresh.pk}
    assert len(list((tmp_path / "private").rglob("*/*/*"))) == 1


def test_storing_asks_the_database_as_often_for_one_row_as_for_ten(
    tmp_path, django_assert_max_num_queries
):
    one, ten = (checked(tmp_path, good(count), submit=True) for count in (1, 10))
    for job in (one, ten):
        import_jobs.confirm_import(job=job, scope="good")
    # Claim (2, savepoints), lock and rows, what is there (2), listings, revisions, events, rows
    # (2), cursor, the checks that open (2); the end: figures, state, and who is told (2).
    with django_assert_max_num_queries(36):
        import_runs.run(job_id=one.pk)
    with django_assert_max_num_queries(36):
        import_runs.run(job_id=ten.pk)
