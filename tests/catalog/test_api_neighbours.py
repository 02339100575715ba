"""What stands beside the lists on the API: files, imports, exports, history, searches, classes."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import TokenScope
from catalog.models import Attachment, Demand, ImportJob, ListingExport, SavedSearch
from tests.api import Program
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
    make_user,
)

pytestmark = pytest.mark.django_db

CSV = "编号,标题,公开摘要\nA-1,大型套圈淬火,直径两米以上套圈的淬火工艺\nA-2,,没有标题\n"


def png():
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(data, "PNG")
    return data.getvalue()


def upload(program, address, name, data, **fields):
    return program.client.post(
        f"/api/v1/{address}",
        {"file": SimpleUploadedFile(name, data), **fields},
        headers=program.headers,
    )


@pytest.fixture
def member():
    return make_member()


@pytest.fixture
def program(member):
    return Program(member)


@pytest.fixture
def demand(member):
    return make_demand(owner=member.organizations.get(), status="draft")


# --- Files --------------------------------------------------------------------------------------


def test_a_file_is_attached_read_changed_and_taken_off(program, demand):
    address = f"demands/{demand.number}/files/"

    added = upload(program, address, "现场照片.png", png(), title="淬火现场", readers="introduced")
    assert added.status_code == 201, added.content
    assert (added.json()["kind"], added.json()["readers"]) == ("png", "introduced")
    [row] = program.get(address).json()["results"]
    assert row["name"] == "现场照片.png"
    download = program.get(row["url"].removeprefix("http://testserver"))
    assert download.status_code == 200
    assert b"PNG" in b"".join(download.streaming_content)
    changed = program.patch(f"{address}1/", {"title": "现场", "readers": "managers"})
    assert (changed.json()["title"], changed.json()["readers"]) == ("现场", "managers")
    assert program.ask("DELETE", f"{address}1/").status_code == 204
    assert program.get(address).json()["results"] == []
    assert program.ask("DELETE", f"{address}1/").status_code == 404


def test_a_file_that_is_not_what_it_says_is_refused(program, demand):
    address = f"demands/{demand.number}/files/"

    for name, data in (
        ("a.png", b"<svg onload='x'/>"),
        ("a.exe", b"MZ"),
        ("a.pdf", b""),
        ("a.docx", png()),
    ):
        answer = upload(program, address, name, data, title="附件")
        assert answer.status_code == 400, name
        assert answer.json()["errors"]["file"]
    assert upload(program, address, "a.png", png(), title="x", readers="all").status_code == 400
    assert program.post(address, {"title": "x"}).status_code == 415
    assert not Attachment.objects.exists()


def test_a_file_too_large_is_a_413(program, demand, settings):
    settings.ATTACHMENT_BYTES = 1000

    answer = upload(
        program, f"demands/{demand.number}/files/", "a.png", png() + b"0" * 5000, title="x"
    )

    assert answer.status_code in (400, 413)
    assert not Attachment.objects.exists()


def test_others_neither_see_nor_get_nor_change_a_file(program, member):
    demand = make_demand(owner=member.organizations.get())
    address = f"demands/{demand.number}/files/"
    upload(program, address, f"{demand.owner.name}.png", png(), title="现场", readers="introduced")
    stranger = Program(make_member())

    body = stranger.get(address).json()
    assert body["results"] == []
    assert len(body["closed"]) == 1
    assert demand.owner.name not in str(body)
    assert stranger.get(f"{address}1/download/").status_code == 404
    assert stranger.get(f"{address}99/download/").status_code == 404
    assert stranger.patch(f"{address}1/", {"title": "x"}).status_code == 403
    assert stranger.ask("DELETE", f"{address}1/").status_code == 403
    assert upload(stranger, address, "a.png", png(), title="x").status_code == 403
    assert Attachment.objects.present().count() == 1


# --- Imports ------------------------------------------------------------------------------------


def test_a_file_is_sent_and_waits_for_its_check(program, member):
    sent = upload(program, "imports/", "需求.csv", CSV.encode(), kind="demand")

    assert sent.status_code == 201, sent.content
    job = ImportJob.objects.get()
    assert (job.created_by, job.organization) == (member, member.organizations.get())
    assert sent.json()["state"] == "checking"
    assert program.get(f"imports/{job.pk}/").json()["id"] == job.pk
    assert [row["id"] for row in program.get("imports/").json()["results"]] == [job.pk]
    early = program.post(f"imports/{job.pk}/confirm/", {"scope": "good"})
    assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
    assert program.post(f"imports/{job.pk}/cancel/").json()["state"] == "cancelled"


def test_a_checked_file_is_stored_when_somebody_says_so(program):
    from catalog.services.import_runs import run

    sent = upload(program, "imports/", "需求.csv", CSV.encode(), kind="demand").json()
    run(job_id=sent["id"])
    address = f"imports/{sent['id']}/"

    job = program.get(address).json()
    assert (job["state"], job["new"], job["wrong"]) == ("checked", 1, 1)
    [wrong] = program.get(f"{address}rows/?outcome=wrong").json()["results"]
    assert wrong["problems"][0]["column"]
    first = program.get(f"{address}rows/?page_size=1").json()
    assert first["next"].endswith(f"after={first['results'][0]['number']}")
    assert program.post(f"{address}confirm/", {"scope": "all"}).status_code == 400
    assert program.post(f"{address}confirm/", {"scope": "good"}).json()["state"] == "storing"
    run(job_id=sent["id"])
    assert program.get(address).json()["state"] == "done"
    assert program.get("demands/by-external-id/A-1/").status_code == 200
    report = program.get(f"{address}report.csv")
    assert "A-1" in b"".join(report.streaming_content).decode("utf-8-sig")


@pytest.mark.parametrize(
    ("name", "data", "fields"),
    [
        ("a.csv", b"", {"kind": "demand"}),
        ("a.exe", b"MZ", {"kind": "demand"}),
        ("a.xlsx", b"no zip", {"kind": "demand"}),
        ("a.csv", CSV.encode(), {"kind": "machine"}),
        ("a.csv", CSV.encode(), {"kind": "demand", "then": "publish"}),
        ("a.csv", CSV.encode(), {"kind": "demand", "organization": "1"}),
        ("a.csv", CSV.encode(), {}),
    ],
)
def test_what_cannot_be_imported_is_said(program, name, data, fields):
    answer = upload(program, "imports/", name, data, **fields)

    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert not ImportJob.objects.exists()


def test_jobs_are_for_their_organization(program):
    sent = upload(program, "imports/", "需求.csv", CSV.encode(), kind="demand").json()
    stranger = Program(make_member())

    for address in ("", "rows/", "report.csv"):
        assert stranger.get(f"imports/{sent['id']}/{address}").status_code == 404
    assert stranger.post(f"imports/{sent['id']}/cancel/").status_code == 404
    assert Program(make_operator()).get(f"imports/{sent['id']}/").status_code == 200
    assert upload(Program(make_user()), "imports/", "a.csv", b"x", kind="demand").status_code == 403


def test_the_template_comes_as_a_file(program):
    answer = program.get("imports/template/demand-zh.xlsx", Accept="application/json")

    assert answer.content[:2] == b"PK"
    assert program.get("imports/template/machine-zh.xlsx").status_code == 404


# --- Exports ------------------------------------------------------------------------------------


def test_an_export_holds_what_the_reader_may_read(member):
    make_demand(title="公开的题目", disclosure={"money": "introduced"}, money_max=7_654_321)
    program = Program(member, TokenScope.READ)

    answer = program.get("demands/export/?format=csv", Accept="text/csv")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")

    assert answer["Content-Type"].startswith("text/csv")
    assert "公开的题目" in text
    assert "765" not in text
    assert ListingExport.objects.get().actor == member


def test_ones_own_listings_come_as_the_import_reads_them(program, demand):
    answer = program.get("demands/mine/export/?format=csv")

    assert demand.title in b"".join(answer.streaming_content).decode("utf-8-sig")
    assert program.get("demands/mine/export/").status_code == 200


def test_exports_are_counted(program, settings):
    settings.EXPORTS_PER_MINUTE = 1

    answers = [program.get("demands/export/?format=csv") for _number in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["code"] == "throttled"


def test_a_list_too_long_for_a_workbook_is_a_sentence(program, demand, settings):
    settings.EXPORT_MAX_ROWS = 0

    answer = program.get("demands/mine/export/?format=xlsx")

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


# --- History, copies, what waits ----------------------------------------------------------------


def test_versions_and_what_changed_between_them(program, demand):
    address = f"demands/{demand.number}/"
    demand.body = "说" * 40
    demand.save()
    program.post(f"{address}submit/")
    Program(make_manager()).post(
        f"{address}decide/",
        {
            "decision": "needs_info",
            "reason": "vague",
            "questions": {"title": "哪种套圈？"},
            "no_interest": True,
            "version": 1,
        },
    )
    tag = program.get(address)["ETag"]
    program.post(f"{address}submit/", {"title": "全新的一个题目"}, If_Match=tag)

    versions = program.get(f"{address}revisions/").json()["results"]
    changes = program.get(f"{address}changes/").json()

    assert [row["number"] for row in versions] == [2, 1]
    assert (changes["before"], changes["after"]) == (1, 2)
    [title] = changes["changes"]
    assert title["key"] == "title"
    assert "全新" in str(title["pieces"])
    assert program.get(f"{address}changes/?to=9").status_code == 404
    assert program.get(f"{address}changes/?to=x").status_code == 400
    steps = program.get(f"{address}events/").json()["results"]
    assert len(steps) == 4 - 1


def test_versions_are_for_the_own_side(member):
    number = make_demand().number

    for address in ("revisions", "changes", "events"):
        assert Program(member).get(f"demands/{number}/{address}/").status_code == 403
        assert Program().get(f"demands/{number}/{address}/").status_code == 401


def test_a_copy_is_a_draft_of_its_own(program, member):
    published = make_demand(owner=member.organizations.get(), external_id="PLM-1")

    answer = program.post(f"demands/{published.number}/clone/")

    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["title"]) == ("draft", published.title)
    assert body["number"] != published.number
    assert body["external_id"] != "PLM-1"
    assert program.post(f"demands/{make_demand().number}/clone/").status_code == 403


def test_what_waits_for_a_reviewer_is_without_their_own_side():
    first, second = make_demand(status="submitted"), make_achievement(status="submitted")
    manager = make_manager()
    manager.memberships.create(organization=second.owner, role="viewer", is_active=True)

    body = Program(manager).get("queue/").json()

    assert [row["number"] for row in body["results"]] == [first.number]
    assert Program(make_member()).get("queue/").status_code == 403


# --- Searches, classes --------------------------------------------------------------------------


def test_a_search_is_kept_changed_and_deleted(program):
    make_demand()
    body = {"kind": "demand", "name": "浙江的", "query": "region=330000&nothing=1"}

    saved = program.post("searches/", body)
    again = program.post("searches/", body)

    assert saved.status_code == 201, saved.content
    assert again.json()["id"] == saved.json()["id"]
    assert saved.json()["query"] == "region=330000"
    rows = program.get(saved.json()["url"].removeprefix("http://testserver")).json()
    assert rows["count"] == 1
    address = f"searches/{saved.json()['id']}/"
    changed = program.patch(address, {"alert": "weekly"})
    assert (changed.json()["alert"], changed.json()["name"]) == ("weekly", "浙江的")
    assert Program(make_member()).get(address).status_code == 404
    assert Program(make_member()).ask("DELETE", address).status_code == 404
    assert program.ask("DELETE", address).status_code == 204
    assert not SavedSearch.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"kind": "x", "name": "a"}, {"kind": "demand", "name": "a", "alert": "hourly"}]
)
def test_a_wrong_search_is_not_kept(program, body):
    assert program.post("searches/", body).status_code == 400
    assert not SavedSearch.objects.exists()


def test_classes_are_found_and_suggested(member):
    program = Program(member, TokenScope.READ)

    found = program.get("classes/ipc/?q=C21D").json()["results"]
    suggested = program.post("classes/industry/suggest/", {"text": "轴承套圈淬火"})

    assert found[0]["code"] == "C21D"
    assert suggested.status_code == 200, suggested.content
    assert suggested.json()["results"]
    assert program.get("classes/none/?q=a").status_code == 404
    assert program.post("classes/ipc/suggest/", {"text": ""}).status_code == 400
    assert Program().get("classes/ipc/?q=a").status_code == 401


def test_who_one_is():
    organization = make_organization()
    body = Program(make_member(organization, role="editor"), TokenScope.READ).get("me/").json()

    assert (body["tier"], body["token_scope"]) == ("members", "read")
    assert body["organizations"] == [
        {
            "id": organization.pk,
            "name": organization.name,
            "verified": True,
            "role": "editor",
        }
    ]
    assert Program(make_manager()).get("me/").json()["tier"] == "managers"


def test_indicators_are_found_in_a_text_and_a_content_is_assessed():
    program = Program(make_member(), TokenScope.READ)

    found = program.post("indicators/find/", {"text": "要求圆度变形不大于 0.35 mm。"}).json()[
        "results"
    ]
    vague = program.post("demands/assess/", {"title": "一个题目"}).json()
    better = program.post(
        "demands/assess/", {"title": "大型轴承套圈淬火变形控制", "trl": 7, "body": "说" * 300}
    ).json()

    assert found[0]["indicator"]["unit"] == "mm"
    assert found[0]["indicator"]["value"] == "0.35"
    assert vague["score"] < better["score"]
    assert vague["advice"][0]["text"]
    assert not Demand.objects.exists()
