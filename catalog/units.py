"""Units as Chinese and English writers write them, made comparable.

Pint does the arithmetic, never the reading: its own parser takes physical constants and powers
of numbers ("9**9**9" keeps it busy for ever), and it knows neither 万吨/年 nor HRC. So an
expression is read here, by tables, in one pass over at most `MAX_LENGTH` characters, and only
names that the tables hold reach the registry.

A unit that measures nothing but itself (HRC, CFU, 目, 元) is a dimension of its own: it compares
with itself and takes part in compounds (CFU/mL, 元/吨), and with nothing else.
"""

import math
import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

import pint
from pint.util import UnitsContainer

MAX_LENGTH = 40  # "元/(千瓦时·年)" has 10; nothing that a person means has more
MAX_POWER = 6
MAX_ATOMS = 6  # kJ/(kg·m²·h·K) has 5

# What pint is told. Months and years are means, so that 12 个月 is 1 年.
_DEFINITIONS = """
femto- = 1e-15
pico- = 1e-12
nano- = 1e-9
micro- = 1e-6
milli- = 1e-3
centi- = 1e-2
deci- = 1e-1
hecto- = 1e2
kilo- = 1e3
mega- = 1e6
giga- = 1e9
tera- = 1e12
meter = [length]
gram = [mass]
second = [time]
ampere = [current]
kelvin = [temperature]
mole = [substance]
candela = [luminosity]
degree_celsius = kelvin; offset: 273.15
degree_fahrenheit = 5 / 9 * kelvin; offset: 255.372222222222
inch = 0.0254 * meter
foot = 0.3048 * meter
angstrom = 1e-10 * meter
tonne = 1e6 * gram
jin = 500 * gram
pound = 453.59237 * gram
minute = 60 * second
hour = 3600 * second
day = 86400 * second
week = 7 * day
month = 30.4375 * day
year = 365.25 * day
hertz = 1 / second
newton = 1000 * gram * meter / second ** 2
kilogram_force = 9.80665 * newton
pascal = newton / meter ** 2
bar = 1e5 * pascal
atmosphere = 101325 * pascal
millimeter_mercury = 133.322387415 * pascal
pounds_per_square_inch = 6894.757293168 * pascal
joule = newton * meter
calorie = 4.184 * joule
electronvolt = 1.602176634e-19 * joule
watt = joule / second
watt_hour = 3600 * joule
horsepower = 735.49875 * watt
coulomb = ampere * second
ampere_hour = 3600 * coulomb
volt = watt / ampere
ohm = volt / ampere
siemens = ampere / volt
farad = coulomb / volt
weber = volt * second
tesla = weber / meter ** 2
gauss = 1e-4 * tesla
henry = weber / ampere
nit = candela / meter ** 2
lumen = [luminous_flux]
lux = lumen / meter ** 2
liter = 1e-3 * meter ** 3
hectare = 1e4 * meter ** 2
mu = 2000 / 3 * meter ** 2
molar = mole / liter
poise = 0.1 * pascal * second
stokes = 1e-4 * meter ** 2 / second
tex = 1e-3 * gram / meter
denier = tex / 9
bit = [information]
byte = 8 * bit
degree = [angle]
radian = 57.29577951308232 * degree
arcminute = degree / 60
arcsecond = degree / 3600
percent = 0.01
permille = 1e-3
ppm = 1e-6
ppb = 1e-9
becquerel = [activity]
"""

_PREFIXES = {
    "f": "femto",
    "p": "pico",
    "n": "nano",
    "μ": "micro",
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
}

