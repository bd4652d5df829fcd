"""What a file or an archive's names say, where nothing tells in which encoding they are."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlcore.datasets.encoding import Decoded, decoded, encoding_of

PROSE = {
    "gb18030": "这家酒店的位置很好，服务也不错。\n电影太无聊了，我看到一半就走了。\n屏幕有划痕，客服态度很差！\n",
    "big5": "這家酒店的位置很好，服務也不錯。\n電影太無聊了，我看到一半就走了。\n價格偏高，但是質量很好。\n",
    "cp932": "このホテルは場所がとても良いです。\n映画は退屈で途中で帰りました。\n",
    "cp949": "이 호텔은 위치가 아주 좋습니다.\n영화가 지루해서 중간에 나왔어요.\n",
    "cp1251": "Отель расположен очень удобно.\nФильм скучный, ушли с середины.\n",
    "cp1252": "L’hôtel est très bien situé – à 5 €.\nDie Größe wäre schön.\n",
    "latin-1": "El niño está en el jardín.\nÉvian, août.\n",
}
SHORT = [
    ("猫", "狗", "gbk"), ("好", "差", "gbk"), ("正常", "缺陷", "gbk"), ("男", "女", "gbk"),
    ("昞品", "合格品", "gb18030"),
    ("猫", "鹿", "gbk"),  # which is valid UTF-8, too
    ("貓", "狗", "big5"), ("好", "壞", "big5"), ("正常", "異常", "big5"), ("功能", "許願", "big5"),
    ("犬", "ねこ", "cp932"), ("良品", "不良", "cp932"), ("スポーツ", "経済", "cp932"),
    ("개", "고양이", "cp949"), ("긍정", "부정", "cp949"), ("кошка", "собака", "cp1251"), ("ДА", "НЕТ", "cp1251"),
    ("café", "thé", "latin-1"), ("Größe", "Länge", "latin-1"), ("naïve", "smart", "latin-1"),
    ("niño", "niña", "latin-1"),
    ("Öl", "Käse", "latin-1"), ("été", "forêt", "latin-1"), ("20°C", "5 µm", "latin-1"), ("it’s", "“so”", "cp1252"),
    ("bœuf", "€9", "cp1252"),
]  # fmt: skip
SIMPLIFIED = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么"
    "心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长"
)
TRADITIONAL = (
    "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她里後小麼"
    "心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長"
)
pairs = pytest.mark.parametrize(("one", "other", "encoding"), SHORT)


def table(*labels: str, rows: int = 40) -> str:
    return "id,width,label\n" + "".join(f"{n},0.{n * 7919 % 997},{labels[n % len(labels)]}\n" for n in range(rows))


@pytest.mark.parametrize("encoding", PROSE)
def test_prose_of_any_language_is_read(encoding):
    text = PROSE[encoding] * 30
    assert decoded(text.encode(encoding)).text == text
    assert decoded(text.encode(encoding)).misread == 0


@pairs
def test_a_column_of_two_short_words_is_enough(one, other, encoding):
    text = table(one, other)
    assert decoded(text.encode(encoding)).text == text


@pairs
def test_two_names_are_enough(one, other, encoding):
    names = [name.encode(encoding) for name in (f"{one}/1.png", f"{other}/1.png", "set/2.png")]
    assert [name.decode(encoding_of(names)) for name in names] == [f"{one}/1.png", f"{other}/1.png", "set/2.png"]


@pytest.mark.parametrize(("one", "other", "encoding"), SHORT[:1] + SHORT[6:7] + SHORT[10:11] + SHORT[17:19])
def test_what_comes_after_a_megabyte_of_ascii_is_seen(one, other, encoding):
    text = table("plain", "dull", rows=70_000) + table(one, other)
    assert len(text) > 2**20
    assert decoded(text.encode(encoding)).text == text


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("encoding", ["gb18030", "big5", "cp932", "utf-8"])
@pytest.mark.slow
def test_nothing_is_cut_in_the_middle_of_a_sign(encoding, shift):
    """A line of many signs, that is longer than any sample of bytes would be."""
    text = "x" * shift + ("日本の犬" if encoding == "cp932" else "中文的好") * 100_000
    assert decoded(text.encode(encoding)).text == text


@given(st.text(alphabet=SIMPLIFIED, min_size=8))
def test_common_chinese_in_gb18030_reads_back(text):
    assert decoded(f"id,text\n1,{text}\n".encode("gb18030")).text == f"id,text\n1,{text}\n"


@given(st.text(alphabet=TRADITIONAL, min_size=8))
def test_common_chinese_in_big5_reads_back(text):
    assert decoded(f"id,text\n1,{text}\n".encode("big5")).text == f"id,text\n1,{text}\n"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "id,label\n1,猫\n2,café\n", "да,нет\n", "źle,łza\n", "", "x\n°,±\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])  # the last two write a mark
def test_what_says_its_encoding_is_believed(text, encoding):
    assert decoded(text.encode(encoding)) == Decoded(text, encoding.removesuffix("-sig"), 0)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [table("cat", "dog"), table("猫", "狗"), PROSE["gb18030"] * 9 + "a,b\n"])
def test_utf_16_without_a_mark_is_known_by_its_zeros(text, encoding):
    assert decoded(text.encode(encoding)) == Decoded(text, encoding, 0)
    assert decoded(("\ufeff" + text).encode(encoding)).text == text


@pytest.mark.parametrize("often", [1, 5])
def test_a_word_that_is_utf_8_by_chance_does_not_make_it_utf_8(often):
    text = table(*["猫"] * often, "狗")
    assert decoded(text.encode("gbk")) == Decoded(text, "gb18030", 0)


def test_single_lines_in_another_encoding_are_read_and_counted():
    lines = ["id,text", "1,café", "2,猫", "3,Größe", "4,naïve"]
    content = b"\n".join(line.encode("latin-1" if n == 4 else "utf-8") for n, line in enumerate(lines))
    assert decoded(content) == Decoded("\n".join(lines), "utf-8", 1)
    assert decoded(b"\xef\xbb\xbf" + content) == Decoded("\n".join(lines), "utf-8", 1)


def test_damaged_lines_do_not_turn_the_others_round():
    text = PROSE["gb18030"] * 30
    found = decoded(text.encode("gb18030") + b"\xff\xff\n")
    assert (found.encoding, found.misread) == ("gb18030", 1)
    assert found.text.startswith(text)
    assert decoded(text.encode("gb18030")[:-3]).text.startswith(text[:-3])  # the file ends in half of a sign


def test_what_a_person_says_is_believed():
    content = table("猫", "狗").encode("gb18030")
    assert decoded(content, "latin-1") == Decoded(content.decode("latin-1"), "latin-1", 0)
    assert decoded(content, "GB2312").text == table("猫", "狗")
    assert decoded(content, "utf-8").misread == 20  # 猫 is è there
    assert decoded("é\n".encode("utf-8-sig"), "utf8").text == "é\n"
    for name in ("klingon", "rot13", "hex"):
        with pytest.raises(ValueError, match=f"encoding '{name}' is not known"):
            decoded(content, name)


@pytest.mark.parametrize("content", [bytes(range(256)) * 9, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x18" * 9, bytes(100)])
def test_what_is_no_text_is_refused(content):
    with pytest.raises(ValueError, match="not text"):
        decoded(content)


def test_a_large_file_takes_no_time():
    line = "12345,Größe und café,0.5\n".encode()
    content = line * (20 * 2**20 // len(line))
    start = perf_counter()
    assert decoded(content).encoding == "utf-8"
    assert perf_counter() - start < 1
