"""A manager's filters under names of their own."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from matchmaking.models import SavedView
from matchmaking.views.workbench import MOST_VIEWS
from tests.factories import make_manager, make_member, make_review

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client: Client) -> User:
    user = make_manager()
    client.force_login(user)
    return user


def save(client: Client, **data: str) -> str:
    response = client.post(reverse("view_save"), data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_the_shown_filter_is_saved_opened_and_deleted(client, manager):
    make_review(manager=manager)
    html = client.get(f"{reverse('workbench')}?show=new&industry=C").content.decode()
    assert 'value="show=new&amp;industry=C"' in html

    html = save(client, name="制造业新单", query="show=new&industry=C")

    assert "已保存为“制造业新单”" in html
    view = SavedView.objects.get()
    assert (view.user, view.name, view.query) == (manager, "制造业新单", "show=new&industry=C")
    assert 'href="?show=new&amp;industry=C" aria-current="true"' in html
    # It is there already, so it is not offered again.
    assert 'name="name"' not in html
    client.post(reverse("view_delete", args=[view.pk]))
    assert not SavedView.objects.exists()


def test_a_name_that_exists_stands_for_the_new_filter(client, manager):
    save(client, name="急", query="show=due")
    save(client, name=" 急 ", query="show=held")

    assert SavedView.objects.get().query == "show=held"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "", "query": "show=due"}, "错误"),
        ({"name": "长" * 41, "query": "show=due"}, "错误"),
        ({"name": "全部", "query": ""}, "请先选择筛选条件"),
        ({"name": "全部", "query": "show=nonsense&page=3&next=//evil.example"}, "请先选择筛选条件"),
    ],
)
def test_a_view_without_a_name_or_a_filter_is_refused(client, manager, data, said):
    html = save(client, **data)

    assert 'role="alert"' in html
    if said != "错误":
        assert said in html
    assert not SavedView.objects.exists()


def test_only_filters_are_kept_of_an_address(client, manager):
    save(client, name="急", query="page=7&show=due&evil=<script>&industry=ZZZ")

    assert SavedView.objects.get().query == "show=due"


def test_there_is_an_end_to_the_number_of_views(client, manager):
    SavedView.objects.bulk_create(
        SavedView(user=manager, name=f"v{number}", query="show=due") for number in range(MOST_VIEWS)
    )

    html = save(client, name="more", query="show=held")

    assert "请先删除一个" in html
    assert SavedView.objects.count() == MOST_VIEWS
    # A known name may still change.
    save(client, name="v3", query="show=held")
    assert SavedView.objects.get(name="v3").query == "show=held"


def test_the_views_of_others_are_neither_seen_nor_deleted(client, manager):
    other = SavedView.objects.create(user=make_manager(), name="秘密视图", query="show=due")

    assert "秘密视图" not in client.get(reverse("workbench")).content.decode()
    assert client.post(reverse("view_delete", args=[other.pk])).status_code == 404
    assert SavedView.objects.count() == 1


def test_a_name_is_text_and_nothing_else(client, manager):
    html = save(client, name="<b onclick=x>", query="show=due")

    assert "<b onclick" not in html


@pytest.mark.parametrize("name", ["view_save", "view_delete"])
def test_views_are_for_managers_and_by_post_alone(client, manager, name):
    args = [1] if name == "view_delete" else []
    assert client.get(reverse(name, args=args)).status_code == 405
    client.force_login(make_member())
    assert client.post(reverse(name, args=args), {"name": "a"}).status_code == 403