# Symbol, pint's name, the prefixes it is really used with ("mHz" is a typing error for MHz).
_SYMBOLS = (
    ("m", "meter", "fpnμmcdhk"),
    ("g", "gram", "pnμmk"),
    ("s", "second", "fpnμm"),
    ("A", "ampere", "pnμmk"),
    ("K", "kelvin", "m"),
    ("mol", "mole", "nμmk"),
    ("cd", "candela", "m"),
    ("°C", "degree_celsius", ""),
    ("°F", "degree_fahrenheit", ""),
    ("ft", "foot", ""),
    ("Å", "angstrom", ""),
    ("t", "tonne", "kM"),
    ("lb", "pound", ""),
    ("min", "minute", ""),
    ("h", "hour", ""),
    ("d", "day", ""),
    ("a", "year", ""),
    ("Hz", "hertz", "kMGT"),
    ("N", "newton", "pnμmkM"),
    ("kgf", "kilogram_force", ""),
    ("Pa", "pascal", "μmhkMG"),
    ("bar", "bar", "mk"),
    ("atm", "atmosphere", ""),
    ("mmHg", "millimeter_mercury", ""),
    ("psi", "pounds_per_square_inch", ""),
    ("J", "joule", "pnμmkMGT"),
    ("cal", "calorie", "k"),
    ("eV", "electronvolt", "mkMGT"),
    ("W", "watt", "pnμmkMGT"),
    ("Wh", "watt_hour", "mkMGT"),
    ("Ah", "ampere_hour", "mk"),
    ("C", "coulomb", "pnμm"),
    ("V", "volt", "nμmkM"),
    ("Ω", "ohm", "μmkMG"),
    ("S", "siemens", "nμmkM"),
    ("F", "farad", "fpnμm"),
    ("T", "tesla", "pnμm"),
    ("Gs", "gauss", "k"),
    ("H", "henry", "nμm"),
    ("nit", "nit", ""),
    ("lm", "lumen", "k"),
    ("lx", "lux", "k"),
    ("L", "liter", "nμmcdhk"),
    ("ha", "hectare", ""),
    ("P", "poise", "mc"),
    ("St", "stokes", "c"),
    ("tex", "tex", "dk"),
    ("bit", "bit", "kMGT"),
    ("B", "byte", "kMGT"),
    ("rad", "radian", "μm"),
    ("°", "degree", ""),
    ("′", "arcminute", ""),
    ("″", "arcsecond", ""),
    ("%", "percent", ""),
    ("‰", "permille", ""),
    ("ppm", "ppm", ""),
    ("ppb", "ppb", ""),
    ("Bq", "becquerel", "mkMGT"),
)

# Each its own dimension: symbol, pint's name.
_OPAQUE = (
    ("HRC", "rockwell_c"),
    ("HRB", "rockwell_b"),
    ("HRA", "rockwell_a"),
    ("HV", "vickers"),
    ("HB", "brinell"),
    ("HL", "leeb"),
    ("HA", "shore_a"),
    ("HD", "shore_d"),
    ("pH", "acidity"),
    ("dB", "decibel"),
    ("dBm", "decibel_milliwatt"),
    ("dBi", "decibel_isotropic"),
    ("dB(A)", "decibel_a"),
    ("NTU", "turbidity"),
    ("CFU", "colony"),
    ("PFU", "plaque"),
    ("IU", "international_unit"),
    ("U", "enzyme_unit"),
    ("Sv", "sievert"),
    ("Gy", "gray"),
    ("VA", "volt_ampere"),
    ("var", "reactive_power"),
    ("dpi", "dots_per_inch"),
    ("px", "pixel"),
    ("fps", "frame_rate"),
    ("bp", "base_pair"),
    ("gce", "coal_equivalent"),
    ("FLOPS", "flops"),
    ("OPS", "ops"),
    ("TEU", "container"),
    ("%RH", "relative_humidity"),
    ("%FS", "full_scale"),
    ("%IACS", "annealed_copper"),
    ("με", "microstrain"),
    ("log", "decade"),
    ("CNY", "yuan"),
    ("USD", "dollar"),
    ("EUR", "euro"),
    ("r", "revolution"),
    ("目", "mesh"),
    ("级", "grade"),
    ("分", "score"),
    ("倍", "fold"),
    ("层", "layer"),
    ("帧", "frame"),
)
_OPAQUE_PREFIXES = {
    "U": "kμm",
    "gce": "k",
    "Sv": "μm",
    "Gy": "mk",
    "VA": "kM",
    "var": "kM",
    "bp": "kMG",
}
_OPAQUE_PREFIXES |= {"FLOPS": "MGT", "OPS": "GT", "px": "M"}

# Counts: a plain number may be meant by any of them, but 件 are not 台.
_COUNTS = {
    "piece": (
        "件",
        "个",
        "只",
        "片",
        "支",
        "枚",
        "块",
        "粒",
        "颗",
        "根",
        "条",
        "张",
        "箱",
        "袋",
        "瓶",
        "盒",
        "pcs",
    ),
    "occurrence": ("次", "循环", "回", "模次", "炉次", "批次", "cycles", "times", "count"),
    "machine": ("台", "套", "辆", "架", "艘", "台套", "units"),
    "person": ("人", "名", "例", "人次", "people"),
    "household": ("户",),
    "plant": ("株", "棵"),
    "animal": ("头", "羽", "尾"),
    "project": ("项", "家", "篇", "种", "类", "组", "批", "点", "位", "sites"),
    "place": ("处", "座", "栋", "舱"),
    "season": ("季", "茬"),
    "wafer": ("wafers",),
    "carton": ("cartons",),
    "sample": ("samples",),
}

