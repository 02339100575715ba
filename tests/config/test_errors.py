"""What people and programs read when something goes wrong."""

import re

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from config.errors import bad_request, server_error
from tests.factories import make_member

pytestmark = pytest.mark.django_db
LANGUAGES = ("zh-hans", "en")


@pytest.fixture
def broken(monkeypatch):
    """Have the help pages fail with words that are nobody's business."""

    def fail(*_args, **_options):
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("accounts.views.help.render", fail)


def _text(response):
    return response.content.decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_is_not_there_says_so(client, language):
    client.cookies["django_language"] = language
    response = client.get("/no/such/page/")
    page = _text(response)

    assert response.status_code == 404
    assert ("没有这一页" if language == "zh-hans" else "Nothing here") in page
    assert reverse("demand_list") in page and "/account/login/?next=/no/such/page/" in page
    # By this the line in the log is found, if a link of ours was wrong.
    assert re.search(r'class="kq-num">[0-9a-f]{8}<', page)
    assert '<meta name="robots" content="noindex">' in page


def test_an_address_with_marks_in_it_is_no_way_into_the_page(client):
    page = _text(client.get("/no/%22%3E%3Cscript%3Ealert(1)%3C/script%3E/"))
    assert "<script>alert" not in page
    assert "next=/no/%22%3E%3Cscript%3E" in page


def test_a_form_without_its_token_is_explained():
    client = Client(enforce_csrf_checks=True)
    response = client.post(reverse("account_login"), {"login": "a", "password": "b"})
    assert response.status_code == 403
    assert "表单已失效" in _text(response)


def test_a_refusal_says_where_one_reads_who_sees_what(client):
    client.force_login(make_member())
    response = client.get(reverse("ops_home"))
    assert response.status_code == 403
    assert reverse("help_visibility") in _text(response)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failure_says_that_nothing_was_saved_and_gives_a_reference(client, broken, language):
    client.cookies["django_language"] = language
    client.raise_request_exception = False
    response = client.get(reverse("help_matching"))
    page = _text(response)

    assert response.status_code == 500
    assert ("没有保存" if language == "zh-hans" else "was not saved") in page
    assert re.search(r'class="kq-num">[0-9a-f]{8}<', page)
    assert "secret reason" not in page


def test_a_program_reads_of_a_failure_as_a_problem(settings):
    for handler, status in ((server_error, 500), (lambda r: bad_request(r, ValueError()), 400)):
        response = handler(RequestFactory().get("/api/v1/demands/"))
        assert response.status_code == status
        assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("status", [400, 500])
def test_these_pages_need_neither_person_nor_session_nor_database(
    django_assert_num_queries, settings, status
):
    settings.SITE_CONTACT = "help@keqiao.example"
    request = RequestFactory().get("/")
    with django_assert_num_queries(0):
        response = server_error(request) if status == 500 else bad_request(request, ValueError())
    page = _text(response)

    assert response.status_code == status
    assert settings.SITE_NAME in page
    assert 'href="mailto:help@keqiao.example"' in page
    # It failed before it had an id; the reference is in the log all the same.
    assert re.search(r'class="kq-num">[0-9a-f]{8}<', page)


def test_a_request_that_cannot_be_read_gets_the_page_of_a_400(client):
    client.raise_request_exception = False
    response = client.get("/", headers={"host": "not a host"})
    assert response.status_code == 400
    assert "没有传完整" in _text(response)


def test_too_many_searches_are_told_to_wait(client, settings):
    settings.SEARCHES_PER_MINUTE = 1
    for _number in range(2):
        response = client.get(reverse("demand_list"), {"q": "淬火"})
    assert response.status_code == 429
    assert response["Retry-After"]
    assert "过几分钟" in _text(response)
