import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopback_core.bundle.catalog_search import CONNECTIONS, MOST_FOUND, SEARCH, CatalogSearch, build_search
from loopback_core.errors import ArtifactError

TRACKS = [
    ("Radiohead", "Creep", 9000),
    ("Radiohead", "Karma Police", 5000),
    ("Radiohead", "Karma Police (Live)", 40),
    ("Björk", "Jóga", 3000),
    ("AC/DC", "Back in Black", 8000),
    ("Guns N' Roses", "Don't Cry", 7000),
    ("!!!", "Heart of Hearts", 300),
    ("P!nk", "So What", 6000),
    ("Pink Floyd", "Time", 9500),
    ("東京事変", "群青日和", 400),
    ("소녀시대", "다시 만난 세계", 50),
    ("Кино", "Группа крови", 900),
    ("คาราบาว", "เมดอินไทยแลนด์", 60),
    ("कैलाश खेर", "तेरी दीवानी", 20),
    ("The Beatles", "Help!", 9900),
    ("Tribute Band", "Creep", 3),
    ("MØ", "Ø", 70),
    ("R.E.M.", "The One I Love", 4000),
    ("Simon & Garfunkel", "Mrs. Robinson", 6500),
    ("Metallica", "One", 9100),
]
ARTISTS = list(dict.fromkeys(artist for artist, _, _ in TRACKS))