# Chinese words: word, symbol it stands for. Those in _KEEP stay Chinese among Chinese words.
_WORDS = {
    "公里": "km",
    "英寸": "inch",
    "吋": "inch",
    "埃": "Å",
    "公斤": "kg",
    "吨": "t",
    "磅": "lb",
    "公斤力": "kgf",
    "千克力": "kgf",
    "分钟": "min",
    "分": "分",
    "小时": "h",
    "钟头": "h",
    "开尔文": "K",
    "开": "K",
    "摄氏度": "°C",
    "华氏度": "°F",
    "度": "°",
    "角度": "°",
    "弧度": "rad",
    "角分": "′",
    "角秒": "″",
    "赫": "Hz",
    "大卡": "kcal",
    "卡": "cal",
    "马力": "horsepower",
    "度电": "kWh",
    "大气压": "atm",
    "巴": "bar",
    "毫巴": "mbar",
    "特斯拉": "T",
    "高斯": "Gs",
    "流明": "lm",
    "勒克斯": "lx",
    "坎德拉": "cd",
    "尼特": "nit",
    "公顷": "ha",
    "泊": "P",
    "厘泊": "cP",
    "厘斯": "cSt",
    "分贝": "dB",
    "比特": "bit",
    "字节": "B",
    "像素": "px",
    "百万像素": "Mpx",
    "贝可": "Bq",
    "转": "r",
    "圈": "r",
    "百分点": "%",
    "个百分点": "%",
    "美元": "USD",
    "欧元": "EUR",
}
_KEEP = {
    "斤": "jin",
    "亩": "mu",
    "天": "day",
    "日": "day",
    "周": "week",
    "个星期": "week",
    "星期": "week",
    "个月": "month",
    "月": "month",
    "年": "year",
    "元": "yuan",
    "人民币": "yuan",
    "块钱": "yuan",
    "吨标煤": "megacoal_equivalent",
    "吨标准煤": "megacoal_equivalent",
    "千克标煤": "kilocoal_equivalent",
    "千克标准煤": "kilocoal_equivalent",
    "公斤标煤": "kilocoal_equivalent",
    "公斤标准煤": "kilocoal_equivalent",
    "克标煤": "coal_equivalent",
    "克标准煤": "coal_equivalent",
    "目": "mesh",
    "级": "grade",
    "倍": "fold",
    "层": "layer",
    "帧": "frame",
}
_WORD_PREFIXES = {
    "皮": "p",
    "纳": "n",
    "微": "μ",
    "毫": "m",
    "厘": "c",
    "分": "d",
    "千": "k",
    "兆": "M",
    "吉": "G",
    "太": "T",
}
_PREFIXED_WORDS = {
    "米": "m",
    "克": "g",
    "秒": "s",
    "升": "L",
    "安": "A",
    "安培": "A",
    "安时": "Ah",
    "伏": "V",
    "伏特": "V",
    "伏安": "VA",
    "瓦": "W",
    "瓦特": "W",
    "瓦时": "Wh",
    "焦": "J",
    "焦耳": "J",
    "牛": "N",
    "牛顿": "N",
    "帕": "Pa",
    "帕斯卡": "Pa",
    "赫兹": "Hz",
    "欧": "Ω",
    "欧姆": "Ω",
    "法拉": "F",
    "西门子": "S",
    "摩尔": "mol",
    "特": "T",
    "电子伏特": "eV",
}

