"""Write the English names of regions beside the Chinese ones, in accounts/data/gbt2260_2023.tsv.

python scripts/romanize_regions.py        after the list of regions has changed

Names are Hanyu Pinyin, as on China's own maps in English, by pypinyin; places of the north and west
whose names are not Chinese are written as those languages are romanized there (GB/T 17733 and the
gazetteer of the Ministry of Civil Affairs), and provinces as English has them. A syllable that
begins with a, e or o is set off: Xi'an.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from pypinyin import Style, pinyin

FILE = Path(__file__).resolve().parent.parent / "accounts" / "data" / "gbt2260_2023.tsv"

# By the first two digits of the code.
PROVINCES = {
    "11": "Beijing", "12": "Tianjin", "13": "Hebei", "14": "Shanxi", "15": "Inner Mongolia",
    "21": "Liaoning", "22": "Jilin", "23": "Heilongjiang", "31": "Shanghai", "32": "Jiangsu",
    "33": "Zhejiang", "34": "Anhui", "35": "Fujian", "36": "Jiangxi", "37": "Shandong",
    "41": "Henan", "42": "Hubei", "43": "Hunan", "44": "Guangdong", "45": "Guangxi",
    "46": "Hainan", "50": "Chongqing", "51": "Sichuan", "52": "Guizhou", "53": "Yunnan",
    "54": "Tibet", "61": "Shaanxi", "62": "Gansu", "63": "Qinghai", "64": "Ningxia",
    "65": "Xinjiang", "71": "Taiwan", "81": "Hong Kong", "82": "Macao",
}  # fmt: skip
# Not Chinese, or read otherwise than the same characters elsewhere.
NAMES = {
    "呼和浩特": "Hohhot", "鄂尔多斯": "Ordos", "呼伦贝尔": "Hulunbuir", "巴彦淖尔": "Bayannur",
    "乌兰察布": "Ulanqab", "兴安": "Hinggan", "锡林郭勒": "Xilingol", "阿拉善": "Alxa",
    "哈尔滨": "Harbin", "齐齐哈尔": "Qiqihar", "长治": "Changzhi", "朝阳": "Chaoyang",
    "六安": "Lu'an", "漯河": "Luohe", "阿坝": "Ngawa", "甘孜": "Garzê", "迪庆": "Dêqên",
    "拉萨": "Lhasa", "日喀则": "Xigazê", "昌都": "Qamdo", "林芝": "Nyingchi", "那曲": "Nagqu",
    "阿里": "Ngari", "果洛": "Golog", "乌鲁木齐": "Ürümqi", "克拉玛依": "Karamay",
    "吐鲁番": "Turpan", "博尔塔拉": "Bortala", "巴音郭楞": "Bayingolin", "阿克苏": "Aksu",
    "克孜勒苏": "Kizilsu", "喀什": "Kashgar", "和田": "Hotan", "伊犁": "Ili", "阿勒泰": "Altay",
}  # fmt: skip
PEOPLES = {
    "朝鲜": "Korean", "土家": "Tujia", "苗": "Miao", "藏": "Tibetan", "羌": "Qiang", "彝": "Yi",
    "布依": "Bouyei", "侗": "Dong", "哈尼": "Hani", "壮": "Zhuang", "傣": "Dai", "白": "Bai",
    "景颇": "Jingpo", "傈僳": "Lisu", "回": "Hui", "蒙古": "Mongol", "柯尔克孜": "Kirgiz",
    "哈萨克": "Kazakh",
}  # fmt: skip
KINDS = {"市": "", "自治州": "Autonomous Prefecture", "地区": "Prefecture", "盟": "League"}

_PEOPLE = "|".join(sorted(PEOPLES, key=len, reverse=True))


def romanized(stem: str) -> str:
    if stem in NAMES:
        return NAMES[stem]
    first, *others = (found[0] for found in pinyin(stem, style=Style.NORMAL, v_to_u=True))
    return (first + "".join(f"'{s}" if s[0] in "aeo" else s for s in others)).capitalize()


def english(code: str, name: str) -> str:
    """Return the English name of a region; places that only hold others have none."""
    if code.endswith("0000"):
        return PROVINCES[code[:2]]
    kind = next((kind for kind in KINDS if name.endswith(kind)), "")
    if not kind:
        return ""
    stem = name.removesuffix(kind)
    peoples: list[str] = []
    while kind == "自治州" and (found := re.search(rf"(.+?)({_PEOPLE})族?$", stem)):
        stem = found[1]
        peoples.insert(0, PEOPLES[found[2]])
    return " ".join(filter(None, [romanized(stem), " and ".join(peoples), KINDS[kind]]))


def main() -> None:
    with FILE.open(encoding="utf8", newline="") as lines:
        rows = [(row["code"], row["name"]) for row in csv.DictReader(lines, delimiter="\t")]
    with FILE.open("w", encoding="utf8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["code", "name", "en"])
        table.writerows((code, name, english(code, name)) for code, name in rows)


if __name__ == "__main__":
    main()
