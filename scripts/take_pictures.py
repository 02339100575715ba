"""Make the README's pictures anew, from a running site with the demo data.

    make run PORT=8000                          # in another terminal
    .venv/bin/python scripts/take_pictures.py   # or --site http://127.0.0.1:8080

Writes docs/images/{home,review,dashboard}.{zh,en}.png: the front page as a visitor sees it, the
first match on a manager's desk, and the operator's dashboard.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PASSWORD = "keqiao-demo-2026"
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
WIDTH, HEIGHT = 1440, 850


def home(page: Page, language: str) -> None:
    page.goto("/")


def review(page: Page, language: str) -> None:
    log_in(page, "manager1", language)
    page.goto("/workbench/")
    page.locator("main a[href*='/review/']").first.click()
    # Taking it on shows both names, so that the whole page can be seen; the names are invented.
    take_on = page.locator("main [data-key=KeyA]")
    page.wait_for_load_state("networkidle")
    if take_on.count() and take_on.first.evaluate("one => one.tagName") == "BUTTON":
        take_on.first.click()
        page.locator("#id_no_interest").wait_for()


def dashboard(page: Page, language: str) -> None:
    log_in(page, "operator", language)
    page.goto("/dashboard/")
    page.wait_for_timeout(1_000)


PICTURES: dict[str, Callable[[Page, str], None]] = {
    "home": home,
    "review": review,
    "dashboard": dashboard,
}


def log_in(page: Page, name: str, language: str) -> None:
    """Log in, and switch to the language: the account keeps the one it had."""
    page.goto("/account/login/")
    page.locator("input[name=login]").fill(f"{name}@demo.keqiao.example")
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button.btn-primary").click()
    page.wait_for_url(lambda url: "login" not in url)
    if not str(page.locator("html").get_attribute("lang")).startswith(language):
        page.locator("header details.kq-menu > summary").click()
        page.locator("header form[action*=setlang] button:visible").click()
        page.locator(f"html[lang^={language}]").wait_for(state="attached")


def take(browser: Browser, site: str, name: str, language: str) -> Path:
    context = browser.new_context(
        base_url=site,
        locale=LOCALES[language],
        viewport={"width": WIDTH, "height": HEIGHT},
        reduced_motion="reduce",
    )
    page = context.new_page()
    PICTURES[name](page, language)
    page.wait_for_load_state("networkidle")
    path = FOLDER / f"{name}.{language}.png"
    page.screenshot(path=path)
    context.close()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--site", default="http://127.0.0.1:8000")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for name in PICTURES:
            for language in LOCALES:
                path = take(browser, options.site, name, language)
                print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
