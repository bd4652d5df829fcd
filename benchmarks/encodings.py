"""Which detector reads which kind of file right, where nothing in it says its encoding?

    python -m benchmarks.encodings [--draws 60] [--seconds]

Files and names are made of the words and sentences below, in the encodings that people's machines write. Right is a
file whose text comes back, whatever the encoding is called. The kinds are

- names: two class names alone, as an archive has them;
- labels: a table of numbers whose last column has two words;
- prose: a table of 40 sentences, each with a label;
- late: two words after a megabyte of ASCII.

chardet, chardetng-py and faust-cchardet are left out where they are not installed. ``--seconds`` times 200 MB instead.
"""

import argparse
import random
import time
from collections.abc import Callable

from tlcore.datasets.encoding import decoded, encoding_of

WORDS = {
    "simplified": "猫 狗 好 差 坏 正常 异常 缺陷 合格 不合格 划痕 裂纹 苹果 香蕉 男 女 是 否 正面 负面 中性 体育 "
    "财经 娱乐 健康 疾病 良性 恶性 汽车 飞机 鸟 马 鹿 青蛙 船 卡车 晴 雨 雪 多云 左 右 上 下 高 中 低 红 绿 蓝 "
    "其他 桥梁 农田 森林 河流 住宅 昞品 污渍 凹坑 虚焊 漏焊 破损",
    "traditional": "貓 狗 好 差 壞 正常 異常 缺陷 合格 不合格 劃痕 裂紋 蘋果 香蕉 男 女 是 否 正面 負面 中性 體育 "
    "財經 娛樂 健康 疾病 良性 惡性 汽車 飛機 鳥 馬 鹿 青蛙 船 卡車 晴 雨 雪 多雲 左 右 上 下 高 中 低 紅 綠 藍 "
    "其他 橋樑 農田 森林 河流 住宅 污漬 破損",
    "japanese": "犬 猫 良品 不良品 正常 異常 傷 汚れ りんご バナナ 男 女 はい いいえ 良い 悪い 肯定 否定 中立 "
    "スポーツ 経済 健康 病気 車 飛行機 鳥 馬 鹿 カエル 船 トラック 晴れ 雨 雪 曇り 左 右 高 低 赤 緑 青 その他 橋 "
    "畑 森 川 住宅 キズ ヒビ",
    "korean": "개 고양이 양품 불량 정상 비정상 흠집 얼룩 사과 바나나 남 여 예 아니오 좋음 나쁨 긍정 부정 중립 "
    "스포츠 경제 건강 질병 자동차 비행기 새 말 사슴 개구리 배 트럭 맑음 비 눈 흐림 왼쪽 오른쪽 높음 낮음 빨강 초록 "
    "파랑 기타 다리 밭 숲 강 주택",
    "russian": "кошка собака хорошо плохо норма дефект годен брак царапина трещина яблоко банан мужской женский да "
    "нет положительный отрицательный спорт экономика здоровье болезнь Да Нет Кошка Собака машина самолёт птица "
    "лошадь НОРМА БРАК дождь снег мост лес река дом",
    "german": "Größe Käfer Vögel schön Mädchen Äpfel Öl Übung Straße grün süß fröhlich Löwe Bär Kühe müde böse "
    "Fläche höher für Tür Zähne Gemälde Flüsse Wälder Brücke Häuser Weißbrot geprüft beschädigt unauffällig "
    "fehlerhaft-häufig",
    "french": "café naïve chêne forêt hôpital élève père mère fenêtre garçon français été âne bœuf cœur œuf défaut "
    "rayé fissuré négatif créée où déjà très île maïs Noël Évian santé société économie château prévu noël pâte "
    "brûlé à",
    "spanish": "niño niña año señal corazón camión avión canción árbol león jardín día sí no-dañado médico público "
    "años España pingüino Ávila función fútbol economía política también razón más daño pequeño",
    "symbols": "20°C 5µm ±3 ½ £5 €9 “good” it’s 3×3 10² don’t naïve café résumé façade – Zoë São jalapeño Å "
    "smörgåsbord …",
}  # fmt: skip
SENTENCES = {
    "simplified": "这家酒店的位置很好，服务也不错。 电影太无聊了，我看到一半就走了。 屏幕有划痕，客服态度很差！ "
    "味道一般，不会再来。 物流很快，包装完好。 昨天的比赛非常精彩。 这本书值得一读。 价格偏高，但是质量很好。 "
    "今天天气怎么样？ 机器运行三个月以后出现故障。",
    "traditional": "這家酒店的位置很好，服務也不錯。 電影太無聊了，我看到一半就走了。 螢幕有劃痕，客服態度很差！ "
    "味道一般，不會再來。 物流很快，包裝完好。 昨天的比賽非常精彩。 這本書值得一讀。 價格偏高，但是質量很好。 "
    "今天天氣怎麼樣？ 機器運行三個月以後出現故障。",
    "japanese": "このホテルは場所がとても良いです。 映画は退屈で途中で帰りました。 画面に傷があり、対応も悪い！ "
    "味は普通です。 配送が早く、梱包も丁寧。 昨日の試合は素晴らしかった。 この本は読む価値がある。 "
    "値段は高いが品質は良い。 今日の天気はどうですか？ 機械が三か月で故障した。",
    "korean": "이호텔은위치가아주좋습니다. 영화가 지루해서 중간에 나왔어요. 화면에 흠집이 있고 서비스도 나빠요! "
    "맛은 보통입니다. 배송이 빠르고 포장도 좋아요. 어제 경기는 정말 훌륭했다. 이 책은 읽을 가치가 있다. 가격은 "
    "비싸지만 품질이 좋다.",
    "russian": "Отель расположен очень удобно. Фильм скучный, ушли с середины. На экране царапины, сервис плохой! "
    "Вкус обычный. Доставка быстрая. Вчерашний матч был великолепен. Эту книгу стоит прочитать. Цена высокая, но "
    "качество хорошее.",
    "german": "Das Hotel liegt sehr schön. Der Film war öde, wir gingen früh. Kratzer über dem ganzen Gehäuse! Für "
    "den Preis völlig in Ordnung. Die Lieferung war pünktlich. Das Spiel gestern war großartig. Das Gerät fiel "
    "nach drei Monaten aus.",
    "french": "L'hôtel est très bien situé. Le film était ennuyeux, nous sommes partis. L'écran est rayé, service "
    "déplorable ! Le goût est moyen. Livraison rapide, emballage soigné. Le match d'hier était génial. Ce livre "
    "mérite d'être lu.",
    "spanish": "El hotel está muy bien situado. La película fue aburrida y nos fuimos. ¡La pantalla está rayada y "
    "el servicio es pésimo! El sabor es normal. Llegó rápido. El partido de ayer fue increíble. ¿Qué tal el tiempo "
    "mañana?",
    "symbols": "The hotel’s location is “perfect”. We paid £20 – too much. It was 30°C outside. A café around the "
    "corner… Not naïve at all. The sample is 5µm thick. It’s fine. Beyoncé was great. Nothing to add. Tolerance "
    "±3. We’d come again. A good résumé.",
}  # fmt: skip
ENCODINGS = {
    "simplified": ("gb18030",), "traditional": ("big5",), "japanese": ("cp932", "euc_jp"), "korean": ("cp949",),
    "russian": ("cp1251",), "german": ("cp1252",), "french": ("cp1252",), "spanish": ("cp1252",),
    "symbols": ("cp1252",),
}  # fmt: skip
KINDS = ("names", "labels", "prose", "late")
Case = tuple[str, list[str]]