# Latin spellings beside the symbols. The right side is a symbol of the tables.
_ALIASES = {
    "l": "L",
    "ml": "mL",
    "μl": "μL",
    "dl": "dL",
    "ohm": "Ω",
    "kohm": "kΩ",
    "Mohm": "MΩ",
    "micron": "μm",
    "microns": "μm",
    "cc": "cm³",
    "Nm": "N·m",
    "Nm3": "m³",
    "sqm": "m²",
    "Torr": "mmHg",
    "torr": "mmHg",
    "HP": "horsepower",
    "hp": "horsepower",
    "HBW": "HB",
    "HBS": "HB",
    "PH": "pH",
    "dBA": "dB(A)",
    "dB(a)": "dB(A)",
    "wt%": "%",
    "vol%": "%",
    "mol%": "%",
    "at%": "%",
    "Wt%": "%",
    "%F.S.": "%FS",
    "%F.S": "%FS",
    "℃": "°C",
    "℉": "°F",
    "degC": "°C",
    "oC": "°C",
    "deg": "°",
    "arcmin": "′",
    "arcsec": "″",
    "′′": "″",
    '"': "″",
    "rpm": "r/min",
    "rps": "r/s",
    "rev": "r",
    "bps": "bit/s",
    "kbps": "kbit/s",
    "Kbps": "kbit/s",
    "Mbps": "Mbit/s",
    "Gbps": "Gbit/s",
    "Tbps": "Tbit/s",
    "kph": "km/h",
    "cfu": "CFU",
    "pfu": "PFU",
    "cps": "mPa·s",
    "RMB": "CNY",
    "rmb": "CNY",
    "yuan": "CNY",
    "¥": "CNY",
    "$": "USD",
    "€": "EUR",
    "FPS": "fps",
    "DPI": "dpi",
    "pixel": "px",
    "pixels": "px",
    "S/s": "1/s",
    "lbs": "lb",
    "inches": "inch",
    "feet": "ft",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "days": "day",
    "weeks": "week",
    "months": "month",
    "years": "year",
    "yr": "year",
    "ton": "t",
    "tons": "t",
    "tonne": "t",
    "tonnes": "t",
    "percent": "%",
    "degree": "°",
    "degrees": "°",
    "celsius": "°C",
    "piece": "pcs",
    "pieces": "pcs",
    "pc": "pcs",
    "cycle": "cycles",
    "unit": "units",
    "sets": "units",
    "set": "units",
    "counts": "count",
    "site": "sites",
    "wafer": "wafers",
    "carton": "cartons",
    "sample": "samples",
    "grades": "grade",
    "class": "grade",
    "items": "pcs",
    "item": "pcs",
    "parts": "pcs",
    "boxes": "pcs",
    "person": "people",
    "persons": "people",
    "points": "分",
    "point": "分",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "metres": "m",
    "millimeter": "mm",
    "millimeters": "mm",
    "millimetre": "mm",
    "millimetres": "mm",
    "centimeter": "cm",
    "centimeters": "cm",
    "micrometer": "μm",
    "micrometers": "μm",
    "micrometre": "μm",
    "micrometres": "μm",
    "nanometer": "nm",
    "nanometers": "nm",
    "nanometre": "nm",
    "nanometres": "nm",
    "kilometer": "km",
    "kilometers": "km",
    "kilometre": "km",
    "kilometres": "km",
    "gram": "g",
    "grams": "g",
    "kilogram": "kg",
    "kilograms": "kg",
    "milligram": "mg",
    "milligrams": "mg",
    "liter": "L",
    "liters": "L",
    "litre": "L",
    "litres": "L",
    "milliliter": "mL",
    "milliliters": "mL",
    "watt": "W",
    "watts": "W",
    "kilowatt": "kW",
    "kilowatts": "kW",
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "hertz": "Hz",
    "decibel": "dB",
    "decibels": "dB",
    "mesh": "目",
    "fold": "倍",
}
_LATIN_WORDS = {
    "grade": "grade",
    "day": "day",
    "week": "week",
    "month": "month",
    "year": "year",
    "inch": "inch",
}

# Written in any case where that is clear: "KWH", "Mpa". These settle the ties.
_FOLD_TIES = {"mpa": "MPa", "pa": "Pa", "kwh": "kWh", "mwh": "MWh", "gwh": "GWh", "hrc": "HRC"}
_FOLD_TIES |= {"mg": "mg", "mm": "mm", "ml": "mL", "hz": "Hz", "ph": "pH", "cfu": "CFU"}

_SCALES = {
    "万亿": 1e12,
    "千万": 1e7,
    "百万": 1e6,
    "十万": 1e5,
    "亿": 1e8,
    "万": 1e4,
    "千": 1e3,
    "百": 1e2,
    "billion": 1e9,
    "million": 1e6,
    "thousand": 1e3,
}

# What reads like a unit and is none.
_NOT_UNITS = frozenset({"N/A", "n/a", "N/a", "NA", "na", "a"})

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_TO_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]{1,8}")
_VICKERS = re.compile(r"H(V|BW|B)\d{1,3}(?:\.\d)?(?:/\d{1,5}){0,2}")
_LATIN = re.compile('[A-Za-zμΩÅ°%‰′″"¥$€]+')
_POWER = re.compile(r"(?:\^|\*\*)?([-+]?\d{1,2})(?![\d.])")
_TEN = re.compile(r"10\^([-+]?\d{1,2})(?!\d)|1(0{0,8})(?!\d)")
_SPELLINGS = (
    (re.compile("次循环|循环次数"), "次"),
    (re.compile(r"24 ?h\b|24小时"), "d"),
    (re.compile(r"\bpercentage points?\b"), "%"),
    # kilowatt-hours a tonne; degrees a second, minute or hour are a speed and a drift
    (
        re.compile("^度(?=/(?:[万千]?吨|t|kg|公斤|千克|件|台|套|个|平方米|平米|立方米|方|m))"),
        "度电",
    ),
    # metres times kelvin; nobody divides by millikelvin
    (re.compile(r"\bW/mK\b"), "W/(m*K)"),
    (re.compile(r"\b(wt|vol|mol|at)\. ?%"), r"\1%"),
)
_SHAPES = re.compile(r"\b(square|cubic) ([a-z]{3,12})\b")
_NORMAL_CUBIC = re.compile(r"Nm\^?3(?!\d)")


