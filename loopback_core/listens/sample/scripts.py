"""The vocabularies that names are made of, by script; all text is NFC."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    "Silent Golden Broken Electric Distant Hollow Crimson Restless Paper Hidden Midnight Burning Faded "
    "Endless Gentle Lonely Strange Frozen Velvet Wild Sacred Invisible Slow Bright Ancient Bitter "
    "Careless Quiet Second Last Little Northern Perfect Secret Tender Violent Waking Western Young Blue "
    "Black White Red Green Silver Blind Holy Lost Sweet Fallen"
)
NOUNS = _words(
    "River Shadow Garden Mountain Stranger Machine Ocean Heart Road Fire Ghost Summer Town Dream Light "
    "Moon Star Rain Storm Bird Animal Mother Brother Soldier Sailor Bridge House Door Mirror Train Island "
    "Desert Forest Valley Morning Evening Night Kingdom Promise Letter Silence Thunder Flower Stone Wire "
    "Engine Colour Circle Arrow Crown Harvest Empire Whisper Fever"
)
GIVEN = _words(
    "Anna Björn Carla Dennis Elena François Greta Héctor Ingrid João Karin Léon Márta Nils Ólafur Petra "
    "Quentin Rosa Søren Teresa Ursula Víctor Wanda Zoë Adam Bessie Clyde Dinah Ernest Frances Gus Hattie"
)
SYLLABLES = _words(
    "ba ber bo cal dan den dor el far fin gar gen hal har hol jan kar kel lan len lin lo mar mel min mor "
    "nel nor ol per pol ra ran ren ros sal sand sel sor tan tel tor val van ver vin wal wen"
)
STOCK = (  # titles that many artists share
    "Intro", "Outro", "Interlude", "Untitled", "Home", "Hallelujah", "Angel", "Alone", "Forever", "Hold On",
    "Summertime", "Don't Go", "Crazy", "Stay", "Runaway", "One", "Breathe", "Yesterday", "Sometimes", "Rain",
)  # fmt: skip
CITIES = (
    "Oslo", "Paris", "London", "Chicago", "Tokyo", "Berlin", "Kraków", "Montréal", "Glasgow", "Roskilde", "Lisbon",
    "São Paulo",
)  # fmt: skip
SCRIPTS = {
    "nordic": _words("Sjö Måne Fjäll Øde Ånd Hjärta Mørke Snø Ljus Blåsk Himmel Drømmer Älv Røst Vår Höst"),
    "german": _words(
        "Nacht Straße Träume Größe Rausch Grün Mädchen Zärtlich Körper Licht Übermut Schön Wände Fluß Gefühl"
    ),
    "french": _words(
        "Été Île Cœur Forêt Déjà Rivière Étoile Poupée Lumière Garçon Château Mélodie Fenêtre Soirée Naïf"
    ),
    "portuguese": _words("Coração Manhã Canção Águas Maré São Você Estação Avião Pássaro Ilusão Ninguém Mãe Céu Lá"),
    "spanish": _words(
        "Corazón Niña Adiós Jardín Canción Mañana Pasión Límite Día Otoño Cielo Último Sueño Árbol Señal"
    ),
    "greek": _words("Νύχτα Θάλασσα Αγάπη Φεγγάρι Καρδιά Δρόμος Ήλιος Βροχή Όνειρο Κόσμος Μάτια Ψυχή Πόλη Ζωή Ουρανός"),
    "cyrillic": _words(
        "Ночь Город Звезда Зима Дорога Небо Окно Время Сердце Река Ветер Солнце Поезд Весна Тишина Дождь"
    ),
    "japanese": _words("夜 東京 桜 星 空 海 恋 夢 花火 未来 風 雨 月 光 さよなら ありがとう カメラ ロケット"),
    "korean": _words("밤 서울 별 하늘 바다 사랑 꿈 미래 바람 비 달 빛 안녕 여름 겨울 노래"),
}
JOINED = {"japanese"}  # written without spaces