def cases(kind: str, language: str, encoding: str, draws: int) -> list[Case]:
    """Return files, each as its text and its lines; names are one a line."""
    draw = random.Random(f"{kind} {language} {encoding}")
    words = [word for word in WORDS[language].split(" ") if _fits(word, encoding)]
    sentences = [one.strip() for one in SENTENCES[language].replace("，", "， ").split(" ")]
    found = []
    for _ in range(draws if kind in ("names", "labels") else max(2, draws // 12)):
        two = draw.sample([word for word in words if not word.isascii()], 2)
        if kind == "names":
            lines = two
        elif kind == "labels":
            lines = ["id,width,label"] + [f"{n},{draw.random():.3f},{draw.choice(two)}" for n in range(60)]
        elif kind == "prose":
            lines = ["text,label"] + [f"{' '.join(draw.sample(sentences, 5))},{n % 2}" for n in range(40)]
        else:
            lines = [f"{n},plain,{n * 7919 % 1000}" for n in range(60_000)] + [f"{n},{two[n % 2]},1" for n in range(6)]
        found.append(("\n".join(lines), lines))
    return found


def _fits(word: str, encoding: str) -> bool:
    try:
        word.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def detectors() -> dict[str, Callable[[bytes], str | None]]:
    from charset_normalizer import from_bytes

    def normalizer(content: bytes) -> str | None:
        best = from_bytes(content[:200_000]).best()
        return best.encoding if best else None

    found: dict[str, Callable[[bytes], str | None]] = {"charset-normalizer": normalizer}
    try:
        import chardet

        found["chardet"] = lambda content: chardet.detect(content)["encoding"]
    except ImportError:
        pass
    try:
        from chardetng_py import detect  # type: ignore[import-untyped]

        found["chardetng"] = lambda content: detect(content)
    except ImportError:
        pass
    try:
        import cchardet

        found["cchardet"] = lambda content: cchardet.detect(content)["encoding"]
    except ImportError:
        pass
    return found


def right(text: str, content: bytes, encoding: str | None) -> bool:
    try:
        return content.decode(encoding or "ascii") == text
    except (LookupError, UnicodeDecodeError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seconds", action="store_true")
    arguments = parser.parse_args()
    if arguments.seconds:
        seconds()
    else:
        compare(arguments.draws)


def compare(draws: int) -> None:
    others = detectors()
    print(f"| kind | language, encoding | {' | '.join(others)} | here |")
    print("|---" * (len(others) + 3) + "|")
    total: dict[str, list[float]] = {}
    for kind in KINDS:
        for language, encodings in ENCODINGS.items():
            for encoding in encodings:
                row: dict[str, list[bool]] = {}
                for text, lines in cases(kind, language, encoding, draws):
                    content = text.encode(encoding)
                    for name, detect in others.items():
                        row.setdefault(name, []).append(right(text, content, detect(content)))
                    if kind == "names":
                        here = right(text, content, encoding_of([line.encode(encoding) for line in lines]))
                    else:
                        here = decoded(content).text == text
                    row.setdefault("here", []).append(here)
                shares = " | ".join(_share(one) for one in row.values())
                print(f"| {kind} | {language}, {encoding} | {shares} |")
                for name, one in row.items():
                    total.setdefault(name, []).append(sum(one) / len(one))
    print("| all | mean of the rows | " + " | ".join(f"{sum(one) / len(one):.2f}" for one in total.values()) + " |")


def _share(found: list[bool]) -> str:
    return f"{sum(found) / len(found):.2f}"


def seconds() -> None:
    for name, line in (
        ("ASCII", b"12345,plain text,0.5\n"),
        ("UTF-8, Chinese", "12345,猫和狗,0.5\n".encode()),
        ("UTF-8, Western", "12345,Größe café,0.5\n".encode()),
        ("GBK", "12345,猫和狗,0.5\n".encode("gbk")),
        ("Latin-1", "12345,Größe café,0.5\n".encode("latin-1")),
    ):
        content = line * (200 * 2**20 // len(line))
        began = time.perf_counter()
        decoded(content)
        print(f"200 MB of {name}: {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