@dataclass(frozen=True)
class _Atom:
    """One unit of an expression, as it will be written and as pint knows it."""

    symbol: str  # "m", or the Chinese word where no symbol exists
    name: str  # of the registry
    word: str = ""  # the Chinese spelling, if it was written in Chinese
    keep: bool = False  # 天 stays 天 among Chinese words
    power: int = 1
    scale: float = 1.0
    scale_text: str = ""


@dataclass(frozen=True)
class _Unit:
    """An expression that was understood."""

    canonical: str
    dimension: tuple[tuple[str, float], ...]
    factor: float
    offset: float = 0.0  # of 0 ℃ in kelvin; only where the unit stands alone


class _Unreadable(Exception):
    """The expression is no unit."""


def _table() -> tuple[dict[str, tuple[_Atom, ...]], dict[str, tuple[_Atom, ...]], dict[str, str]]:
    """Return what Latin and Chinese spellings mean, and the exact form of lower-cased ones."""
    latin: dict[str, tuple[_Atom, ...]] = {}
    for symbol, name, prefixes in _SYMBOLS:
        shown = {"°C": "℃", "°F": "℉"}.get(symbol, symbol)
        latin.setdefault(symbol, (_Atom(shown, name),))
        for letter in prefixes:
            latin.setdefault(letter + symbol, (_Atom(letter + symbol, _PREFIXES[letter] + name),))
    for symbol, name in _OPAQUE:
        latin[symbol] = (_Atom(symbol, name),)  # pH is the acidity, not the picohenry
        for letter in _OPAQUE_PREFIXES.get(symbol, ""):
            latin.setdefault(letter + symbol, (_Atom(letter + symbol, _PREFIXES[letter] + name),))
    for name, spellings in _COUNTS.items():
        latin |= {spelling: (_Atom(spelling, name),) for spelling in spellings}
    latin |= {word: (_Atom(word, name),) for word, name in _LATIN_WORDS.items()}
    latin["horsepower"] = (_Atom("horsepower", "horsepower"),)
    latin["tce"] = (_Atom("tce", "megacoal_equivalent"),)
    latin["denier"] = (_Atom("denier", "denier"),)
    latin |= {"mM": (_Atom("mmol", "millimole"), _Atom("L", "liter", power=-1))}
    latin |= {"μM": (_Atom("μmol", "micromole"), _Atom("L", "liter", power=-1))}
    latin |= {"nM": (_Atom("nmol", "nanomole"), _Atom("L", "liter", power=-1))}

    chinese: dict[str, tuple[_Atom, ...]] = {}
    for word, symbol in _words():
        chinese[word] = tuple(replace(atom, word=word) for atom in latin[symbol])
    for word in _LENGTHS:
        for power, shape in ((2, "平方"), (3, "立方")):
            chinese[shape + word] = (replace(chinese[word][0], word=shape + word, power=power),)
    for word, power in (("平方", 2), ("平米", 2), ("平", 2), ("立方", 3), ("方", 3), ("标方", 3)):
        chinese[word] = (_Atom("m", "meter", word=word, power=power),)
    for word, name in _KEEP.items():
        chinese[word] = (_Atom(word, name, word=word, keep=True),)
    for name, spellings in _COUNTS.items():
        for word in spellings:
            if not word.isascii():
                chinese[word] = (_Atom(word, name, word=word, keep=True),)
    chinese["分"] = (_Atom("分", "score", word="分", keep=True),)
    latin = {key: atoms for key, atoms in latin.items() if key not in chinese}

    folded: dict[str, str] = {}
    clash: set[str] = set()
    for key in latin:
        low = key.lower()
        if len(key) > 1 and folded.setdefault(low, key) != key:
            clash.add(low)
    for low in clash:
        del folded[low]
    return latin, chinese, folded | _FOLD_TIES


_LENGTHS = ("米", "厘米", "毫米", "微米", "纳米", "分米", "千米", "公里")


