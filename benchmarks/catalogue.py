"""A seeded catalogue of any size for benchmarks: achievements with words and clustered vectors.

Rows are written by binary COPY, past the ORM and without the model: 100,000 of them in a minute or
two. Words are those of the class lists, spread as words are (a few in half of all texts, most in a
handful). Vectors have the shape that those of multilingual-e5-small have for titles and abstracts:
strangers at a cosine of 0.87, what is left without the mean 0.37 long and spread over its
dimensions as 1 / (n + 3), a third of it the field's; a tenth of the listings are English.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED = 20261122
REGIONS, INDUSTRIES, FIELDS = 30, 20, 200
# Of a vector's squared length: what all of a language have in common. Of the rest: the field's
# part, and of what is left then, what the windows of one listing share.
COMMON, OF_FIELD, OF_LISTING = 0.865, 0.35, 0.6
ENGLISH = 0.1
# Words of a text; those of its public part; window 0 is public, window 1 for members.
WORDS, PUBLIC_WORDS, WINDOWS = 48, 16, 2
OWNERS = 500
INDICATORS = (
    '[{"name": "圆度偏差", "op": "le", "value": "%s", "high": "", "unit": "mm", "hard": true},'
    ' {"name": "硬度", "op": "ge", "value": "%s", "high": "", "unit": "HRC", "hard": false}]'
)


def vocabulary() -> list[str]:
    """Return words that are cut as one, from the names of industries and patent classes."""
    from catalog.classes import class_name
    from catalog.industries import industries
    from catalog.words import words

    texts = [*industries().values()]
    for first in "ABCDEFGH":
        for number in range(1, 100):
            for last in "ABCDEFGHJKLMNPQRS":
                code = f"{first}{number:02d}{last}"
                if name := class_name("ipc", code, "zh"):
                    texts += [name, class_name("ipc", code, "en")]
    found = dict.fromkeys(word for text in texts for word in words(text) if len(word) > 1)
    return [word for word in found if words(word) == [word] and not word.isdigit()]


class Shape:
    """Where the vectors of a catalogue lie."""

    def __init__(self, dimension: int) -> None:
        chance = np.random.default_rng(SEED)
        spread = 1 / (np.arange(dimension) + 3.0)
        self.scale = np.sqrt(spread / spread.sum()).astype(np.float32)
        turned, _ = np.linalg.qr(chance.standard_normal((dimension, dimension)))
        self.turned = turned.astype(np.float32)
        common = chance.standard_normal((2, dimension))
        chinese = _unit(common[0])
        # Means of the two languages have a cosine of 0.94.
        self.common = np.stack([chinese, _unit(chinese + 0.36 * _unit(common[1]))])
        self.centres = self.noise(chance, FIELDS)

    def noise(self, chance: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Return rows of length 1 in the mean."""
        size = (count, len(self.scale))
        drawn = chance.standard_normal(size, dtype=np.float32)
        rows: NDArray[np.float32] = (drawn * self.scale) @ self.turned.T
        return rows

    def vectors(
        self, fields: NDArray[Any], languages: NDArray[Any], own: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return unit vectors of texts; `own`: what each says beyond its field."""
        said = OF_FIELD**0.5 * self.centres[fields] + (1 - OF_FIELD) ** 0.5 * own
        return _unit(COMMON**0.5 * self.common[languages] + (1 - COMMON) ** 0.5 * said)

    def mean(self, language: int) -> NDArray[np.float32]:
        """Return about the mean vector of a language."""
        chance = np.random.default_rng(SEED + 1)
        count = 4_000
        fields = chance.integers(0, FIELDS, count)
        languages = np.full(count, language)
        mean: NDArray[np.float32] = self.vectors(fields, languages, self.noise(chance, count)).mean(
            axis=0
        )
        return mean


class Catalogue:
    """`count` achievements, made the same at each run. Call `write` once, on an empty database.

    With `words` false there are vectors alone: see `write_vectors`.
    """

    def __init__(
        self,
        count: int,
        say: Callable[[str], None] = print,
        *,
        words: bool = True,
        windows: int = WINDOWS,
    ) -> None:
        self.count, self.say, self.windows = count, say, windows
        self.chance = np.random.default_rng(SEED)
        from django.conf import settings

        from accounts.regions import province_choices
        from catalog.industries import industries

        self.dimension = int(settings.EMBEDDING_DIMENSION)
        self.shape = Shape(self.dimension)
        self.fields = self.chance.integers(0, FIELDS, count)
        self.languages = (self.chance.random(count) < ENGLISH).astype(np.int64)
        # Industries go with the fields, regions with nothing.
        codes = [code for code in industries() if len(code) == 3][::4][:INDUSTRIES]
        self.codes = np.array(codes)[self.fields % INDUSTRIES]
        self.sections = self.codes.astype("S1")
        regions = np.array([code[:2] for code, _name in province_choices()][:REGIONS])
        self.provinces = regions[self.chance.integers(0, REGIONS, count)].astype("S2")
        if words:
            self.words = vocabulary()
            self.chance.shuffle(self.words)
            ranks = np.arange(1, len(self.words) + 1)
            share = 1 / (ranks + 8.0)
            # A third of a text's words are those of its field.
            common = self._draw(share, (count, WORDS))
            own = (
                self.fields[:, None] * 37 + self._draw(1 / np.arange(1, 61), (count, WORDS)) * 11
            ) % (len(self.words))
            self.terms = np.where(self.chance.random((count, WORDS)) < 0.33, own, common)

    def _draw(self, share: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Draw places with these shares; several times faster than `choice`."""
        ends = np.cumsum(share / share.sum())
        return np.minimum(np.searchsorted(ends, self.chance.random(shape)), len(ends) - 1)

    def question(self, number: int) -> str:
        """Return words that a reader may ask with: of one listing, some of them rare."""
        row = self.terms[(number * 7919) % self.count][:PUBLIC_WORDS]
        chosen = sorted(dict.fromkeys(row.tolist()))[-3 - number % 3 :]
        return " ".join(self.words[place] for place in chosen)

    def vector(self, number: int) -> NDArray[np.float32]:
        """Return a question's vector, in the field of one listing."""
        chance = np.random.default_rng([SEED, number])
        field = self.fields[[(number * 7919) % self.count]]
        chinese = np.zeros(1, dtype=np.int64)
        [vector] = self.shape.vectors(field, chinese, self.shape.noise(chance, 1))
        return np.asarray(vector, dtype=np.float32)

    # --- Writing --------------------------------------------------------------------------------

    def write(self, name: str = "bench", revision: str = "1", *, vacuum: bool = True) -> int:
        """Write owners, listings, word index, vectors and counts. Return the model's key."""
        from django.db import connection

        model = self._model(name, revision)
        with connection.cursor() as cursor:
            self._owners()
            self._listings(cursor)
            self.say("listings written")
            self._index(cursor, model)
            self.say("word index written")
            self._vectors(cursor, model)
            self.say("vectors written")
            self._statistics(cursor, model)
            if vacuum:  # not inside a transaction
                cursor.execute("VACUUM ANALYZE")
                self._prepare(model)
        return model

    def write_vectors(self, name: str = "bench", revision: str = "1") -> int:
        """Write the model, the windows and centres, and no listings. Return the model's key.

        For what only the vector index is asked: a million listings with their words would take
        20 GB. Not inside a transaction; the role must be a superuser, for foreign keys are not
        checked.
        """
        from django.db import connection

        model = self._model(name, revision)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            self._vectors(cursor, model)
            cursor.execute("RESET session_replication_role")
            self.say("vectors written")
            self._centres(model)
            cursor.execute("VACUUM ANALYZE matchmaking_achievementvector")
            self._prepare(model)
        return model

    def _model(self, name: str, revision: str) -> int:
        from django.utils import timezone

        from matchmaking.models import EmbeddingModel

        return EmbeddingModel.objects.create(
            name=name,
            revision=revision,
            dimension=self.dimension,
            state="current",
            switched_at=timezone.now(),
        ).pk

    def _prepare(self, model: int) -> None:
        from matchmaking.retrieval.vectors import vector_index

        began = time.monotonic()
        vector_index("achievement", model).prepare()
        self.built_in = time.monotonic() - began
        self.say(f"vector index built in {self.built_in:.0f} s")

    def _owners(self) -> None:
        from accounts.models import Organization

        Organization.objects.bulk_create(
            Organization(
                name=f"测试大学{number}",
                kind="university" if number % 5 else "institute",
                credit_code=f"bench{number:013d}",
                region=f"{11 + number % 30}0100",
                size="large",
                field="材料方向",
                contact_name="-",
                contact_phone="-",
                contact_email="bench@example.org",
                status="verified",
            )
            for number in range(OWNERS)
        )

    def _listings(self, cursor: Any) -> None:
        from django.db.models import JSONField

        from accounts.models import Organization
        from catalog.classes import class_name
        from catalog.models import Achievement, CooperationMode

        owners = list(Organization.objects.values_list("pk", flat=True))
        provinces = self.provinces.astype(str).tolist()
        patents = [
            f"{top}{number:02d}{last}"
            for top in "ABCDEFGH"
            for number in range(1, 64)
            for last in "BCDG"
            if class_name("ipc", f"{top}{number:02d}{last}", "zh")
        ][:150]
        modes = CooperationMode.values
        now = dt.datetime.now(dt.UTC)
        empty = Achievement(title="")
        fields = [field for field in Achievement._meta.concrete_fields if field.name != "id"]
        fixed = {
            field.column: json.dumps(getattr(empty, field.attname))
            if isinstance(field, JSONField)
            else _text(getattr(empty, field.attname))
            for field in fields
        }
        names = [field.column for field in fields]
        pick = self.chance.integers(0, 1 << 30, (self.count, 8))
        columns = ", ".join(f'"{name}"' for name in ("id", *names))
        with cursor.copy(f"COPY catalog_achievement ({columns}) FROM STDIN") as copy:
            for number in range(self.count):
                chance = pick[number].tolist()
                said = [self.words[place] for place in self.terms[number][:PUBLIC_WORDS]]
                field = int(self.fields[number])
                published = now - dt.timedelta(minutes=5 * number + 10)
                high = chance[0] % 900 * 10_000
                row = fixed | {
                    "owner_id": str(owners[number % OWNERS]),
                    "title": " ".join(said[:4]),
                    "summary": "，".join(said) + "。",
                    "body": "。".join(said) * 4,
                    "indicators": INDICATORS % (chance[3] % 90 / 100, 40 + chance[4] % 25),
                    "industry": str(self.codes[number]),
                    "region": f"{provinces[number]}0100",
                    "language": "en" if self.languages[number] else "zh",
                    "keywords": _array(said[:3]),
                    "modes": _array([modes[chance[2] % 7], modes[chance[2] % 5]]),
                    "trl": str(chance[3] % 9 + 1) if chance[3] % 10 else "\\N",
                    "money_min": str(high // 2) if chance[4] % 3 else "\\N",
                    "money_max": str(high) if chance[4] % 3 else "\\N",
                    "valid_until": (now + dt.timedelta(days=30 + chance[5] % 300))
                    .date()
                    .isoformat(),
                    "ipc": _array([patents[field % 150], patents[chance[6] % 150]]),
                    "emerging": _array([f"{field % 9 + 1}.{chance[7] % 3 + 1}"]),
                    "disclosure": '{"trl": "members"}' if chance[5] % 7 == 0 else "{}",
                    "status": "published",
                    "quality": str(40 + chance[6] % 60),
                    "version": "1",
                    "submitted_at": published.isoformat(),
                    "published_at": published.isoformat(),
                    "confirmed_at": (
                        published + dt.timedelta(hours=chance[7] % 400 - 200)
                    ).isoformat(),
                    "created_at": published.isoformat(),
                    "updated_at": published.isoformat(),
                }
                copy.write("\t".join([str(number + 1), *(row[name] for name in names)]) + "\n")
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('catalog_achievement', 'id'), %s)", [self.count]
        )

    def _index(self, cursor: Any, model: int) -> None:
        from matchmaking.models import TERM_DIMENSIONS
        from matchmaking.retrieval.lexical import term_id

        ids = np.array([term_id(word) for word in self.words], dtype=np.int64)
        now = dt.datetime.now(dt.UTC).isoformat()
        _check_keys(cursor)
        cursor.execute("DROP INDEX achievementindex_words")
        names = (
            "listing_id, version, digest, disclosure, terms, member_terms, public_terms,"
            " term_ids, length, problem, indexed_at, matched_version, matched_at, matched_engine,"
            " compared"
        )

        def sparse(places: NDArray[Any]) -> str:
            unique, counts = np.unique(ids[places], return_counts=True)
            weights = counts * 2.2 / (counts + 1.2)
            entries = ",".join(
                f"{term + 1}:{weight:.4g}"
                for term, weight in zip(unique.tolist(), weights.tolist(), strict=True)
            )
            return f"{{{entries}}}/{TERM_DIMENSIONS}"

        disclosed = _disclosures(cursor)
        with cursor.copy(f"COPY matchmaking_achievementindex ({names}) FROM STDIN") as copy:
            for number in range(self.count):
                row = self.terms[number]
                everything = sparse(row)
                known = "{" + ",".join(map(str, np.unique(ids[row]).tolist())) + "}"
                values = (
                    *(str(number + 1), "1", "bench", disclosed.get(number + 1, "{}")),
                    *(everything, everything, sparse(row[:PUBLIC_WORDS]), known, str(WORDS), ""),
                    *(now, "1", now, "1", "0"),
                )
                copy.write("\t".join(values) + "\n")
        _check_keys(cursor)
        cursor.execute(
            "CREATE INDEX achievementindex_words ON matchmaking_achievementindex"
            " USING gin (term_ids) WITH (fastupdate = off)"
        )
        cursor.execute(
            "INSERT INTO matchmaking_achievementencoding"
            " (listing_id, model_id, version, digest, disclosure, problem, encoded_at)"
            " SELECT listing_id, %s, version, digest, disclosure, '', indexed_at"
            " FROM matchmaking_achievementindex",
            [model],
        )

    def _vectors(self, cursor: Any, model: int) -> None:
        """Write the windows of every listing."""
        row = np.dtype(
            [
                ("columns", ">i2"),
                *_column("listing", ">i8"),
                *_column("model", ">i8"),
                *_column("window", ">i2"),
                *_column("tier", ">i2"),
                *_column("asks", "?"),
                *_column("language", "S2"),
                *_column("section", "S1"),
                *_column("province", "S2"),
                ("vector_size", ">i4"),
                ("vector_dimension", ">i2"),
                ("vector_unused", ">i2"),
                ("vector", ">f2", (self.dimension,)),
            ]
        )
        command = (
            'COPY matchmaking_achievementvector (listing_id, model_id, "window", tier, asks,'
            " language, section, province, vector) FROM STDIN WITH (FORMAT BINARY)"
        )
        with cursor.copy(command) as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for at in range(0, self.count, 10_000):
                block = slice(at, at + 10_000)
                fields, languages = self.fields[block], self.languages[block]
                count = len(fields)
                of_listing = self.shape.noise(self.chance, count)
                for window in range(self.windows):
                    own = OF_LISTING**0.5 * of_listing
                    own += (1 - OF_LISTING) ** 0.5 * self.shape.noise(self.chance, count)
                    rows = np.zeros(count, dtype=row)
                    rows["columns"] = 9
                    for name, value in {
                        "listing": np.arange(at, at + count) + 1,
                        "model": model,
                        "window": window,
                        "tier": window,
                        "asks": True,
                        "language": np.array([b"zh", b"en"])[languages],
                        "section": self.sections[block],
                        "province": self.provinces[block],
                    }.items():
                        rows[name] = value
                        rows[f"{name}_size"] = row[name].itemsize
                    rows["vector_size"] = 4 + 2 * self.dimension
                    rows["vector_dimension"] = self.dimension
                    rows["vector"] = self.shape.vectors(fields, languages, own)
                    copy.write(rows.tobytes())
            copy.write(b"\xff\xff")

    def _statistics(self, cursor: Any, model: int) -> None:
        from matchmaking.models import CorpusStatistics, TermFrequency
        from matchmaking.retrieval.lexical import term_id

        row = CorpusStatistics.objects.create(
            corpus="achievement", documents=self.count, average_length=float(WORDS)
        )
        counts = _documents(self.terms, len(self.words))
        public = _documents(self.terms[:, :PUBLIC_WORDS], len(self.words))
        frequencies = {}
        for word, documents, open_documents in zip(
            self.words, counts.tolist(), public.tolist(), strict=True
        ):
            if documents:
                frequencies[term_id(word)] = TermFrequency(
                    corpus=row,
                    term=term_id(word),
                    documents=documents,
                    member_documents=documents,
                    public_documents=open_documents,
                )
        TermFrequency.objects.bulk_create(frequencies.values(), batch_size=5000)
        self._centres(model)

    def _centres(self, model: int) -> None:
        from matchmaking.models import Centre

        means = [self.shape.mean(language) for language in (0, 1)]
        Centre.objects.bulk_create(
            Centre(
                model_id=model,
                corpus=corpus,
                language=language,
                windows=self.count * self.windows,
                prior=mean,
                vector=mean,
            )
            for corpus in ("achievement", "demand")
            for language, mean in zip(("zh", "en"), means, strict=True)
        )


def _documents(terms: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Count in how many rows each value stands."""
    ordered = np.sort(terms, axis=1)
    first = np.ones(ordered.shape, dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.bincount(ordered[first], minlength=size)


def _check_keys(cursor: Any) -> None:
    """Inside a transaction no index is made while foreign keys wait to be checked."""
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _disclosures(cursor: Any) -> dict[int, str]:
    cursor.execute("SELECT id, disclosure::text FROM catalog_achievement WHERE disclosure <> '{}'")
    return dict(cursor.fetchall())


def _column(name: str, kind: str) -> list[tuple[str, str]]:
    return [(f"{name}_size", ">i4"), (name, kind)]


def _unit(vectors: Any) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return unit


def _array(values: list[str]) -> str:
    return "{" + ",".join(f'"{value}"' for value in dict.fromkeys(values)) + "}"


def _text(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, list):
        return "{}"
    return str(value)
