"""The import pages: upload, progress, what the check found, confirm, report; and exports."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import load_workbook

from accounts.models import OrganizationStatus
from catalog.models import Demand, ImportJob, ListingExport
from catalog.services import import_runs
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

GOOD = "id,title,body\n1,第一个需求,正文\n2,第二个需求,=1+1\n"
BAD = GOOD + '3,,没有标题\n4,第四个需求,"<script>alert(1)</script>"\n4,重复的编号,x\n'


@pytest.fixture
def organization():
    return make_organization()


@pytest.fixture
def owner(organization, client):
    person = make_member(organization)
    client.force_login(person)
    return person


def send(client, content=GOOD, name="我的表.csv", **fields):
    data = content if isinstance(content, bytes) else content.encode()
    form = {"kind": "demand", "then": "draft", "file": SimpleUploadedFile(name, data), **fields}
    return client.post(reverse("import_new"), form)


def checked(client, content=GOOD, **fields):
    response = send(client, content, **fields)
    assert response.status_code == 302, response.context["form"].errors
    job = ImportJob.objects.latest("pk")
    assert response.url == job.get_absolute_url()
    import_runs.run(job_id=job.pk)
    return ImportJob.objects.get(pk=job.pk)


def text(response):
    return response.content.decode()


def test_from_upload_to_report(client, organization, owner):
    send(client, BAD, organization=organization.pk)
    job = ImportJob.objects.get()
    running = client.get(job.get_absolute_url())
    assert 'hx-trigger="every 2s"' in text(running) and "<progress" in text(running)
    import_runs.run(job_id=job.pk)

    page = client.get(job.get_absolute_url())
    assert "hx-trigger" not in text(page)
    assert "alert(1)" not in text(page)  # a good row's text is not shown
    assert [row.number for row in page.context["page"]] == [4, 6]
    assert page.context["columns"] == [("title", 1), ("id", 1)]
    assert not Demand.objects.exists()

    confirm = client.post(reverse("import_confirm", args=[job.pk]), {"scope": "good"})
    assert confirm.url == job.get_absolute_url()
    import_runs.run(job_id=job.pk)
    assert Demand.objects.filter(owner=organization, created_by=owner).count() == 3

    report = client.get(reverse("import_report", args=[job.pk, "csv"]))
    body = b"".join(report.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    assert [row[0] for row in rows[1:]] == ["2", "3", "4", "5", "6"]
    assert rows[1][4] == Demand.objects.get(external_id="1").number
    assert rows[3][3] != rows[1][3] and rows[3][7]


def test_the_fragment_that_polling_gets_is_the_same_part(client, organization, owner):
    send(client, organization=organization.pk)
    job = ImportJob.objects.get()

    part = client.get(job.get_absolute_url(), headers={"HX-Request": "true"})

    assert "<html" not in text(part) and 'id="import"' in text(part)


def test_errors_are_paged_and_filtered_by_column(
    client, organization, owner, django_assert_max_num_queries
):
    rows = "".join(f"{n},{'' if n % 2 else '够长的题目'},x\n" for n in range(240))
    job = checked(client, "id,title,trl\n" + rows, organization=organization.pk)

    with django_assert_max_num_queries(14):
        first = client.get(job.get_absolute_url())
    last = client.get(f"{job.get_absolute_url()}?column=title&page=99")
    other = client.get(f"{job.get_absolute_url()}?column=nothing&page=x")

    assert (len(first.context["page"]), first.context["page"].paginator.count) == (50, 240)
    assert (len(last.context["page"]), last.context["page"].paginator.count) == (20, 120)
    assert other.context["column"] == "" and other.context["page"].number == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.xlsx", b"%PDF-1.7"),
        ("list.pdf", b"%PDF-1.7"),
        ("list.csv", b""),
        ("list.xlsm", b"PK\x03\x04"),
        ("noending", b"id,title"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence_beside_the_field(
    client, organization, owner, name, content
):
    response = send(client, content, name=name, organization=organization.pk)

    assert response.status_code == 422
    assert response.context["form"].errors
    assert not ImportJob.objects.exists()


def test_a_file_is_needed_and_a_list_that_exists(client, organization, owner):
    url = reverse("import_new")

    response = client.post(url, {"organization": organization.pk, "kind": "people", "then": "x"})

    assert set(response.context["form"].errors) == {"file", "kind", "then"}


def test_nobody_imports_for_another_organization(client, organization, owner):
    response = send(client, organization=make_organization().pk)

    assert response.status_code == 422 and not ImportJob.objects.exists()


def test_only_drafts_before_the_verification(client):
    organization = make_organization(status=OrganizationStatus.PENDING)
    client.force_login(make_member(organization))

    refused = send(client, organization=organization.pk, then="submit")
    assert refused.status_code == 422 and not ImportJob.objects.exists()
    assert send(client, organization=organization.pk).status_code == 302


def test_a_member_cannot_publish_at_once(client, organization, owner):
    response = send(client, organization=organization.pk, then="publish")

    assert response.status_code == 422 and not ImportJob.objects.exists()


def test_an_operator_publishes_for_an_organization_by_its_code(client, organization):
    client.force_login(make_operator())

    unknown = send(client, credit_code="91330100MA00000000")
    assert unknown.status_code == 422
    checked(client, credit_code=organization.credit_code.lower(), then="publish")

    job = ImportJob.objects.get()
    assert (job.organization, job.publish) == (organization, True)


def test_an_operator_with_a_tie_does_not_publish(client, organization):
    operator = make_operator()
    operator.memberships.create(organization=organization, role="viewer", is_active=True)
    client.force_login(operator)

    response = send(client, credit_code=organization.credit_code, then="publish")

    assert response.status_code == 422 and not ImportJob.objects.exists()


def test_a_viewer_reads_a_job_and_changes_nothing(client, organization, owner):
    job = checked(client, organization=organization.pk)
    client.force_login(make_member(organization, role="viewer"))

    page = client.get(job.get_absolute_url())

    assert page.status_code == 200
    assert reverse("import_confirm", args=[job.pk]) not in text(page)
    for name in ("import_confirm", "import_cancel"):
        assert client.post(reverse(name, args=[job.pk]), {"scope": "good"}).status_code == 403
    job.refresh_from_db()
    assert job.state == "checked"


def test_confirming_or_cancelling_what_has_ended_is_a_conflict(client, organization, owner):
    job = checked(client, organization=organization.pk)
    assert client.post(reverse("import_cancel", args=[job.pk])).status_code == 302

    again = client.post(reverse("import_cancel", args=[job.pk]))
    late = client.post(reverse("import_confirm", args=[job.pk]), {"scope": "good"})

    assert (again.status_code, late.status_code) == (409, 409)
    assert not Demand.objects.exists()


def test_a_confirmation_without_a_choice_is_refused(client, organization, owner):
    job = checked(client, organization=organization.pk)

    response = client.post(reverse("import_confirm", args=[job.pk]), {"scope": "some"})

    assert response.status_code == 422
    job.refresh_from_db()
    assert job.state == "checked"


def test_the_templates_are_handed_out(client, owner):
    for kind in ("demand", "achievement"):
        for language in ("zh", "en"):
            for file_format in ("xlsx", "csv"):
                url = reverse("import_template", args=[kind, language, file_format])
                response = client.get(url)
                assert response.status_code == 200
                assert file_format in response["Content-Disposition"]
    for wrong in (["people", "zh", "csv"], ["demand", "fr", "csv"], ["demand", "zh", "exe"]):
        assert client.get(reverse("import_template", args=wrong)).status_code == 404


def test_unknown_columns_are_named_on_the_page(client, organization, owner):
    job = checked(client, "id,title,联系<b>人\n1,第一个需求,张三\n", organization=organization.pk)

    assert "联系&lt;b&gt;人" in text(client.get(job.get_absolute_url()))


# --- Exports ------------------------------------------------------------------------------------


def rows_of(response):
    if response.streaming and "csv" in response["Content-Type"]:
        body = b"".join(response.streaming_content)
        return list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    return [[cell.value for cell in row] for row in book.active.iter_rows()]


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_one_s_own_listings_in_every_status_go_out(client, organization, owner, file_format):
    mine = make_demand(owner=organization, status="draft", external_id="A-1", partners="某团队")
    make_demand(status="draft")

    response = client.get(f"{reverse('export_my_demands')}?format={file_format}&headers=en")

    head, row = rows_of(response)
    assert head[0] == "ID" and row[0] == "A-1"
    assert row[head.index("Wished partners")] == "某团队"
    assert row[head.index("Platform number")] == mine.number
    note = ListingExport.objects.get()
    assert (note.actor, note.own, note.rows, note.file_format) == (owner, True, 1, file_format)


READERS = {
    "plain": (make_user, set()),
    "member": (make_member, {"body"}),
    "manager": (make_manager, {"body", "encumbrances"}),
}


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@pytest.mark.parametrize("reader", READERS)
def test_a_list_goes_out_as_far_as_the_reader_s_tier(client, reader, file_format):
    secret = {
        "body": "正文里的秘密句子，三十个字以上，写得长一点才像一段正文。",
        "encumbrances": "质押给某银行",
        "lead_expert": "某某某教授",
        "orcid": "0000-0002-1825-0097",
    }
    listing = make_achievement(external_id="某大学内部-1", **secret)
    make, reads = READERS[reader]
    client.force_login(make())

    response = client.get(f"{reverse('export_achievements')}?format={file_format}")

    whole = "\n".join(str(cell) for row in rows_of(response) for cell in row)
    for name, value in secret.items():
        assert (value in whole) == (name in reads), name
    assert listing.number in whole and listing.title in whole
    for hidden in (listing.owner.name, listing.external_id, listing.owner.credit_code):
        assert hidden not in whole + response["Content-Disposition"]


def test_a_list_goes_out_under_the_filters_of_the_address(client, owner, settings):
    make_demand(title="轴承淬火变形", region="330100")
    make_demand(title="废水处理", region="440300")
    url = reverse("export_demands")

    found = rows_of(client.get(f"{url}?format=csv&region=330000"))

    assert [row[1] for row in found[1:]] == ["轴承淬火变形"]
    assert "region=330000" in ListingExport.objects.get().query
    settings.EXPORT_MAX_ROWS = 1
    assert len(rows_of(client.get(f"{url}?format=csv"))) == 2


def test_formulas_of_others_go_out_as_text(client, owner):
    make_demand(title='=HYPERLINK("http://example.org")', summary="@SUM(1)", body="+1")

    for file_format in ("csv", "xlsx"):
        response = client.get(f"{reverse('export_demands')}?format={file_format}")
        for row in rows_of(response)[1:]:
            assert not any(str(cell).startswith(("=", "+", "-", "@")) for cell in row if cell)


def test_exports_are_limited_and_a_refusal_leaves_no_note(client, owner, settings):
    settings.EXPORTS_PER_MINUTE = 2
    url = reverse("export_demands")

    codes = [client.get(url).status_code for _ in range(3)]

    assert codes == [200, 200, 429]
    assert ListingExport.objects.count() == 2


def test_too_many_for_one_workbook_is_said(client, organization, owner, settings):
    settings.EXPORT_MAX_ROWS = 1
    make_demand(owner=organization)
    make_demand(owner=organization)
    url = reverse("export_my_demands")

    refused = client.get(f"{url}?format=xlsx", follow=True)

    assert refused.redirect_chain and "CSV" in text(refused)
    assert len(rows_of(client.get(f"{url}?format=csv"))) == 3


def test_an_export_asks_the_database_as_often_for_one_row_as_for_ten(
    client, owner, django_assert_num_queries
):
    make_demand()
    url = reverse("export_demands")
    client.get(f"{url}?format=csv").getvalue()

    def count():
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as queries:
            client.get(f"{url}?format=csv").getvalue()
        return len(queries)

    one = count()
    for _number in range(9):
        make_demand()
    # One more after a change: the snapshot of the list takes it in.
    assert count() <= one + 2
