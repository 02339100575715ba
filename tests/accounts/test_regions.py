"""Places in both languages: every one has a name, and what people type finds it."""

import pytest
from django.utils import translation

from accounts.regions import english_regions, find_region, region_choices, region_name, regions


def test_every_place_has_an_english_name():
    assert all(english_regions().values())
    assert english_regions().keys() == regions().keys()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("320500", "Suzhou, Jiangsu"),
        ("341300", "Suzhou, Anhui"),
        ("610100", "Xi'an, Shaanxi"),
        ("140400", "Changzhi, Shanxi"),
        ("211300", "Chaoyang, Liaoning"),
        ("220100", "Changchun, Jilin"),
        ("341500", "Lu'an, Anhui"),
        ("341600", "Bozhou, Anhui"),
        ("350200", "Xiamen, Fujian"),
        ("411100", "Luohe, Henan"),
        ("150100", "Hohhot, Inner Mongolia"),
        ("150200", "Baotou, Inner Mongolia"),
        ("152200", "Hinggan League, Inner Mongolia"),
        ("230100", "Harbin, Heilongjiang"),
        ("540100", "Lhasa, Tibet"),
        ("650100", "Ürümqi, Xinjiang"),
        ("222400", "Yanbian Korean Autonomous Prefecture, Jilin"),
        ("433100", "Xiangxi Tujia and Miao Autonomous Prefecture, Hunan"),
        ("500000", "Chongqing"),
        ("", ""),
        ("999999", ""),
    ],
)
def test_places_are_named_as_english_maps_name_them(code, name):
    with translation.override("en"):
        assert region_name(code) == name


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_what_a_page_shows_is_found_again(language):
    with translation.override(language):
        lost = [code for code in regions() if find_region(region_name(code)) != code]
    assert not lost


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("xian", "610100"),
        ("Xi’an", "610100"),
        ("URUMQI", "650100"),
        ("Jiangsu Suzhou", "320500"),
        ("江苏苏州", "320500"),
        ("Jilin", "220000"),
        # Two cities have the name: neither is taken for the other.
        ("Suzhou", ""),
        ("苏州", "320500"),
        ("  ", ""),
        ("，", ""),
        ("'", ""),
        ("x" * 10_000, ""),
    ],
)
def test_what_people_type_finds_one_place_or_none(typed, code):
    assert find_region(typed) == code


def test_places_stand_in_the_order_of_the_language():
    with translation.override("en"):
        provinces = region_choices()
        names = [name for name, _places in provinces]
        assert names == sorted(names) and names[0] == "Anhui"
        places = [name for _code, name in dict(provinces)["Jiangsu"]]
        assert places[0] == "Jiangsu" and places[1:] == sorted(places[1:])
    with translation.override("zh-hans"):
        assert [name for name, _places in region_choices()][:2] == ["北京市", "天津市"]