def frames(rows: list[tuple[str, str, int]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tracks and the artists of these rows."""
    tracks = pl.DataFrame(
        rows, {"artist_name": pl.String, "track_name": pl.String, "listeners": pl.Int64}, orient="row"
    )
    return tracks, tracks.group_by("artist_name", maintain_order=True).agg(pl.col("listeners").sum())


def search_of(rows: list[tuple[str, str, int]], folder: Path) -> CatalogSearch:
    build_search(*frames(rows), folder)
    return CatalogSearch.open(folder)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return search_of(TRACKS, tmp_path_factory.mktemp("search"))


def artists(search: CatalogSearch, query: str) -> list[str]:
    return [ARTISTS[artist] for artist in search.artists(query, 5)]


def tracks(search: CatalogSearch, query: str) -> list[tuple[str, str]]:
    return [TRACKS[track][:2] for track in search.tracks(query, 5)]


@pytest.mark.parametrize(
    ("query", "artist"),
    [
        ("radiohead", "Radiohead"),
        ("RADIOHEAD", "Radiohead"),
        ("  radiohead\t", "Radiohead"),
        ("r", "Radiohead"),
        ("radioh", "Radiohead"),
        ("radio head", "Radiohead"),
        ("bjork", "Björk"),
        ("BJÖRK", "Björk"),
        ("bjo\u0308rk", "Björk"),
        ("mo", "MØ"),
        ("beatles", "The Beatles"),
        ("the beatl", "The Beatles"),
        ("floyd pink", "Pink Floyd"),
    ],
)
def test_case_accents_spaces_and_an_unfinished_word_do_not_matter(search, query, artist):
    assert artists(search, query)[0] == artist


@pytest.mark.parametrize(
    ("query", "artist"),
    [
        ("ac/dc", "AC/DC"),
        ("acdc", "AC/DC"),
        ("ac dc", "AC/DC"),
        ("ac/d", "AC/DC"),
        ("guns n roses", "Guns N' Roses"),
        ("guns n’ roses", "Guns N' Roses"),
        ("guns and roses", "Guns N' Roses"),
        ("guns'n'roses", "Guns N' Roses"),
        ("!!!", "!!!"),
        ("!!", "!!!"),
        ("p!nk", "P!nk"),
        ("pink", "P!nk"),
        ("pnk", "P!nk"),
        ("rem", "R.E.M."),
        ("r.e.m", "R.E.M."),
        ("simon and garfunkel", "Simon & Garfunkel"),
        ("simon + garfunkel", "Simon & Garfunkel"),
    ],
)
def test_punctuation_is_found_as_it_is_written_and_as_it_is_typed(search, query, artist):
    assert artists(search, query)[0] == artist


@pytest.mark.parametrize(
    ("query", "artist"),
    [
        ("radiohed", "Radiohead"),
        ("radoihead", "Radiohead"),
        ("radiohaedd", "Radiohead"),
        ("radoihea", "Radiohead"),
        ("tadiohead", "Radiohead"),
        ("bjrok", "Björk"),
        ("metalica", "Metallica"),
        ("simon garfunkle", "Simon & Garfunkel"),
        ("группа крви", "Кино"),
    ],
)
def test_one_or_two_wrong_letters_are_forgiven(search, query, artist):
    assert tracks(search, query)[0][0] == artist


@pytest.mark.parametrize("query", ["mo", "tiem", "cry"])
def test_short_words_are_not_corrected_to_others(search, query):
    assert "Time" not in [title for _, title in tracks(search, query + "x")]


@pytest.mark.parametrize(
    ("query", "artist"),
    [
        ("東", "東京事変"),
        ("京事", "東京事変"),
        ("事変", "東京事変"),
        ("시대", "소녀시대"),
        ("кино", "Кино"),
        ("ราบ", "คาราบาว"),
        ("कैलाश", "कैलाश खेर"),
    ],
)
def test_other_scripts_are_found_and_those_without_spaces_by_any_part(search, query, artist):
    assert artists(search, query) == [artist]


@pytest.mark.parametrize(
    "query", ["karma radiohead", "radiohead karm", "police, karma!", "radiohed karma", "karma the radiohead"]
)
def test_words_of_artist_and_title_are_found_in_any_order(search, query):
    assert tracks(search, query) == [("Radiohead", "Karma Police"), ("Radiohead", "Karma Police (Live)")]


@pytest.mark.parametrize("title", ["Rock 'n' Roll", "Rock N Roll", "Rock & Roll", "Rock and Roll"])
@pytest.mark.parametrize("query", ["rock n roll", "rock 'n' rol", "rock and roll", "roll & rock", "rock roll"])
def test_and_is_found_however_it_is_written(tmp_path, title, query):
    search = search_of([("Somebody", title, 1), ("Rock Roller", "N", 9)], tmp_path)
    assert 0 in search.tracks(query, 5).tolist()


def test_a_name_that_is_the_query_comes_first_then_the_popular_ones(search):
    assert tracks(search, "creep") == [("Radiohead", "Creep"), ("Tribute Band", "Creep")]
    assert tracks(search, "karma police (live)")[0] == ("Radiohead", "Karma Police (Live)")
    assert tracks(search, "one") == [("Metallica", "One"), ("R.E.M.", "The One I Love")]
    assert tracks(search, "p") == [
        ("Pink Floyd", "Time"),
        ("P!nk", "So What"),
        ("Radiohead", "Karma Police"),
        ("Radiohead", "Karma Police (Live)"),
    ]


def test_a_popular_name_is_meant_even_where_rare_ones_are_mistyped_like_the_query(tmp_path):
    rows = [(f"Metalica {number}", "Live", 1) for number in range(30)] + [("Metallica", "One", 9100)]
    assert search_of(rows, tmp_path).tracks("metalica", 3).tolist() == [30, 0, 1]


def test_of_equally_popular_names_the_lowest_id_comes_first(tmp_path):
    search = search_of([("A", "Same", 5), ("B", "Same", 5), ("C", "Same", 7), ("D", "Same", 5)], tmp_path)
    assert search.tracks("same", 3).tolist() == [2, 0, 1]


def test_a_word_that_no_name_has_is_left_out(search):
    assert tracks(search, "creep qqqqq radiohead") == [("Radiohead", "Creep")]


@pytest.mark.parametrize("query", ["", "   ", "\0", "\u202e", "\ud800", "zzzz", "qqq www", "🎵", "'", '"', "(", "*"])
def test_a_blank_query_and_one_that_nothing_matches_find_nothing(search, query):
    assert len(search.tracks(query, 10)) == len(search.artists(query, 10)) == 0


@pytest.mark.parametrize(
    "query", ["\ud800radiohead", "radio\u202ehead", "\0radiohead\0", "\u200bradiohead", "radiohead" + " " * 500]
)
def test_invisible_characters_are_left_out(search, query):
    assert artists(search, query) == ["Radiohead"]


@pytest.mark.parametrize(
    "query",
    ["radiohead" + " creep" * 100_000, "a" * 1_000_000, "東" * 100_000, "\ufdfa" * 1000, "!" * 10_000, "a.b" * 1000],
)
def test_a_query_of_any_length_is_answered(search, query):
    assert len(search.tracks(query, 10)) <= 10


@pytest.mark.parametrize(
    ("query", "same_as"),
    [
        ("creep NOT radiohead", "creep radiohead"),
        ("^karma", "karma"),
        ("words : karma", "karma"),
        ("{words} : karma", "karma"),
        ("karma*", "karma"),
        ('"karma" "police"', "karma police"),
        ("(karma OR", "karma"),
        ("'; drop table tracks; -- karma", "karma"),
    ],
)
def test_the_syntax_of_full_text_queries_is_only_text(search, query, same_as):
    assert tracks(search, query) == tracks(search, same_as) != []


@given(query=st.text(st.characters(exclude_categories=()), max_size=60), limit=st.integers(-3, 40))
def test_no_text_raises(search, query, limit):
    found = search.tracks(query, limit)
    assert found.dtype == np.int64
    assert len(set(found.tolist())) == len(found) <= max(limit, 0)


@pytest.mark.parametrize("symbol", [*string.punctuation, "†", "★", "∆"])
def test_a_name_of_symbols_alone_is_found(symbol, tmp_path):
    search = search_of([("Somebody", symbol * 3, 1), ("Somebody", "Else", 9)], tmp_path)
    assert search.tracks(symbol * 3, 5).tolist() == [0]
    assert search.tracks(symbol, 5).tolist() == [0]


def test_a_popular_name_comes_before_all_others_that_begin_with_the_letter(tmp_path):
    rows = [(f"Band {number}", f"Title {number}", number) for number in range(3000)]
    assert search_of(rows, tmp_path).tracks("t", 3).tolist() == [2999, 2998, 2997]


def test_a_word_longer_than_the_indexed_beginnings_is_completed(tmp_path):
    search = search_of([("A", "Remastered", 9), ("A", "Remaster", 5), ("A", "Remastering", 7)], tmp_path)
    assert search.tracks("remaste", 5).tolist() == [0, 2, 1]
    assert search.tracks("remaster", 5).tolist() == [1, 0, 2]


@pytest.mark.parametrize("limit", [-1, 0, 1, 2, 10**9])
def test_no_more_is_found_than_asked_for(search, limit):
    assert len(search.tracks("radiohead", limit)) == min(max(limit, 0), 3)


def test_an_answer_has_a_largest_length(tmp_path):
    assert len(search_of([("A", "B", 1)] * (MOST_FOUND + 5), tmp_path).tracks("b", 10**6)) == MOST_FOUND


def test_an_empty_catalog_and_names_that_are_missing_find_nothing(tmp_path):
    assert len(search_of([], tmp_path).tracks("a", 5)) == 0
    rows = pl.DataFrame({"artist_name": [None, "", "A"], "track_name": [None, "", None], "listeners": [None, 0, 1]})
    build_search(rows, rows.select("artist_name", "listeners"), tmp_path)
    assert CatalogSearch.open(tmp_path).tracks("a", 5).tolist() == [2]


def test_the_same_catalog_gives_the_same_bytes(tmp_path):
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build_search(*frames(TRACKS), tmp_path / name)
        contents.append((tmp_path / name / SEARCH).read_bytes())
    assert contents[0] == contents[1]


def test_opening_and_asking_write_nothing_even_where_nothing_can_be_written(tmp_path):
    build_search(*frames(TRACKS), tmp_path)
    (tmp_path / SEARCH).chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert len(CatalogSearch.open(tmp_path).tracks("creep", 5)) == 2
        assert [path.name for path in tmp_path.iterdir()] == [SEARCH]
    finally:
        tmp_path.chmod(0o700)


def test_threads_get_the_answers_of_one_and_a_removed_folder_is_served_on(tmp_path):
    search = search_of(TRACKS, tmp_path)
    (tmp_path / SEARCH).unlink()
    queries = ["radiohed", "karma", "p", "東京", "acdc back"] * 20
    alone = [search.tracks(query, 5).tolist() for query in queries]
    with ThreadPoolExecutor(3 * CONNECTIONS) as pool:
        assert list(pool.map(lambda query: search.tracks(query, 5).tolist(), queries)) == alone


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_missing_or_damaged_file_ends_in_a_sentence(tmp_path, damage):
    build_search(*frames(TRACKS), tmp_path)
    path = tmp_path / SEARCH
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "other": b"other" * 5000}[damage])
    with pytest.raises(ArtifactError, match="build it again"):
        CatalogSearch.open(tmp_path)
