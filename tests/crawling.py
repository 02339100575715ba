"""A reader that follows every link and every searching form of the site, and looks at each page.

It knows no page by name: what a page leads to is looked at, bounded for each address pattern, so
that a list of a thousand rows costs no more than one of three.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import Resolver404, resolve
from lxml import html
from lxml.html import HtmlElement

from tests.speaking import speak

ORIGIN = "http://testserver"
# Attributes that name another element of the same page.
REFERENCES = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "list", "form")
# The least that every answer's policy says. `unsafe-inline` and `unsafe-eval` stand nowhere.
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@dataclass(frozen=True)
class Link:
    """Where a page leads: an address, perhaps with a place in it, and who says so."""

    address: str
    place: str
    source: str
    htmx: bool = False


@dataclass
class Page:
    """An answer that was looked at: its status, and the places that can be linked to."""

    status: int
    places: set[str]
    route: str


@dataclass
class Crawl:
    """One person's way through the site in one language.

    `paths` and `queries` bound how many addresses of one pattern are opened: with other arguments,
    and with other questions behind the same path.
    """

    client: Client
    language: str
    paths: int = 3
    queries: int = 4
    faults: list[str] = field(default_factory=list)
    pages: dict[tuple[str, bool], Page] = field(default_factory=dict)

    def run(self, *starts: str) -> None:
        """Follow everything from `starts` on; what is wrong is in `faults` afterwards."""
        speak(self.client, self.language)
        seen_paths: dict[str, set[str]] = {}
        seen_queries: Counter[str] = Counter()
        waiting = deque(Link(start, "", "the start") for start in starts)
        places: list[Link] = []
        while waiting:
            link = waiting.popleft()
            if link.place:
                places.append(link)
            if (link.address, link.htmx) in self.pages:
                continue
            path, _, query = link.address.partition("?")
            route = self._route(path, link)
            if route is None:
                continue
            known = seen_paths.setdefault(route, set())
            if path not in known and len(known) >= self.paths:
                continue
            known.add(path)
            if query:
                if seen_queries[route] >= self.queries:
                    continue
                seen_queries[route] += 1
            waiting.extend(self._open(link, route))
        for link in places:
            target = self.pages.get((link.address, link.htmx))
            if target is not None and link.place not in target.places:
                self.faults.append(f"{link.source} leads to #{link.place}, not on {link.address}")

    def routes(self) -> set[str]:
        """Return the names of the addresses that were opened."""
        return {page.route for page in self.pages.values()}

    def _route(self, path: str, link: Link) -> str | None:
        """Return what an address is called; None, with a fault, where there is nothing."""
        try:
            match = resolve(path)
        except Resolver404:
            self.faults.append(f"{link.source} leads to {path}, which is nothing")
            return None
        return match.view_name or match.route

    def _open(self, link: Link, route: str) -> list[Link]:
        headers = {"hx-request": "true"} if link.htmx else {}
        address = link.address
        for _hop in range(5):
            answer = self.client.get(address, headers=headers)
            if answer.status_code not in (301, 302, 303, 307, 308):
                break
            address = urljoin(address, answer.headers["Location"]).removeprefix(ORIGIN)
        page = Page(answer.status_code, set(), route)
        self.pages[link.address, link.htmx] = page
        if answer.status_code >= 400 or answer.status_code in (301, 302):
            self.faults.append(f"{link.source} leads to {link.address}: {answer.status_code}")
            return []
        self.faults += [f"{address} {fault}" for fault in faults_of_headers(answer)]
        if answer.streaming or not answer.headers.get("Content-Type", "").startswith("text/html"):
            return []
        text = answer.content.decode()
        if not text.strip():
            return []
        whole = "<html" in text
        document = (
            html.document_fromstring(text)
            if whole
            else html.fragment_fromstring(text, create_parent="div")
        )
        self.faults += [
            f"{address} {fault}" for fault in faults_of(document, self.language, whole=whole)
        ]
        page.places = {str(one) for one in document.xpath("//@id")} | {"", "top"}
        return list(links_of(document, address))


# --- Where a page leads ---------------------------------------------------------------------------


def links_of(document: HtmlElement, address: str) -> Iterator[Link]:
    """Yield the links, the fragments that scripts fetch, and what forms that search can ask."""
    for element in document.xpath("//a[@href]"):
        yield from _link(element.get("href"), address)
    for element in document.xpath("//*[@hx-get]"):
        # What a script asks for at a place of the page; a form's fields go with it.
        for link in _link(element.get("hx-get"), address):
            if element.tag != "form":
                yield Link(link.address, "", link.source, htmx=True)
    for form in document.xpath("//form[not(@method) or translate(@method,'GET','get')='get']"):
        action = form.get("action") or address.partition("?")[0]
        for query in _questions(form):
            yield from _link(f"{action.partition('?')[0]}?{urlencode(query)}", address)


def _link(target: str, source: str) -> Iterator[Link]:
    parts = urlsplit(urljoin(f"{ORIGIN}{source}", target.strip()))
    if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != ORIGIN:
        return
    address = parts.path + (f"?{parts.query}" if parts.query else "")
    yield Link(address, parts.fragment, source)


def _questions(form: HtmlElement) -> Iterator[list[tuple[str, str]]]:
    """Yield what a form asks as it stands, then with each of its choices made alone."""
    standing = [(name, value) for name, value in form.form_values() if isinstance(value, str)]
    yield standing
    for element in form.xpath(".//select[@name]/option | .//input[@name]"):
        if element.tag == "option":
            name, value = element.xpath("ancestor::select/@name")[0], element.get("value", "")
        elif element.get("type") in ("checkbox", "radio"):
            name, value = element.get("name"), element.get("value", "on")
        else:
            continue
        if value:
            yield [*(pair for pair in standing if pair[0] != name), (name, value)]


# --- What is wrong with it ------------------------------------------------------------------------


def faults_of_headers(answer: Any) -> Iterator[str]:
    policy = answer.headers.get("Content-Security-Policy", "")
    stated = {
        name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))
    }
    for name, value in POLICY.items():
        if stated.get(name) != value:
            yield f"has the policy {name} {stated.get(name)}"
    if "unsafe" in policy:
        yield "has an unsafe policy"


def faults_of(document: HtmlElement, language: str, *, whole: bool = True) -> Iterator[str]:
    """Yield what no page of ours may have, in words. `whole`: it is no fragment of a page."""
    if whole:
        yield from _faults_of_frame(document, language)
    ids = [str(one) for one in document.xpath("//@id")]
    for name in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"gives the id {name} twice"
    known = set(ids)
    if whole:
        for attribute in REFERENCES:
            for value in document.xpath(f"//@{attribute}"):
                for name in str(value).split():
                    if name not in known:
                        yield f"names #{name} in {attribute}, which is not there"
    for element in document.xpath("//style | //*[@style] | //script[not(@src)]"):
        if element.get("type") not in ("application/json", "application/ld+json"):
            yield f"holds something inline: {_shown(element)}"
    for element in document.xpath("//*[@*[starts-with(name(), 'on')]]"):
        yield f"holds a handler: {_shown(element)}"
    for element in document.xpath(
        "//a[starts-with(translate(@href,'JAVSCRIPT','javscript'), 'javascript:')]"
    ):
        yield f"holds a script in a link: {_shown(element)}"
    for element in document.xpath("//img[not(@alt)]"):
        yield f"shows a picture without words: {_shown(element)}"
    for form in document.xpath("//form[translate(@method,'POST','post')='post']"):
        if not form.xpath(".//input[@name='csrfmiddlewaretoken']"):
            yield f"has a form without protection: {_shown(form)}"
    for element in document.xpath("//a[not(@href)] | //button[not(@type) and not(ancestor::form)]"):
        if not element.get("hx-post") and not element.get("form"):
            yield f"has a control that does nothing without a script: {_shown(element)}"
    for address in document.xpath("//link/@href | //script/@src | //img/@src | //use/@href"):
        yield from _faults_of_file(str(address), known)


def _faults_of_frame(document: HtmlElement, language: str) -> Iterator[str]:
    if document.get("lang") != language:
        yield f"says that it is in {document.get('lang')}"
    if not (document.findtext(".//title") or "").strip(" ·"):
        yield "has no title"
    headings = len(document.xpath("//h1"))
    if headings != 1:
        yield f"has {headings} headings of level 1"
    if len(document.xpath("//main")) != 1:
        yield "has no main part"


def _faults_of_file(address: str, known: set[str]) -> Iterator[str]:
    parts = urlsplit(address)
    prefix = f"/{settings.STATIC_URL.strip('/')}/"
    if not address.startswith(prefix):
        if address.startswith("#") and address[1:] not in known:
            yield f"shows {address}, which is not there"
        return
    found = finders.find(parts.path.removeprefix(prefix))
    if not found:
        yield f"needs {address}, which is not there"
    elif parts.fragment and parts.fragment not in _symbols(str(found)):
        yield f"shows {address}, which the sprite does not have"


@cache
def _symbols(path: str) -> frozenset[str]:
    return frozenset(re.findall(r'\bid="([^"]+)"', Path(path).read_text("utf8")))


def _shown(element: HtmlElement) -> str:
    text: str = html.tostring(element, encoding="unicode", with_tail=False)
    return " ".join(text.split())[:140]