def _words() -> Iterator[tuple[str, str]]:
    yield from _WORDS.items()
    for word, symbol in _PREFIXED_WORDS.items():
        yield word, symbol
        used = dict.fromkeys(next((p for s, _, p in _SYMBOLS if s == symbol), "kM"))
        for chinese, letter in _WORD_PREFIXES.items():
            if letter in used:
                yield chinese + word, letter + symbol


_LATIN_UNITS, _CHINESE_UNITS, _FOLDED = _table()
_LONGEST_WORD = max(map(len, _CHINESE_UNITS))
_COUNT_DIMENSIONS = frozenset(f"[{name}]" for name in _COUNTS)

# The characters that a unit may start with and go on with, for those who look for units in texts.
UNIT_CHARACTERS = frozenset("".join(_CHINESE_UNITS) + "".join(_SCALES) + "每")

# Units that only count; a bare one of them is seldom a requirement ("3 条生产线").
COUNT_UNITS = frozenset(word for spellings in _COUNTS.values() for word in spellings)

# For the list beside the unit field: what demands and achievements name most.
COMMON_UNITS = (
    *("mm", "μm", "nm", "cm", "m", "km", "g", "kg", "t", "mg/L", "g/cm³", "kg/m³", "%", "‰", "ppm"),
    *("℃", "K", "°", "MPa", "GPa", "kPa", "HRC", "HV", "N", "kN", "N·m", "W", "kW", "MW", "kWh"),
    *("kWh/t", "V", "A", "mAh/g", "Wh/kg", "Ω", "S/m", "Hz", "GHz", "dB", "W/(m·K)", "mPa·s"),
    *("L", "mL", "m³", "m²", "L/min", "m³/h", "t/d", "m/s", "m/min", "r/min", "s", "min", "h"),
    *("天", "个月", "年", "次", "件", "件/小时", "台", "台/年", "人", "亩", "元", "万元", "元/吨"),
    *("万元/年", "万吨/年", "吨/天", "目", "级", "倍", "CFU/mL", "mol/L", "U/mL", "lm/W", "fps"),
)


