"""Texts to vectors, behind one protocol.

A model is a sentence-transformers folder. Torch is needed once, to turn it into an
OpenVINO graph that holds the model's own modules (transformer, pooling, dense layers);
from then on a worker loads the graph and the tokenizer alone, in about two seconds.

Why OpenVINO with 8-bit weights and activations quantised as they come: the texts a second
are several times those of torch at a cosine above 0.999. `make bench-encode` measures both.
"""

import fcntl
import hashlib
import json
import logging
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from matchmaking.models import EmbeddingModel
from matchmaking.workflow import ModelState

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

# Raised whenever a graph made by an older version of this file must be made again.
GRAPH_FORMAT = 2
# More tokens than this and the attention of one text takes gigabytes.
LONGEST_INPUT = 2048
# No tokenizer gets more characters than this for each token that the model reads: a text
# of 200,000 characters costs as much as one that fills the window.
CHARACTERS_PER_TOKEN = 20
# Texts are sorted by length and cut into batches of about so many tokens. Measured with
# multilingual-e5-small on 2 cores: within 5 % of the best from 400 to 2,000 tokens a batch,
# and a query that arrives meanwhile waits for one batch, here some 80 ms.
BATCH_TOKENS = 768
BATCH_TEXTS = 64
# Bytes of a head of weights that are read: the format's own bound.
HEAD_AT_MOST = 100_000_000
# Batches of many texts that run at once, each on its share of the cores. On 2 cores one text costs
# 4 ms more than on both together, and many are encoded in an eighth less time.
STREAMS = 2
# Tokenised at once: bounds the memory, still enough to sort.
CHUNK_TEXTS = 512
# Activations that share one scale. 128 is within 6 % of the speed of 384 and loses half as
# much (cosine to float32: 0.9996 against 0.9991).
ACTIVATION_GROUP = 128
# The least cosine between torch and the graph on SAMPLES: with 8-bit weights, or else
# the float graph is taken; with float weights, or else the model is refused.
LEAST_COSINE_INT8 = 0.997
LEAST_COSINE_FLOAT = 0.999
SAMPLES = (
    "高强度铝合金压铸件在热处理后变形超差,需要稳定的矫形与检测方案。",
    "We look for a coating that keeps its adhesion after 1,000 hours of salt spray.",
    "水性涂料",
    "面向锂电池极片的在线表面缺陷检测系统,线速度 80 m/min,漏检率低于 0.1 %,"
    "可与现有 MES 对接,已在两条产线稳定运行一年以上,支持二次开发与驻场服务。",
    "biodegradable film",
    "A compact heat exchanger made by additive manufacturing; TRL 6; tested with water"
    " and oil between -20 and 180 degrees, with a pressure drop below 30 kPa.",
    "农业废弃物厌氧发酵制备生物天然气的关键技术及成套装备",
    "query",
)

_IGNORED_PARTS = {"onnx", "openvino", ".git"}
_DIGESTED = {".safetensors", ".bin", ".json", ".txt", ".model"}
_NOTES = {"revision.json", "source.json"}
# Names of library versions in saved settings: a newer library is no other model.
_VERSION_KEYS = {"__version__", "transformers_version", "_name_or_path"}
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class EncoderUnavailable(Exception):
    """The model cannot be used now. The message is a sentence that says why."""


class BrokenVector(Exception):
    """The model has no usable vector for some texts: what it gives is not finite, or zero.

    `numbers`: the places of those texts, from 0. `vectors`: the rows of all texts, zero for these.
    """

    def __init__(self, message: str, numbers: Sequence[int], vectors: Vectors) -> None:
        super().__init__(message)
        self.numbers, self.vectors = list(numbers), vectors


class Encoder(Protocol):
    """What turns texts into unit vectors that can be compared with each other.

    Vectors of two encoders that differ in name or revision must never be compared.
    """

    name: str
    revision: str
    dimension: int

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row for each text.

        Raise `ValueError` for an empty text, `BrokenVector` for those the model fails on.
        """

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return one unit row for each text; raises as `encode_queries` does."""

    def count_tokens(self, text: str) -> int:
        """Return how many of the model's tokens the text takes, without any prefix."""


