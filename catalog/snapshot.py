"""The live listings in memory of this process, and how they are kept up with the database.

Each web process holds the columns of both lists, some 150 bytes a listing. Once in
`LISTINGS_REFRESH_SECONDS` a request asks the database, by an index, what has changed lately,
and takes it in; what is still missed (a row deleted, a transaction that took longer than the
overlap) is healed by reading everything anew, in the background, every quarter of an hour. So
counts may be a second old; rows never are, for they come from the database.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from numpy.typing import NDArray

from catalog.columns import Columns, microseconds, read_columns, still_valid
from catalog.models import Achievement, Demand, Listing
from catalog.workflow import ListingStatus

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)

MODELS: dict[str, type[Listing]] = {"demand": Demand, "achievement": Achievement}
# What was written this long before the last look is looked at again: clocks of two machines
# differ, and a row is seen when its transaction ends, not when it was written.
OVERLAP = dt.timedelta(seconds=60)
# Everything is read anew after this many seconds.
RENEW_SECONDS = 900.0
# Counts of so many different filters are remembered until the next change.
REMEMBERED = 500


@dataclass
class Live:
    """The live listings of one kind on one day, newest first. Not changed once made."""

    columns: Columns
    day: dt.date
    _memory: dict[Any, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """Return what changes whenever a listing comes, goes or is changed."""
        updated = self.columns["updated"]
        return f"{len(updated)}:{int(updated.max(initial=0))}:{self.day}"

    def remembered(self, key: Any, make: Callable[[], Answer]) -> Answer:
        """Return what was made for this key before, or make it."""
        known = self._memory.get(key)
        if known is None:
            if len(self._memory) >= REMEMBERED:
                self._memory.clear()
            known = self._memory[key] = make()
        answer: Answer = known
        return answer


@dataclass
class Snapshot:
    """The published listings of one kind at one moment, newest first. Not changed once made."""

    columns: Columns
    _live: Live | None = None

    def live(self, day: dt.date) -> Live:
        """Return those that are not past their last day."""
        live = self._live
        if live is None or live.day != day:
            valid = still_valid(self.columns, day)
            columns = self.columns if valid.all() else self.columns.take(valid)
            live = self._live = Live(columns, day)
        return live


class Keeper:
    """Keeps the snapshot of one list. All threads of a process share it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._lock = threading.Lock()
        self._current: Snapshot | None = None
        self._looked_at = dt.datetime.min
        self._checked = self._renewed = 0.0
        self._renewing = False

    def current(self) -> Snapshot:
        """Return the snapshot, brought up to date where it is time to look.

        Who comes while another thread looks gets what is there; the first of all has to wait.
        """
        now = time.monotonic()
        snapshot = self._current
        if snapshot is not None and now - self._checked < settings.LISTINGS_REFRESH_SECONDS:
            return snapshot
        if not self._lock.acquire(blocking=snapshot is None):
            assert snapshot is not None
            return snapshot
        try:
            if self._current is None:
                self._read_all()
            else:
                self._catch_up(self._current)
            self._checked = time.monotonic()
            assert self._current is not None
            snapshot = self._current
        finally:
            self._lock.release()
        if self._checked - self._renewed > RENEW_SECONDS:
            self._renew_behind()
        return snapshot

    def forget(self, pks: Collection[int]) -> None:
        """Leave out rows that turned out not to be live any more."""
        with self._lock:
            if self._current is not None:
                gone = np.isin(self._current.columns["pk"], np.fromiter(pks, dtype=np.int64))
                if gone.any():
                    self._current = Snapshot(self._current.columns.take(~gone))

    def clear(self) -> None:
        """Forget everything: the next reader reads it all."""
        with self._lock:
            self._current = None

    def _read_all(self) -> None:
        began, start = timezone.now(), time.monotonic()
        # The order of the list, so that nothing has to be sorted.
        columns = read_columns(self._published().order_by("-published_at", "-pk"))
        self._current, self._looked_at = Snapshot(columns), began
        self._renewed = time.monotonic()
        if (seconds := self._renewed - start) > 1:
            logger.info("%s listings read in %.1f s (%s).", len(columns), seconds, self.kind)

    def _published(self) -> Any:
        return MODELS[self.kind].objects.filter(status=ListingStatus.PUBLISHED)

    def _catch_up(self, snapshot: Snapshot) -> None:
        began = timezone.now()
        changed = list(
            MODELS[self.kind]
            .objects.filter(updated_at__gte=self._looked_at - OVERLAP, published_at__isnull=False)
            .order_by()
            .values_list("pk", "updated_at", "status")
        )
        columns = snapshot.columns
        known = dict(zip(*self._known(columns, [pk for pk, *_ in changed]), strict=True))
        arrived = [
            pk
            for pk, updated, status in changed
            if status == ListingStatus.PUBLISHED and known.get(pk) != microseconds(updated)
        ]
        left = [
            pk for pk, _, status in changed if status != ListingStatus.PUBLISHED and pk in known
        ]
        if arrived or left:
            fresh = read_columns(self._published().filter(pk__in=arrived))
            gone = np.array([*arrived, *left], dtype=np.int64)
            self._current = Snapshot(columns.merged(fresh, gone))
        self._looked_at = began

    @staticmethod
    def _known(columns: Columns, pks: list[int]) -> tuple[list[int], list[int]]:
        places: NDArray[np.int64] = columns.places(pks)
        return columns["pk"][places].tolist(), columns["updated"][places].tolist()

    def _renew_behind(self) -> None:
        """Read everything anew in a thread of its own, while readers go on with what is there."""
        if self._renewing:
            return
        self._renewing = True
        threading.Thread(target=self._renew, name=f"renew {self.kind}s", daemon=True).start()

    def _renew(self) -> None:
        other = Keeper(self.kind)
        try:
            other._read_all()
            with self._lock:
                # What happened meanwhile is caught up with from the moment the reading began.
                self._current, self._looked_at = other._current, other._looked_at
                self._renewed = time.monotonic()
        except DatabaseError as error:
            logger.warning("The listings could not be read anew: %s", error)
            self._renewed = time.monotonic()
        finally:
            connection.close()
            self._renewing = False


_keepers = {kind: Keeper(kind) for kind in MODELS}


def live(kind: str) -> Live:
    """Return the live listings of `kind` ("demand" or "achievement") as columns."""
    return _keepers[kind].current().live(timezone.localdate())


def forget(kind: str, pks: Collection[int]) -> None:
    _keepers[kind].forget(pks)


def clear() -> None:
    """Forget both lists, in this process."""
    for keeper in _keepers.values():
        keeper.clear()


def warm() -> None:
    """Read both lists before the first request, for the processes that are forked from this one.

    Each of them goes on from here, and asks only for what has changed since.
    """
    try:
        for keeper in _keepers.values():
            keeper.current()
    except DatabaseError as error:
        # The site starts all the same, and says what is wrong with it.
        logger.warning("The lists could not be read yet: %s", error)
    finally:
        connection.close()