class _Registry:
    """Pint's registry, built once and on first use: a page that names no unit does not pay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registry: pint.UnitRegistry[float] | None = None

    def base(self, powers: dict[str, int]) -> tuple[float, tuple[tuple[str, float], ...]]:
        """Return the factor to base units, and the dimension. Temperatures count as steps."""
        with self._lock:  # pint fills its caches as it reads
            if self._registry is None:
                self._registry = pint.UnitRegistry(None)
                lines = [line for line in _DEFINITIONS.splitlines() if line]
                own = [name for _, name in _OPAQUE] + [*_COUNTS, "number"]
                for line in lines + [f"{name} = [{name}]" for name in own]:
                    self._registry.define(line)
            container = UnitsContainer(powers)
            quantity = self._registry.Quantity(1.0, self._registry.Unit(container))
            # pint types what these registries hold as floats as anything numeric
            factor = float(str(quantity.to_base_units().magnitude))
            dimension = tuple(
                sorted((k, float(str(v))) for k, v in quantity.dimensionality.items())
            )
        return factor, dimension


_registry = _Registry()


def _tidy(text: str) -> str:
    """Return the expression in one spelling: no controls, powers as ^n, signs as / and *."""
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
    text = text.replace("º", "°").replace("˚", "°")
    text = _SUPERSCRIPTS.sub(lambda m: "^" + m.group().translate(_SUPERSCRIPT), text)
    text = unicodedata.normalize("NFKC", text).replace("µ", "μ")
    text = re.sub("[−–﹣]", "-", text)
    text = text.replace("**", "^")
    text = re.sub("[·⋅∙•・×*]", "*", text)
    text = re.sub(r"[∕÷]|每|\bper\b", "/", text)
    text = _SHAPES.sub(lambda m: f"{m[2]}^{2 if m[1] == 'square' else 3}", text)
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    return " ".join(text.split())


class _Parser:
    """Reads an expression of atoms, *, / and brackets. One pass, nothing is tried twice."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> list[_Atom]:
        atoms = self._expression(1, 0)
        if self.at != len(self.text) or not 0 < len(atoms) <= MAX_ATOMS:
            raise _Unreadable
        return atoms

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _expression(self, sign: int, depth: int) -> list[_Atom]:
        # Everything behind a stroke divides: "W/m·K" is meant as W/(m·K), never as K·W/m.
        atoms: list[_Atom] = []
        here, expects = sign, True
        while self.at < len(self.text):
            char = self._peek()
            if char == ")":
                break
            if char == "/":
                if expects and (atoms or here != sign):
                    raise _Unreadable
                here, expects = -sign, True
                self.at += 1
            elif char in "*-." and not expects:
                expects = True
                self.at += 1
            elif char == " ":
                self.at += 1
            elif char == "(":
                if depth == 2:
                    raise _Unreadable
                self.at += 1
                atoms += self._expression(here, depth + 1)
                if self._peek() != ")":
                    raise _Unreadable
                self.at += 1
                expects = False
            else:
                atoms += self._atom(here)
                expects = False
        if expects:
            raise _Unreadable
        return atoms

    def _scale(self) -> tuple[float, str]:
        """Read 万, million, 10⁶ or the 100 of L/100km, where they stand."""
        for text, scale in _SCALES.items():
            if self.text.startswith(text, self.at):
                self.at += len(text)
                if text.isascii():
                    while self._peek() == " ":
                        self.at += 1
                    return scale, text + " "
                return scale, text
        if number := _TEN.match(self.text, self.at):
            self.at = number.end()
            while self._peek() in ("*", " ") and self._peek():
                self.at += 1
            power = int(number[1]) if number[1] else len(number[2])
            if abs(power) > 15:
                raise _Unreadable
            if number[1] is not None:
                return 10.0**power, "10" + number[1].lstrip("+").translate(_TO_SUPERSCRIPT)
            return 10.0**power, "" if power == 0 else number[0]
        return 1.0, ""

    def _atom(self, sign: int) -> list[_Atom]:
        found = self._chinese()
        scale, scale_text = 1.0, ""
        if found is None:
            start = self.at
            scale, scale_text = self._scale()
            found = self._chinese()
            if found is None:
                found = self._latin()
            if found is None:
                if self.at == start:
                    raise _Unreadable
                if not scale_text:
                    return []  # the 1 of 1/K
                # 万 alone is a number of things
                return [_Atom("", "number", scale_text, True, sign, scale, scale_text)]
        power = 1
        if match := _POWER.match(self.text, self.at):
            power = int(match[1])
            self.at = match.end()
            if power == 0 or abs(power) > MAX_POWER:
                raise _Unreadable
            if len(found) > 1:
                raise _Unreadable
        if len(found) == 1 and found[0].name == "score" and sign < 0:
            found = (_Atom("min", "minute", "分"),)  # 次/分 is per minute, 90 分 is a score
        atoms = [replace(atom, power=atom.power * power * sign) for atom in found]
        atoms[0] = replace(atoms[0], scale=scale**sign, scale_text=scale_text)
        return atoms

    def _chinese(self) -> tuple[_Atom, ...] | None:
        for length in range(_LONGEST_WORD, 0, -1):
            word = self.text[self.at : self.at + length]
            if len(word) == length and word in _CHINESE_UNITS:
                self.at += length
                return _CHINESE_UNITS[word]
        return None

    def _latin(self) -> tuple[_Atom, ...] | None:
        match = _LATIN.match(self.text, self.at)
        if match is None:
            return None
        run = match.group()
        exact = _latin_unit(run)
        if exact is None:
            raise _Unreadable
        self.at = match.end()
        return exact


def _latin_unit(run: str) -> tuple[_Atom, ...] | None:
    """Return what one run of letters means: as written, with u for μ, or in another case."""
    for spelling in (run, "μ" + run[1:] if run[0] == "u" and len(run) > 1 else run):
        if spelling in _ALIASES:
            alias = _ALIASES[spelling]
            return _LATIN_UNITS.get(alias) or _CHINESE_UNITS.get(alias) or tuple(_expand(alias))
        if spelling in _LATIN_UNITS:
            return _LATIN_UNITS[spelling]
    low = run.lower()
    if low in _FOLDED:
        return _LATIN_UNITS[_FOLDED[low]]
    if low != run and low in _ALIASES:
        return _latin_unit(low)
    return None


def _expand(alias: str) -> list[_Atom]:
    return _Parser(_tidy(alias)).read()


def _written(atoms: list[_Atom]) -> str:
    """Return the canonical spelling: symbols, or Chinese words where symbols would be odd."""
    words = all(atom.word for atom in atoms) and any(a.keep or a.scale_text for a in atoms)

    def one(atom: _Atom, power: int) -> str:
        if words:
            text = atom.word if atom.name != "number" else ""
            base = _CHINESE_UNITS[text][0].power if text else 1
            power = power // base if power % base == 0 else power
        else:
            text = atom.symbol
        shown = "" if power == 1 else str(power).translate(_TO_SUPERSCRIPT)
        return atom.scale_text + text + shown

    above = [one(atom, atom.power) for atom in atoms if atom.power > 0]
    below = [atom for atom in atoms if atom.power < 0]
    if not above:
        if any(atom.scale_text for atom in below) or words:
            above = ["1"]
        else:
            return "·".join(one(atom, atom.power) for atom in below)
    text = "·".join(above)
    under = [one(atom, -atom.power) for atom in below]
    if under:
        text += "/" + (under[0] if len(under) == 1 else f"({'·'.join(under)})")
    return text