@dataclass(frozen=True)
class ModelFolder:
    """A sentence-transformers model on this machine."""

    name: str
    path: Path
    revision: str


@dataclass(frozen=True)
class Manifest:
    """What the runtime must know beside the graph and the tokenizer."""

    format: int
    name: str
    revision: str
    source: str
    dimension: int
    max_tokens: int
    padding: int
    pad_left: bool
    lowercase: bool
    weights: str
    query_prefix: str
    passage_prefix: str
    # SHA-256 of what lies beside: a file that was cut off or damaged still loads, sometimes.
    files: dict[str, str]


# ---------------------------------------------------------------- finding the model


def model_path(setting: str, *, revision: str = "") -> Path:
    """Return the folder of the model that EMBEDDING_MODEL names, without any network.

    Raise `EncoderUnavailable` if it is not on this machine. Reads next to nothing.
    """
    folder = Path(setting)
    if not folder.is_absolute():
        folder = Path(settings.BASE_DIR) / folder
    if (folder / "modules.json").is_file() or (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise EncoderUnavailable(
            f"The folder {setting} holds no model (no modules.json, no config.json)."
        )
    if is_hub_name(setting):
        return _hub_snapshot(setting, offline=True, revision=revision)
    raise EncoderUnavailable(
        f"The model folder {setting} does not exist. Run: python manage.py prepare_model"
    )


def is_hub_name(setting: str) -> bool:
    """Tell a name such as intfloat/multilingual-e5-small from a path."""
    return _HUB_NAME.fullmatch(setting) is not None and not setting.startswith(".")


def find_model(source: str, *, revision: str = "", download: bool = True) -> ModelFolder:
    """Return the model that a folder or a hub's name stands for; a hub's is downloaded if it
    must be, in `revision` if one is given.

    Raise `EncoderUnavailable` if it is not to be had. A folder may hold another revision.
    """
    try:
        path = model_path(source, revision=revision)
    except EncoderUnavailable:
        if not (download and is_hub_name(source)):
            raise
        logger.info("The model %s is being downloaded.", source)
        path = _hub_snapshot(source, offline=False, revision=revision)
    if path.parent.name == "snapshots":  # the hub's cache names a folder by its commit
        return ModelFolder(source if is_hub_name(source) else path.name, path, path.name)
    return ModelFolder(path.name, path, _revision_of(path))


def _hub_snapshot(name: str, *, offline: bool, revision: str = "") -> Path:
    from huggingface_hub import snapshot_download

    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        path = Path(
            snapshot_download(
                repository,
                revision=revision or None,
                local_files_only=offline,
                ignore_patterns=["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack"],
            )
        )
    except Exception as exc:
        where = "on this machine yet" if offline else "to be had"
        raise EncoderUnavailable(f"The model {name} is not {where}: {_first_line(exc)}") from exc
    if not any(path.rglob("*.safetensors")) and not any(path.rglob("pytorch_model*.bin")):
        raise EncoderUnavailable(f"The model {name} is not complete on this machine.")
    return path


def damage(folder: Path) -> str:
    """Return a sentence on what can be seen to be wrong with a model's files, "" for nothing.

    Reads beginnings only: whether the weights are whole says the length that they state
    (https://huggingface.co/docs/safetensors: 8 bytes with the head's size, the head, the tensors).
    """
    for path in sorted(folder.rglob("*.json")):
        if path.name in ("modules.json", "config.json") and _json(path) is None:
            return f"{path.relative_to(folder)} is no JSON."
    for path in sorted(folder.rglob("*.safetensors")):
        with path.open("rb") as file:
            try:
                size = int.from_bytes(file.read(8), "little")
                head = json.loads(file.read(min(size, HEAD_AT_MOST)))
                ends = [one["data_offsets"][1] for name, one in head.items() if name[:2] != "__"]
                whole = 8 + size + max(ends, default=0)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError):
                return f"{path.relative_to(folder)} does not begin as weights do."
        if path.stat().st_size != whole:
            return (
                f"{path.relative_to(folder)} has {path.stat().st_size:,} of {whole:,} bytes:"
                " it was not copied whole."
            )
    return ""


