"""What a dashboard looks at: a span of days, a province, an industry. Read from an address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.utils import timezone

from accounts.regions import regions
from catalog.industries import industries

# Days of each period; "year" begins on New Year's Day, "custom" is given by its two ends.
DAYS = {"30": 30, "90": 90, "365": 365}
PERIODS = (*DAYS, "year")
CUSTOM = "custom"
DEFAULT = "90"
# Years that a date may name: the working days of others are nobody's business.
FIRST_DAY, LAST_DAY = dt.date(2004, 1, 1), dt.date(2099, 12, 31)


@dataclass(frozen=True)
class Scope:
    """Days from `since` to `until`, both included; a province and an industry, "" for all.

    `region` has the two digits of a province (GB/T 2260), `industry` is a section letter or a
    division of GB/T 4754. It narrows to demands of that place and industry, or to whatever else a
    figure counts; an organization has no industry, and a manager those that they know.
    """

    period: str
    since: dt.date
    until: dt.date
    region: str = ""
    industry: str = ""

    @classmethod
    def of(cls, period: str = DEFAULT, *, region: str = "", industry: str = "") -> Scope:
        """Return one of the named periods, which end today."""
        today = timezone.localdate()
        if period == "year":
            since = today.replace(month=1, day=1)
        else:
            since = today - dt.timedelta(days=DAYS[period] - 1)
        return cls(period, since, today, region, industry)

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Scope:
        """Read an address' query. What makes no sense is as if it was not there; never raises."""
        region = _province(query.get("region", ""))
        industry = _industry(query.get("industry", ""))
        period = query.get("period", "")
        if period in PERIODS:
            return cls.of(period, region=region, industry=industry)
        since, until = _date(query.get("from", "")), _date(query.get("to", ""))
        usual = cls.of(DEFAULT, region=region, industry=industry)
        if since is None and until is None:
            return usual
        if until is None:
            assert since is not None
            until = max(since, usual.until)
        if since is None:
            since = max(FIRST_DAY, until - dt.timedelta(days=DAYS[DEFAULT] - 1))
        if since > until:
            return usual
        return cls(CUSTOM, since, until, region, industry)

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    def before(self) -> Scope:
        """Return the span to compare with: as many days right before; of a year, the year before
        up to the same day."""
        if self.period == "year":
            return replace(
                self,
                period=CUSTOM,
                since=self.since.replace(year=self.since.year - 1),
                until=_a_year_before(self.until),
            )
        until = self.since - dt.timedelta(days=1)
        return replace(
            self, period=CUSTOM, since=until - dt.timedelta(days=self.days - 1), until=until
        )

    def query(self, **changes: str) -> str:
        """Return the address' query that `read` makes this of, with changes by parameter; a
        parameter that is changed to "" is left out."""
        values = {"period": self.period}
        if self.period == CUSTOM:
            values |= {"from": self.since.isoformat(), "to": self.until.isoformat()}
        values |= {"region": self.region, "industry": self.industry, **changes}
        if values["period"] != CUSTOM:
            values.pop("from", None)
            values.pop("to", None)
        return urlencode({name: value for name, value in values.items() if value})


def _province(text: str) -> str:
    """Return two digits of a code of two, four or six that is known, else ""."""
    code = text.strip()
    known = code.isascii() and code.isdigit() and len(code) in (2, 4, 6)
    return code[:2] if known and f"{code[:2]}0000" in regions() else ""


def _industry(text: str) -> str:
    """Return the section or division that a class belongs to, "" for one that is not known."""
    code = text.strip().upper()
    return code[:3] if code in industries() else ""


def _date(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def _a_year_before(day: dt.date) -> dt.date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year - 1, day=28)
