"""Help, and what every page of the frame promises."""

import re

import pytest
from django.urls import reverse

from accounts.views.help import PAGES
from tests.factories import make_manager, make_member, make_operator, make_organization, make_user
from tests.speaking import speak

pytestmark = pytest.mark.django_db
HELP = tuple(f"help_{name}" for name in PAGES)


@pytest.mark.parametrize("name", HELP)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_help_is_open_to_everybody_in_both_languages(client, name, language):
    speak(client, language)
    response = client.get(reverse(name))
    page = response.content.decode()
    assert response.status_code == 200
    assert page.count("<h1") == 1
    if language == "en":
        body = page[page.index("<main") : page.index("</main>")]
        assert not re.search(r"[\u4e00-\u9fff]", body)


@pytest.mark.parametrize("name", ["ops_organizations", "ops_managers"])
def test_pages_for_operators_say_so_to_others(client, name):
    assert client.get(reverse(name)).status_code == 302  # visitors log in
    for user in (make_user(), make_member(), make_manager()):
        client.force_login(user)
        response = client.get(reverse(name))
        assert response.status_code == 403
        assert "这一页只对平台运营开放。" in response.content.decode()
    client.force_login(make_operator())
    assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", ["ops_organization", "ops_manager"])
def test_an_operators_page_gives_nothing_away_by_its_number(client, name):
    organization = make_organization()
    client.force_login(make_member())
    known = client.get(reverse(name, args=[organization.pk]))
    unknown = client.get(reverse(name, args=[999_999]))
    assert known.status_code == unknown.status_code == 403
    client.force_login(make_operator())
    assert client.get(reverse(name, args=[999_999])).status_code == 404


PRIVATE = (
    "organization",
    "organization_new",
    "organization_join",
    "manager_apply",
    "settings_profile",
)


@pytest.mark.parametrize("name", PRIVATE)
def test_visitors_log_in_first_and_come_back(client, name):
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].endswith(f"?next={reverse(name)}")


@pytest.mark.parametrize("name", ["switch_role"])
def test_what_changes_something_is_not_a_link(client, name):
    client.force_login(make_member())
    assert client.get(reverse(name)).status_code == 405


@pytest.mark.parametrize(
    "name",
    [*HELP, *PRIVATE, "manager_list", "ops_organizations", "ops_managers"],
)
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_keeps_the_promises_of_the_frame(client, name, language):
    client.force_login(make_operator(name="Operator"))
    speak(client, language)
    response = client.get(reverse(name))
    page = response.content.decode()

    assert response.status_code == 200
    assert page.count("<h1") == 1
    assert '<a class="kq-skip" href="#main">' in page
    assert f'<html lang="{language}"' in page
    # The content security policy allows none of these.
    assert " style=" not in page
    assert not re.search(r"\son[a-z]+=", page)
    assert "hx-on" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    # Every control has a name: a label for each field that is not hidden.
    for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", page):
        if 'type="hidden"' in control:
            continue
        [found] = re.findall(r'\bid="([^"]+)"', control)
        assert f'for="{found}"' in page, control