def folder_dimension(folder: Path) -> int | None:
    """Read a model's dimension from its settings, without loading it."""
    modules = _json(folder / "modules.json") or [{"path": "", "type": "Transformer"}]
    dimension: int | None = None
    for module in modules:
        kind = module["type"].rpartition(".")[2]
        config = _json(folder / module["path"] / "config.json") or {}
        if kind == "Transformer":
            keys = ("hidden_size", "dim", "d_model", "n_embd")
            dimension = next((int(config[key]) for key in keys if config.get(key)), None)
        elif kind == "Pooling":
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension")
            modes = config.get("pooling_mode", "mean")
            count = 1 if isinstance(modes, str) else len(modes)
            # Until sentence-transformers 6 each mode had a flag of its own.
            flags = sum(value is True for key, value in config.items() if "mode_" in key)
            dimension = int(width) * (flags or count) if width else dimension
        elif kind == "Dense":
            dimension = int(config["out_features"])
    return dimension


def _revision_of(folder: Path) -> str:
    """Digest what the vectors depend on: weights, vocabulary and settings.

    Reading half a gigabyte takes a second, so the digest is kept in the folder beside the
    sizes and times of the files, and made again when one of them changed.
    """
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in _DIGESTED
        and path.name not in _NOTES
        and not _IGNORED_PARTS.intersection(path.relative_to(folder).parts)
    ]
    seen = {
        str(path.relative_to(folder)): [path.stat().st_size, path.stat().st_mtime_ns]
        for path in files
    }
    note = folder / "revision.json"
    kept = _json(note)
    if kept and kept.get("files") == seen:
        return str(kept["revision"])
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(_file_digest(path))
    revision = digest.hexdigest()
    try:
        _write_json(note, {"revision": revision, "files": seen})
    except OSError:
        logger.info("%s is read-only: its revision is digested at each start.", folder)
    return revision


def _file_digest(path: Path) -> bytes:
    if path.suffix == ".json" and path.stat().st_size < 1_000_000:
        content = _json(path)
        if isinstance(content, dict):
            content = {key: value for key, value in content.items() if key not in _VERSION_KEYS}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


# ---------------------------------------------------------------- making the graph


def graph_folder(model: ModelFolder) -> Path:
    """Return where the model's graph is kept, whether it exists or not."""
    slug = re.sub(r"[^\w.-]+", "-", model.name)
    return Path(settings.VAR_DIR) / "models" / "openvino" / f"{slug}-{model.revision[:12]}"


def has_graph(model: ModelFolder) -> bool:
    """Say whether the model's graph is there and as it was made. Reads it, 0.2 s."""
    folder = graph_folder(model)
    manifest = _json(folder / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != GRAPH_FORMAT:
        return False
    return bool(manifest.get("files") == _digests(folder))


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != "manifest.json":
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def ensure_graph(model: ModelFolder) -> Path:
    """Return the folder of the model's graph, and make it first if it is not there.

    Making it imports torch and takes about half a minute. Two processes may ask at once:
    the second waits. Raise `EncoderUnavailable` if the model cannot be turned into one.
    """
    target = graph_folder(model)
    if has_graph(model):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent / ".lock"):
            if not has_graph(model):
                if target.exists():
                    logger.warning("The graph in %s is damaged or old: it is made anew.", target)
                _make_in(model, target)
    except OSError as exc:
        raise EncoderUnavailable(
            f"The graph of the model {model.name} cannot be kept in {target.parent}:"
            f" {exc.strerror or exc}. Make that folder writable, or run where it is:"
            " python manage.py prepare_model"
        ) from exc
    return target


