"""A browser for people of the tests, and an eye on everything that goes wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from accounts.models import User
from tests.browser.looking import SCREENSHOTS

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
HOW_TO_INSTALL = (
    f"These tests need a browser, and {CHROMIUM} is not there. On Debian or Ubuntu: "
    "apt-get install chromium fonts-noto-cjk. Elsewhere name one: CHROMIUM=/path/to/chromium."
)
# Milliseconds. Generous: the machine may be busy with the other half of the tests.
PATIENCE = 30_000
LOCALES = {"zh-hans": "zh-CN", "en": "en-GB"}

# Violations are events that a page alone hears; the console says them to the test.
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", function (event) {
  console.error("Content security policy: " + event.violatedDirective + " refused "
    + event.blockedURI + " at " + event.sourceFile + ":" + event.lineNumber);
});
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.fail(HOW_TO_INSTALL, pytrace=False)
    with pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, where Django refuses its database. No
        # coroutine runs in it while a test asks the database: the two take turns.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            expect.set_options(timeout=PATIENCE)
            chromium = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            yield chromium
            chromium.close()


@pytest.fixture(scope="package")
def screenshots() -> None:
    """Empty the folder that the walks keep their pictures in."""
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    SCREENSHOTS.mkdir(parents=True)


class Faults(list[str]):
    """What a page must not do: fail in a script, break the policy, miss a file."""

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(TELL_VIOLATIONS)
        context.on("weberror", lambda error: self.append(f"script: {error.error}"))
        context.on("console", lambda message: self._hear(message.type, message.text))
        context.on("response", self._look)

    def _hear(self, kind: str, text: str) -> None:
        # A page that answers 404 is told here too; `_look` knows whether that was a page.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.append(f"console: {text}")

    def _look(self, response: Response) -> None:
        is_page = response.request.resource_type == "document"
        if response.status == 401 and response.request.method == "POST":
            # A draft that saves itself a moment after its session has ended: the page says so.
            return
        if response.status in (409, 422) and response.request.method == "POST":
            # A form that a script has sent was refused with a sentence: the page shows it.
            return
        if response.status >= (500 if is_page else 400):
            self.append(f"{response.status}: {response.url}")


class Traffic:
    """What a window has asked for and not got yet.

    A page may fetch something that its test does not wait for. The server would answer it from a
    database that is being emptied for the next test.
    """

    def __init__(self) -> None:
        self.open: set[Request] = set()

    def watch(self, context: BrowserContext) -> None:
        # Playwright looks at a handler's signature, which a built-in function does not have.
        context.on("request", lambda request: self.open.add(request))
        context.on("requestfinished", lambda request: self.open.discard(request))
        context.on("requestfailed", lambda request: self.open.discard(request))

    def wait(self, context: BrowserContext) -> None:
        """Let a window's requests end; give up after `PATIENCE`."""
        for _step in range(PATIENCE // 50):
            pages = context.pages
            if not self.open or not pages:
                return
            pages[0].wait_for_timeout(50)


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, live_server) -> Iterator[Visit]:
    """Return a function that opens a browser window of one person's own.

    At the end of the test nothing may have gone wrong in any of them.
    """
    faults = Faults()
    contexts: list[tuple[BrowserContext, Traffic]] = []

    def open_window(
        user: User | None = None,
        *,
        language: str = "zh-hans",
        javascript: bool = True,
        width: int = 1440,
    ) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            locale=LOCALES[language],
            java_script_enabled=javascript,
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE)
        traffic = Traffic()
        contexts.append((context, traffic))
        faults.watch(context)
        traffic.watch(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            User.objects.filter(pk=user.pk).update(language=language)
            name = settings.SESSION_COOKIE_NAME
            context.add_cookies(
                [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
            )
        return context.new_page()

    yield open_window
    for context, traffic in contexts:
        traffic.wait(context)
        context.close()
    assert not faults, "\n".join(faults)