@lru_cache(maxsize=4096)
def _understand(text: str) -> _Unit | None:
    """Return the unit that a text of at most a few dozen characters names."""
    tidy = _tidy(text)
    if not tidy:
        return _Unit("", (("[number]", 1.0),), 1.0)
    if len(tidy) > MAX_LENGTH or tidy in _NOT_UNITS:
        return None
    if vickers := _VICKERS.fullmatch(tidy):
        tidy = "HV" if vickers[1] == "V" else "HB"
    tidy = _NORMAL_CUBIC.sub("m^3", tidy)  # a gas at 0 ℃ and 1 atm: as much as is ever said
    whole = tidy.replace(" ", "")
    if whole.lower() in ("shorea", "邵a", "邵氏a"):
        whole = "HA"
    elif whole.lower() in ("shored", "邵d", "邵氏d"):
        whole = "HD"
    elif whole.lower() in ("degreescelsius", "degreecelsius", "degcelsius", "°c"):
        whole = "°C"
    if whole in _ALIASES:
        whole = _ALIASES[whole]
    try:
        if whole in _LATIN_UNITS:
            atoms = list(_LATIN_UNITS[whole])
        else:
            atoms = _Parser(tidy if whole not in ("r/min", "N·m") else _tidy(whole)).read()
    except _Unreadable:
        return None
    powers: dict[str, int] = {}
    scale = 1.0
    for atom in atoms:
        powers[atom.name] = powers.get(atom.name, 0) + atom.power
        scale *= atom.scale
    powers = {name: power for name, power in powers.items() if power}
    alone = atoms[0].name if len(atoms) == 1 and atoms[0].power == 1 and scale == 1 else ""
    offset = {"degree_celsius": 273.15, "degree_fahrenheit": 459.67 * 5 / 9}.get(alone, 0.0)
    steps = {"degree_celsius": "delta_", "degree_fahrenheit": "delta_"}
    factor, dimension = _registry.base({steps.get(n, "") + n: p for n, p in powers.items()})
    return _Unit(_written(atoms), dimension, factor * scale, offset)


def _unit(text: str) -> _Unit | None:
    # Before the cache and before any work: what is this long is no unit, and is not kept.
    return _understand(text) if len(text) <= 4 * MAX_LENGTH else None


def normalize_unit(text: str) -> str | None:
    """Return a unit in its one spelling ("毫米" is "mm"), "" for none, None if it is not known.

    Chinese words stay where a symbol would read oddly: 万吨/年, 元/吨, 30 天.
    """
    unit = _unit(text)
    return unit.canonical if unit else None


def _plain(unit: _Unit) -> bool:
    return unit.dimension == (("[number]", 1.0),)


def _count(unit: _Unit) -> bool:
    [first, *rest] = unit.dimension or [("", 0.0)]
    return not rest and first[0] in _COUNT_DIMENSIONS and first[1] == 1.0


def comparable(unit: str, to: str) -> bool:
    """Say whether a value in one unit says anything about a value in the other."""
    # Before the cache, as in `_unit`.
    return max(len(unit), len(to)) <= 4 * MAX_LENGTH and _comparable(unit, to)


@lru_cache(maxsize=16_384)
def _comparable(unit: str, to: str) -> bool:
    left, right = _unit(unit), _unit(to)
    if left is None or right is None:
        return False
    if left.dimension == right.dimension:
        return True
    # "samples ≥ 100" and "120 件" speak of the same; 件 and 台 do not.
    return (_plain(left) and _count(right)) or (_count(left) and _plain(right))


def convert(
    value: Decimal | float, unit: str, to: str, *, difference: bool = False
) -> float | None:
    """Return the value in another unit, or None when the two cannot be compared.

    A `difference` of temperatures, such as a tolerance, has no zero point: 2 ℃ is 2 K.
    """
    number = float(value)
    if not math.isfinite(number) or not comparable(unit, to):
        return None
    left, right = _unit(unit), _unit(to)
    assert left is not None and right is not None
    if left == right:
        return number
    zero = (0.0, 0.0) if difference else (left.offset, right.offset)
    result = (number * left.factor + zero[0] - zero[1]) / right.factor
    if not math.isfinite(result):
        return None
    # Twelve digits: more than anyone measures, and 0.35 mm is 350 μm, not 349.99999999999994.
    return float(f"{result:.12g}")