def _make_in(model: ModelFolder, target: Path) -> None:
    """Make the graph beside its place, and move it there whole."""
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        try:
            _make_graph(model, temporary)
        except EncoderUnavailable:
            raise
        except Exception as exc:
            raise EncoderUnavailable(
                f"The model {model.name} cannot be turned into an OpenVINO graph:"
                f" {_first_line(exc)}"
            ) from exc
        temporary.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_graph(name: str, revision: str) -> int:
    """Delete a model's graph from this machine. Return the bytes that it took, 0 without one.

    Nothing else deletes graphs: where a folder's contents have been replaced, the graph is all
    that is left of the model that the platform's vectors are of.
    """
    folder = graph_folder(ModelFolder(name, Path(), revision))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shutil.rmtree(folder, ignore_errors=True)
    return size


def _make_graph(model: ModelFolder, target: Path) -> None:
    import warnings

    from sentence_transformers import SentenceTransformer

    silence_transformers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what tracing warns of is checked below
        sentence = SentenceTransformer(str(model.path), device="cpu").float().eval()
        tokenizer: Any = sentence.tokenizer
        query, passage = _prefixes(model.name, dict(sentence.prompts))
        if (query or passage) and not all(
            getattr(module, "include_prompt", True) for module in sentence
        ):
            raise EncoderUnavailable(
                f"The model {model.name} leaves its prompt out of the pooling,"
                " which is not supported."
            )
        texts = [passage + text for text in SAMPLES]
        wanted = _unit(np.asarray(sentence.encode(texts, batch_size=len(texts)), np.float32))
        tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
        manifest = Manifest(
            format=GRAPH_FORMAT,
            name=model.name,
            revision=model.revision,
            source=str(model.path),
            dimension=wanted.shape[1],
            max_tokens=min(int(sentence.max_seq_length or 512), LONGEST_INPUT),
            padding=int(tokenizer.pad_token_id or 0),
            pad_left=tokenizer.padding_side == "left",
            lowercase=bool(getattr(sentence[0], "do_lower_case", False)),
            weights="int8",
            query_prefix=query,
            passage_prefix=passage,
            files={},
        )
        graph = _traced(sentence)
    _save_graph(graph, target)
    del sentence, graph

    _quantise(target)
    cosine = _least_cosine(target, manifest, wanted)
    if cosine >= LEAST_COSINE_INT8:
        (target / "float.xml").unlink()
        (target / "float.bin").unlink()
    else:
        logger.warning(
            "With 8-bit weights the model %s is off (cosine %.4f): it runs with float weights.",
            model.name,
            cosine,
        )
        (target / "float.xml").replace(target / "model.xml")
        (target / "float.bin").replace(target / "model.bin")
        manifest = Manifest(**asdict(manifest) | {"weights": "float"})
        cosine = _least_cosine(target, manifest, wanted)
        if cosine < LEAST_COSINE_FLOAT:
            raise EncoderUnavailable(
                f"The OpenVINO graph of the model {model.name} does not agree with the model"
                f" (cosine {cosine:.4f}, at least {LEAST_COSINE_FLOAT} is needed)."
            )
    _write_json(target / "manifest.json", asdict(manifest) | {"files": _digests(target)})


def _prefixes(name: str, prompts: Mapping[str, str | None]) -> tuple[str, str]:
    """Return the prefixes of queries and passages: the model's own, or those of an e5."""
    query = prompts.get("query") or ""
    passage = prompts.get("passage") or prompts.get("document") or ""
    if query or passage or not re.search(r"\be5\b", name.lower().replace("_", "-")):
        return query, passage
    return "query: ", "passage: "


