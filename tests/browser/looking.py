"""What is wrong with a page as a browser shows it, and walks that keep a picture of each page."""

from __future__ import annotations

from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext, pgettext
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "var" / "test" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = 1440, 390

# Returns what is wrong with the page as it stands, one line each.
EXAMINE = """
async ([rules, part]) => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = Array.from(document.querySelectorAll("body *")).filter(
      (one) => one.getBoundingClientRect().right > root.clientWidth + 1);
    faults.push("wider than the window by " + (root.scrollWidth - root.clientWidth) + " px: "
      + wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).join(" | "));
  }
  const headings = document.querySelectorAll("h1").length;
  if (headings !== 1) faults.push(headings + " headings of level 1");
  const ids = Array.from(document.querySelectorAll("[id]"), (one) => one.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  if (twice.length) faults.push("ids given twice: " + twice.join(", "));
  if (!rules.length) return faults;
  const found = await axe.run(part, {
    runOnly: { type: "tag", values: rules }, resultTypes: ["violations"], preload: false,
  });
  for (const violation of found.violations) {
    for (const node of violation.nodes) {
      faults.push(violation.id + ": " + node.html.slice(0, 160) + " (" +
        node.failureSummary.split("\\n").slice(1).join(" ").trim().slice(0, 200) + ")");
    }
  }
  return faults;
}
"""
# Filters and long texts; the menu covers what is below it, and is looked at alone.
UNFOLD = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
MENU = "details.kq-menu:visible > summary"
# There nothing is half covered by a bar that sticks; what it covers elsewhere can be scrolled to.
TO_ITS_END = "window.scrollTo(0, document.body.scrollHeight)"


def examine(page: Page, language: str) -> list[str]:
    """Look at a page wide, then narrow with everything unfolded.

    The rules are the same in both languages, and slow: in English they are asked once a page.
    """
    faults = []
    for width, rules in ((WIDE, RULES if language == "zh-hans" else []), (NARROW, RULES)):
        page.set_viewport_size({"width": width, "height": 900})
        if width == NARROW:
            page.evaluate(UNFOLD)
            page.evaluate(TO_ITS_END)
        faults += [f"{width} px: {fault}" for fault in page.evaluate(EXAMINE, [rules, "body"])]
    return faults


def examine_menu(page: Page) -> list[str]:
    """Look at the narrow page's menu, which holds what the wide page's top bar does."""
    page.locator(MENU).click()
    return [f"menu: {fault}" for fault in page.evaluate(EXAMINE, [RULES, ".kq-head"])]


class Walk:
    """One role's way through pages in one language and width: each page it names is looked at.

    `faults` holds what was wrong on the way; a picture of every page is kept in `SCREENSHOTS`.
    """

    def __init__(self, page: Page, role: str, language: str, width: int) -> None:
        self.page, self.role, self.language, self.width = page, role, language, width
        self.faults: list[str] = []
        self._seen = 0
        page.add_init_script(path=AXE)

    def say(self, text: str, context: str = "") -> str:
        """Return a text of the site as it stands there in this language."""
        with translation.override(self.language):
            return pgettext(context, text) if context else gettext(text)

    def go(self, path: str, name: str) -> None:
        response = self.page.goto(path)
        if response is None or response.status != 200:
            self.faults.append(f"{path} answered {response and response.status}")
        self.look(name)

    def look(self, name: str) -> None:
        """Examine the page as it stands and keep a picture of it."""
        self._seen += 1
        language = "zh" if self.language == "zh-hans" else self.language
        picture = f"{self.role}-{language}-{self.width}-{self._seen:02}-{name}.png"
        self.page.screenshot(path=SCREENSHOTS / picture, full_page=True)
        self.page.evaluate(TO_ITS_END)
        found = self.page.evaluate(EXAMINE, [RULES, "body"])
        self.page.evaluate("window.scrollTo(0, 0)")
        if self.page.locator("html").get_attribute("lang") != self.language:
            found.append("is in another language")
        self.faults += [f"{picture}: {fault}" for fault in found]

    def menu(self, path: str) -> None:
        """Follow the top bar's link to a path: behind the menu where the window is narrow."""
        bar = self.page.get_by_role("banner")
        if self.width < WIDE:
            self.page.locator(MENU).click()
        bar.locator(f'a[href="{path}"]:visible').first.click()
        self.page.wait_for_url(lambda url: path in url)

    def click(self, text: str, role: str = "button") -> None:
        self.page.get_by_role("main").get_by_role(role, name=self.say(text)).first.click()

    def tab_to(self, target: Locator) -> None:
        """Press Tab until `target` has the focus, as who uses no mouse does."""
        for _press in range(250):
            if target.evaluate("one => one === document.activeElement"):
                expect(target).to_be_in_viewport()
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{target} cannot be reached by the Tab key")

    def finish(self) -> None:
        assert not self.faults, "\n".join(dict.fromkeys(self.faults))