def _traced(sentence: Any) -> Any:
    """Trace all modules of the model, from token ids to the sentence's vector."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(sentence)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features: Any = {"input_ids": input_ids, "attention_mask": attention_mask}
            for part in self.parts:
                features = part(features)
            vector: torch.Tensor = features["sentence_embedding"]
            return vector

    # Two texts of different lengths, so that the trace has seen padding.
    example = sentence.tokenizer([SAMPLES[2], SAMPLES[4]], padding=True, return_tensors="pt")
    with torch.no_grad():
        return _openvino().convert_model(
            Whole().eval(),
            example_input={name: example[name] for name in ("input_ids", "attention_mask")},
        )


def _save_graph(graph: Any, target: Path) -> None:
    # Halves the file and the memory. The embedding table is most of it.
    _openvino().save_model(graph, target / "float.xml", compress_to_fp16=True)


def _quantise(target: Path) -> None:
    """Write model.xml: float.xml with 8-bit weights, one scale for each output.

    The runtime then quantises the activations of these products as they come (see
    ACTIVATION_GROUP), so that no calibration texts are needed.
    """
    openvino = _openvino()
    opset13 = openvino.opset13
    graph = openvino.Core().read_model(target / "float.xml")
    for product in graph.get_ordered_ops():
        if product.get_type_name() != "MatMul":
            continue
        source = product.input(1).get_source_output().get_node()
        if source.get_type_name() == "Convert":
            source = source.input(0).get_source_output().get_node()
        if source.get_type_name() != "Constant" or not product.get_attributes()["transpose_b"]:
            continue
        weights = source.get_data().astype(np.float32)
        if weights.ndim != 2:
            continue
        scale = np.abs(weights).max(axis=1, keepdims=True) / 127
        scale[scale == 0] = 1
        rounded = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
        restored = opset13.multiply(
            opset13.convert(opset13.constant(rounded), "f32"), opset13.constant(scale)
        )
        product.input(1).replace_source_output(restored.output(0))
    openvino.save_model(graph, target / "model.xml", compress_to_fp16=False)


def _least_cosine(target: Path, manifest: Manifest, wanted: Vectors) -> float:
    vectors = OpenVinoEncoder(target, manifest).encode_passages(SAMPLES)
    return float((vectors * wanted).sum(axis=1).min())


# ---------------------------------------------------------------- running it


class OpenVinoEncoder:
    """A model's graph and its tokenizer. Any number of threads may use one at once."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        from tokenizers import Tokenizer

        self.name = manifest.name
        self.revision = manifest.revision
        self.dimension = manifest.dimension
        self.query_prefix = manifest.query_prefix
        self.passage_prefix = manifest.passage_prefix
        self._manifest = manifest
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # Kept off: cutting is done by `_token_ids`, so that the same tokenizer can count.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._thread = threading.local()
        self._streams = ThreadPoolExecutor(STREAMS, thread_name_prefix="encode")
        self._specials = self._tokenizer.num_special_tokens_to_add(False)
        self._longest_text = manifest.max_tokens * CHARACTERS_PER_TOKEN
        self._graph = folder / "model.xml"
        self._model = self._compiled(ACTIVATION_GROUP)
        try:
            self.encode_queries(SAMPLES[:1])  # the first run also builds the kernels
        except RuntimeError as exc:
            # A processor without 8-bit products says so only now. The same weights work as
            # floats there, at about half the speed.
            logger.warning("No 8-bit products on this processor: %s", _first_line(exc))
            self._model = self._compiled(0)
            self._thread = threading.local()
            self.encode_queries(SAMPLES[:1])

    def _compiled(self, group: int) -> Any:
        return (
            _openvino()
            .Core()
            .compile_model(
                self._graph,
                "CPU",
                {
                    "PERFORMANCE_HINT": "THROUGHPUT",
                    "NUM_STREAMS": str(STREAMS),
                    "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(group),
                    # Several processes share the cores, so none may sit on its own.
                    "ENABLE_CPU_PINNING": False,
                },
            )
        )

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self.query_prefix)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self.passage_prefix)

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(_clean(text), add_special_tokens=False).ids)

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        if isinstance(texts, str):
            raise TypeError("A sequence of texts is expected, not one text.")
        prepared = [self._prepared(text, number) for number, text in enumerate(texts)]
        vectors = np.empty((len(prepared), self.dimension), np.float32)
        for start in range(0, len(prepared), CHUNK_TEXTS):
            ids = self._token_ids([prefix + text for text in prepared[start : start + CHUNK_TEXTS]])
            # The longest first: both streams end at about the same time.
            batches = list(_batches([len(one) for one in ids]))[::-1]
            # One alone runs in the caller's thread: nothing is won by another.
            each = self._streams.map if len(batches) > 1 else map
            rows = each(self._run, [[ids[i] for i in batch] for batch in batches])
            for batch, found in zip(batches, rows, strict=True):
                vectors[[start + i for i in batch]] = found
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        usable = (np.isfinite(lengths) & (lengths > 1e-6))[:, 0]
        if not usable.all():
            broken = np.flatnonzero(~usable)
            self._must_work()
            vectors[usable] /= lengths[usable]
            vectors[broken] = 0.0
            places = ", ".join(str(number + 1) for number in broken)
            raise BrokenVector(
                f"The model {self.name} gave no usable vector for text number {places}.",
                broken.tolist(),
                vectors,
            )
        vectors /= lengths
        return vectors

    def _must_work(self) -> None:
        """Raise `EncoderUnavailable` if the model fails on any text: then none is to blame."""
        [vector] = self._run(self._token_ids([SAMPLES[0]]))
        if not (np.isfinite(vector).all() and np.linalg.norm(vector) > 1e-6):
            raise EncoderUnavailable(f"The model {self.name} gives no usable vectors.")

    def _prepared(self, text: str, number: int) -> str:
        # Cut before anything else looks at it; blank beginnings do not count.
        text = _clean(text.lstrip()[: self._longest_text])
        if not any(char.isprintable() and not char.isspace() for char in text):
            raise ValueError(f"Text number {number + 1} is empty: there is nothing to encode.")
        return text.lower() if self._manifest.lowercase else text

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        room = self._manifest.max_tokens - self._specials
        ids = []
        for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False):
            encoding.truncate(room)
            ids.append(self._tokenizer.post_process(encoding, add_special_tokens=True).ids)
        return ids

    def _run(self, batch: list[list[int]]) -> Vectors:
        shape = (len(batch), max(map(len, batch)))
        ids = np.full(shape, self._manifest.padding, np.int64)
        mask = np.zeros(shape, np.int64)
        for row, tokens in enumerate(batch):
            first = shape[1] - len(tokens) if self._manifest.pad_left else 0
            ids[row, first : first + len(tokens)] = tokens
            mask[row, first : first + len(tokens)] = 1
        # A request belongs to one thread: two that share one would mix their answers.
        if not hasattr(self._thread, "request"):
            self._thread.request = self._model.create_infer_request()
        answer = self._thread.request.infer({"input_ids": ids, "attention_mask": mask})
        return np.array(answer[0], np.float32)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut the indexes of texts, by length, into batches with little padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        size = len(batch) + 1
        if batch and (size > BATCH_TEXTS or size * lengths[index] > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


# Seconds for which a model that could not be loaded is not tried again: each try may take as many.
RETRY_SECONDS = 20.0

# The encoders of this process: one, and two while the platform goes from one model to another.
_held: dict[tuple[str, str], Encoder] = {}
# Which of them EMBEDDING_MODEL stands for, as long as the platform has no current model.
_adopted: dict[str, tuple[str, str]] = {}
# What could not be loaded, when, and why.
_failures: dict[tuple[str, str], tuple[float, str]] = {}
_loading = threading.Lock()


def get_encoder(model: EmbeddingModel | None = None) -> Encoder:
    """Return this process's encoder of a model: of the platform's current one by default.

    A platform that has none yet takes the one that EMBEDDING_MODEL names. The first call loads
    it; threads may race for it. Raise `EncoderUnavailable` with a sentence; a call some time
    later tries again.
    """
    model = model or EmbeddingModel.objects.current()
    if model is None:
        return _first_encoder(settings.EMBEDDING_MODEL)
    key = (model.name, model.revision)
    if key not in _held:
        with _loading:
            if key not in _held:
                source = model.source or settings.EMBEDDING_MODEL
                expected = f"the platform has it with {model.dimension}"
                _held[key] = _load(source, key, model.dimension, expected)
                if model.state == ModelState.CURRENT and source != settings.EMBEDDING_MODEL:
                    logger.warning(
                        "EMBEDDING_MODEL names %s, which changes nothing: the platform works with"
                        " %s from %s. To go over: manage.py embedding_models add %s",
                        settings.EMBEDDING_MODEL,
                        model,
                        source,
                        settings.EMBEDDING_MODEL,
                    )
    return _held[key]


def _first_encoder(source: str) -> Encoder:
    if _adopted.get(source) not in _held:
        with _loading:
            if _adopted.get(source) not in _held:
                dimension = settings.EMBEDDING_DIMENSION
                encoder = _load(source, ("", ""), dimension, f"EMBEDDING_DIMENSION is {dimension}")
                _adopted[source] = (encoder.name, encoder.revision)
                _held[_adopted[source]] = encoder
    return _held[_adopted[source]]


def _load(source: str, key: tuple[str, str], dimension: int, expected: str) -> Encoder:
    failed = (source, key[1])
    if failed in _failures:
        at, reason = _failures[failed]
        if time.monotonic() - at < RETRY_SECONDS:
            raise EncoderUnavailable(reason)
    try:
        encoder = load_encoder(source, name=key[0], revision=key[1])
        if encoder.dimension != dimension:
            raise EncoderUnavailable(
                f"The model {encoder.name} makes vectors of {encoder.dimension} numbers, but"
                f" {expected}."
            )
    except EncoderUnavailable as exc:
        _failures[failed] = (time.monotonic(), str(exc))
        raise
    _failures.pop(failed, None)
    return encoder


def keep_encoders() -> None:
    """Hold what this process may be asked for, and let go of what it will not be any more.

    A model that is ready is loaded before the platform is switched to it, so that the first
    question afterwards waits for nothing. Raise `EncoderUnavailable` for the current one.
    """
    current = get_encoder()
    wanted = {(current.name, current.revision)}
    for model in EmbeddingModel.objects.filter(state=ModelState.READY):
        try:
            encoder = get_encoder(model)
        except EncoderUnavailable as exc:
            logger.warning("The model %s is ready, but not on this machine: %s", model, exc)
        else:
            wanted.add((encoder.name, encoder.revision))
    for key in _held.keys() - wanted:
        logger.info("The model %s@%s is let go of.", key[0], key[1][:12])
        del _held[key]


def load_encoder(source: str, *, name: str = "", revision: str = "") -> OpenVinoEncoder:
    """Load the model that a folder or a hub's name stands for, or raise `EncoderUnavailable`.

    With `revision` (and the `name` that goes with it) that one or none: where the folder holds
    another by now, or has gone, the graph that was made of it will do.
    """
    try:
        model = find_model(source, revision=revision)
        if revision and model.revision != revision:
            raise EncoderUnavailable(
                f"{source} holds {model.name}@{model.revision[:12]} by now, and not"
                f" {name}@{revision[:12]}, which the platform works with."
            )
    except EncoderUnavailable as exc:
        model = ModelFolder(name, Path(source), revision)
        if not (revision and has_graph(model)):
            raise
        logger.warning("%s The graph that was made of it is still here and in use.", exc)
    folder = ensure_graph(model)
    try:
        manifest = Manifest(**(_json(folder / "manifest.json") or {}))
        return OpenVinoEncoder(folder, manifest)
    except Exception as exc:
        raise EncoderUnavailable(
            f"The graph of the model {model.name} cannot be loaded: {_first_line(exc)}"
        ) from exc


# ---------------------------------------------------------------- small things


def silence_transformers() -> None:
    """Keep progress bars and notes about loading out of the workers' logs."""
    from transformers.utils import logging as library

    noise: Any = library  # not typed
    noise.disable_progress_bar()
    noise.set_verbosity_error()


def _openvino() -> Any:
    """Import OpenVINO, without the package by which it reports each use to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _clean(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:300]


def _json(path: Path) -> Any:
    """Return what the file holds, or None if there is no such file or no JSON in it."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
        return None


def _write_json(path: Path, content: Any) -> None:
    """Write the file whole or not at all: another process may be reading it."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=".part", delete=False
    ) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
