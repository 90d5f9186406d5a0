"""The page in a real browser, against a service with invented names."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import uvicorn
from fake_api import BUNDLE, ENDLESS, HEBREW, MARKUP, FakeService, create_fake, problem
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="No browser is installed: the page is not tested. Install Debian's chromium, or Google Chrome.",
)
LIKED = "#artist=Karvanfin&track=Silent+Parade&by=Low+Meridian"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
expect.set_options(timeout=4000)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeService, str]]:
    """The service, and its address."""
    service = FakeService()
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_fake(service), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield service, f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def service(served) -> FakeService:
    served[0].reset()
    return served[0]


@pytest.fixture(scope="module")
def window(chromium) -> BrowserContext:
    """What all tests open their tabs in: a page keeps nothing outside of its tab, and a new window takes a second."""
    return chromium.new_context()


@pytest.fixture
def open_page(served, window, service):
    """open_page(fragment) -> a tab; fails at the end when a page has asked elsewhere or the console shows an error."""
    origin = served[1]
    tabs, wrong = [], []

    def watch(request):
        if not request.url.startswith(origin):
            wrong.append(f"asked {request.url}")

    def open_it(fragment="", size=DESKTOP, scheme="light") -> Page:
        tab = window.new_page()
        tabs.append(tab)
        tab.set_viewport_size(size)
        tab.emulate_media(color_scheme=scheme)
        tab.on("request", watch)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        tab.goto(origin + fragment)
        return tab

    open_it.wrong = wrong
    yield open_it
    for tab in tabs:
        tab.close()
    assert wrong == []


def titles(page: Page) -> list[str]:
    """Of the tracks in the list, when the answer to the last change has come."""
    expect(page.locator("#items[aria-busy]")).to_have_count(0)
    expect(page.locator(".item").first).to_be_visible()
    return page.locator(".item .track").all_inner_texts()


def chips(page: Page) -> list[str]:
    return page.locator("#liked .chip-names").all_inner_texts()


def choose_file(page: Page, name: str, content: str | bytes) -> None:
    content = content.encode() if isinstance(content, str) else content
    page.set_input_files("#file", {"name": name, "mimeType": "text/plain", "buffer": content})


# What is liked


def test_suggestions_are_chosen_by_keyboard_alone(open_page, service):
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    field = page.locator("#search")
    expect(field).to_be_focused()
    page.keyboard.type("ka")
    expect(page.get_by_role("option")).to_have_count(7)  # the artist, and six of the tracks
    assert field.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    active = page.locator(f"#{field.get_attribute('aria-activedescendant')}")
    assert active.get_attribute("aria-selected") == "true"
    assert "Karvanfin" in active.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".item")).to_have_count(10)
    expect(field).to_be_focused()
    assert chips(page) == ["Karvanfin"]

    page.keyboard.type("silent")
    expect(page.get_by_role("option")).to_have_count(6)
    page.keyboard.press("ArrowUp")  # the last
    page.keyboard.press("Enter")
    expect(page.locator("#liked .chip")).to_have_count(2)
    titles(page)
    assert service.asked[-1]["history"] == [
        {"artist": "Karvanfin"},
        {"artist": "Velvet Static", "track": "Silent Parade"},
    ]


def test_a_track_with_all_words_comes_before_artists_with_one_of_them(open_page):
    page = open_page()
    page.fill("#search", "silent pale")
    expect(page.get_by_role("option")).to_have_count(2)  # The Pale Harbour, and Silent Parade by them
    page.keyboard.press("Enter")
    expect(page.locator("#liked .chip")).to_have_count(1)
    assert "Silent Parade" in chips(page)[0]


def test_escape_closes_the_suggestions_and_then_empties_the_field(open_page):
    page = open_page()
    page.fill("#search", "ferry")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    assert page.input_value("#search") == "ferry"
    page.keyboard.press("Escape")
    assert page.input_value("#search") == ""


def test_an_unknown_name_has_no_suggestions_and_a_sentence(open_page):
    page = open_page()
    page.fill("#search", "qqq")
    expect(page.locator("#no-match")).to_contain_text("Nothing here is called")


def test_a_late_answer_does_not_replace_the_suggestions_of_what_was_typed_since(open_page):
    page = open_page()
    held = []
    page.route("**/v1/artists?q=tam*", lambda route: held.append(route))
    page.fill("#search", "tam")
    page.wait_for_timeout(300)
    page.fill("#search", "copper")
    expect(page.get_by_role("option").first).to_contain_text("Copper Age")
    held[0].abort()
    expect(page.get_by_role("option").first).to_contain_text("Copper Age")
    open_page.wrong.clear()  # the browser reports the request that was aborted


def test_popular_artists_are_a_way_to_begin(open_page):
    page = open_page()
    page.get_by_role("button", name="Ilse Marten").click()
    titles(page)
    assert chips(page) == ["Ilse Marten"]


def test_a_removed_chip_comes_back_by_undo(open_page):
    page = open_page(LIKED)
    page.get_by_role("button", name="Remove").first.click()
    expect(page.locator("#liked .chip")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#liked .chip")).to_have_count(2)


# The list


def test_the_list_has_reasons_the_time_and_the_model(open_page):
    page = open_page(LIKED)
    assert len(titles(page)) == 10
    reasons = page.locator(".reason").all_inner_texts()
    assert len(reasons) == 10
    assert reasons[2] == "You often play Low Meridian"
    assert page.locator("#meta").inner_text() == "12 ms · model 3f9a1c07"
    expect(page.locator("#status")).to_have_text("10 tracks.")


def test_not_this_hides_a_track_and_undo_or_the_list_of_hidden_tracks_brings_it_back(open_page, service):
    page = open_page(LIKED)
    before = titles(page)
    page.get_by_role("button", name="Not this").nth(2).click()
    expect(page.locator("#hidden-count")).to_have_text("Hidden: 1 track")
    assert titles(page)[2] == before[3]
    assert len(service.asked[-1]["exclude"]["tracks"]) == 1
    expect(page.locator(".item").nth(2).get_by_role("button", name="Not this")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#hidden-tracks")).to_be_hidden()
    assert titles(page) == before

    page.get_by_role("button", name="Not this").first.click()
    page.locator("#hidden-count").click()
    page.get_by_role("button", name="Show again").click()
    expect(page.locator("#hidden-tracks")).to_be_hidden()
    assert titles(page) == before


def test_more_like_this_adds_the_track_to_what_is_liked(open_page, service):
    page = open_page("#artist=Karvanfin")
    first = titles(page)[0]
    page.get_by_role("button", name="More like this").first.click()
    expect(page.locator("#liked .chip")).to_have_count(2)
    expect(page.locator("#toast")).to_contain_text(f"More like {first}")
    titles(page)
    assert service.asked[-1]["history"][-1]["track"] == first
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#liked .chip")).to_have_count(1)


def test_the_task_and_the_slider_change_the_request(open_page, service):
    page = open_page(LIKED)
    titles(page)
    assert service.asked[-1]["task"] == "discovery"
    assert "familiarity" not in service.asked[-1]
    page.get_by_label("Next listen").check()
    expect(page.locator("#answer-heading")).to_have_text("To hear next")
    titles(page)
    assert service.asked[-1]["task"] == "next_listen"
    with page.expect_response("**/v1/recommendations"):
        page.get_by_label("Familiar or new").fill("2")
    assert service.asked[-1]["familiarity"] == 0.8
    with page.expect_response("**/v1/recommendations"):
        page.get_by_role("button", name="Reset").click()
    assert "familiarity" not in service.asked[-1]


def test_show_more_asks_for_ten_more(open_page, service):
    page = open_page(LIKED)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".item")).to_have_count(20)
    assert service.asked[-1]["k"] == 20


# The address


def test_the_address_shows_the_same_list_in_a_new_tab_and_back_undoes(open_page):
    page = open_page(LIKED)
    before = titles(page)
    page.get_by_label("Next listen").check()
    expect(page.locator("#answer-heading")).to_have_text("To hear next")
    with page.expect_response("**/v1/recommendations"):
        page.get_by_label("Familiar or new").fill("4")
    page.get_by_role("button", name="Not this").first.click()
    expect(page.locator("#hidden-count")).to_have_text("Hidden: 1 track")
    page.wait_for_url("**familiarity=0.6**")  # written after the answer
    shared, address = titles(page), urlsplit(page.url)
    assert parse_qs(address.fragment)["familiarity"] == ["0.6"]

    other = open_page("#" + address.fragment)
    assert titles(other) == shared
    assert chips(other) == chips(page)
    expect(other.get_by_label("Next listen")).to_be_checked()
    expect(other.locator("#hidden-count")).to_have_text("Hidden: 1 track")

    for _ in range(3):
        page.go_back()
    expect(page.locator("#answer-heading")).to_have_text("To discover")
    assert titles(page) == before
    page.go_forward()
    expect(page.locator("#answer-heading")).to_have_text("To hear next")


def test_hidden_tracks_stay_hidden_when_another_model_is_served(open_page, service):
    page = open_page(LIKED)
    name = titles(page)[0]
    page.get_by_role("button", name="Not this").first.click()
    expect(page.locator("#hidden-count")).to_have_text("Hidden: 1 track")
    titles(page)
    (old_id,) = service.asked[-1]["exclude"]["tracks"]
    service.shift, service.bundle["version"] = 1000, "77aa000000000000"
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#meta")).to_contain_text("77aa0000")
    assert service.asked[-1]["exclude"]["tracks"] == [old_id + 1000]
    assert f"hide={name.replace(' ', '+')}" in page.url
    open_page.wrong.clear()  # the browser reports that the other model lacks the old id


@pytest.mark.parametrize(
    "fragment", ["#artist=&track=x&k=-1&familiarity=7&task=no&id=5&hide", "#%E0%A4%A", "#by=x&file=0"]
)
def test_an_address_that_says_nothing_useful_shows_the_start(open_page, fragment):
    page = open_page(fragment)
    expect(page.locator("#start")).to_be_visible()
    expect(page.locator("#failure")).to_be_hidden()


# The file

LISTENS = [
    {"artist": "Tambora", "track": "Embers", "time": "2021-01-01T00:38:00Z"},
    {"artist": "Night Ferry", "track": "Open, Window", "time": "2021-01-02T10:05:00Z"},
]
EXPORTS = {
    "lastfm.tsv": "u1\t2021-01-02T10:05:00Z\t\tNight Ferry\t\tOpen, Window\nu1\t2021-01-01T00:38:00Z\t\tTambora\t\tEmbers\n",
    "personal.csv": 'Tambora,Album,Embers,01 Jan 2021 00:38\nNight Ferry,Album,"Open, Window",02 Jan 2021 10:05\n',
    "header.csv": '"uts","utc_time","artist","artist_mbid","album","track"\r\n'
    '"1609461480","01 Jan 2021, 00:38","Tambora","","Al","Embers"\r\n"1609581900","","Night Ferry","","Al","Open, Window"\r\n',
    "excel.csv": "\ufeffuser_id;timestamp;artist_name;track_name\r\n"
    "u1;2021-01-01 00:38:00 UTC;Tambora;Embers\r\nu1;2021-01-02T11:05:00+01:00;Night Ferry;Open, Window\r\n",
    "listenbrainz.jsonl": "\n".join(
        json.dumps({"listened_at": at, "track_metadata": {"artist_name": artist, "track_name": track}})
        for at, artist, track in [(1609461480, "Tambora", "Embers"), (1609581900, "Night Ferry", "Open, Window")]
    ),
    "StreamingHistory0.json": json.dumps(
        [
            {"endTime": "2021-01-01 00:38", "artistName": "Tambora", "trackName": "Embers", "msPlayed": 1000},
            {"endTime": "2021-01-02 10:05", "artistName": "Night Ferry", "trackName": "Open, Window", "msPlayed": 1000},
        ]
    ),
    "endsong_0.json": json.dumps(
        [
            {"ts": ts, "master_metadata_track_name": track, "master_metadata_album_artist_name": artist}
            for ts, artist, track in [
                ("2021-01-01T00:38:00Z", "Tambora", "Embers"),
                ("2021-01-01T00:50:00Z", None, None),  # an episode of a podcast
                ("2021-01-02T10:05:00Z", "Night Ferry", "Open, Window"),
            ]
        ]
    ),
    ".scrobbler.log": "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/Rockbox\n"
    "Tambora\tAl\tEmbers\t1\t181\tL\t1609461480\t\nTambora\tAl\tSkipped\t1\t181\tS\t1609461481\t\n"
    "Night Ferry\tAl\tOpen, Window\t1\t181\tL\t1609581900\t\n",
}
EXPORTS["utf16.csv"] = EXPORTS["excel.csv"].encode("utf-16")
EXPORTS["milliseconds.csv"] = (
    'time,artist,track\n1609461480000,Tambora,Embers\n1609581900000,Night Ferry,"Open, Window"\n'
)


def test_exports_are_read_in_the_browser(open_page, service):
    page = open_page()
    for name, content in EXPORTS.items():
        service.asked.clear()
        choose_file(page, name, content)
        expect(page.locator("#file-read")).to_contain_text(name)
        titles(page)
        assert service.asked[-1]["history"] == LISTENS, name
        expect(page.locator("#file-read")).to_contain_text("2 listens, Jan 2021.")
        assert urlsplit(page.url).fragment == "file=2"


def test_a_quote_that_is_not_closed_belongs_to_the_title(open_page, service):
    rows = 'artist,track,time\nA,"Heroes,2021-01-01T00:00:00Z\nB,Blue (7" Mix),2021-01-01T00:05:00Z\nC,"Say ""hi""",2021-01-01T00:10:00Z\n'
    page = open_page()
    choose_file(page, "plays.csv", rows)
    expect(page.locator("#file-read")).to_contain_text("3 listens")
    titles(page)
    assert [listen["track"] for listen in service.asked[-1]["history"]] == ['"Heroes', 'Blue (7" Mix)', 'Say "hi"']


def test_a_file_is_dropped_anywhere_on_the_page(open_page):
    page = open_page("#artist=Karvanfin")
    titles(page)
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.items.add(new File([text], "plays.tsv"));
          document.querySelector("#items").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        EXPORTS["lastfm.tsv"],
    )
    expect(page.locator("#file-read")).to_contain_text("plays.tsv")


def test_the_last_5000_listens_are_sent_and_the_page_says_so(open_page, service):
    rows = [f"A,Song {n},{1_600_000_000 + n}" for n in range(5003)]
    page = open_page()
    choose_file(page, "plays.csv", "artist,track,time\nA,No time,\n" + "\n".join(rows))
    expect(page.locator("#file-read")).to_contain_text("5,003 listens")
    expect(page.locator("#file-read")).to_contain_text("The last 5,000 are sent. 1 row could not be read.")
    titles(page)
    history = service.asked[-1]["history"]
    assert (len(history), history[0]["track"], history[-1]["track"]) == (5000, "Song 3", "Song 5002")


BAD = {
    "notes.txt": ("Milk, bread and butter\n", "is not an export that this page can read"),
    "empty.csv": ("", "is empty"),
    "export.zip": (b"PK\x03\x04rest", "is an archive. Unpack it"),
    "photo.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "is not a text file"),
    "all.tsv": ("u1\t2021-01-01T00:00:00Z\t\tA\t\tS\nu2\t2021-01-01T00:00:00Z\t\tA\t\tS\n", "the listens of 2 people"),
    "twice.csv": ("artist,track,artist\nA,S,B\n", "two columns named artist"),
    "times.csv": ("artist,track,time\nA,S,yesterday\n", "holds no listen that can be read"),
    "other.json": ('{"playlists": []}', "holds no listen that can be read"),
}


def test_a_file_that_cannot_be_used_gives_a_sentence(open_page):
    page = open_page()
    for name, (content, sentence) in BAD.items():
        choose_file(page, name, content)
        expect(page.locator("#file-problem")).to_contain_text(sentence)
        expect(page.locator("#file-problem")).to_contain_text(name)
        expect(page.locator("#start")).to_be_visible()


def test_an_address_made_with_a_file_asks_for_the_file_elsewhere_and_not_after_a_reload(open_page, service):
    page = open_page()
    choose_file(page, "plays.tsv", EXPORTS["lastfm.tsv"])
    before = titles(page)
    page.reload()
    assert titles(page) == before
    other = open_page("#" + urlsplit(page.url).fragment)
    expect(other.locator("#file-read")).to_contain_text("made with a file of 2 listens")
    expect(other.locator("#start")).to_be_visible()
    choose_file(other, "copy.tsv", EXPORTS["lastfm.tsv"])
    assert titles(other) == before
    other.get_by_role("button", name="Remove copy.tsv").click()
    expect(other.locator("#drop-prompt")).to_be_visible()


# What goes wrong


def test_a_problem_of_the_service_is_shown_as_its_sentence(open_page, service):
    service.failures = [lambda: problem(422, "k is 10; ask for fewer <b>tracks</b>.")]
    page = open_page(LIKED)
    expect(page.locator("#failure")).to_contain_text("k is 10; ask for fewer <b>tracks</b>.")
    page.get_by_role("button", name="Try again").click()
    titles(page)
    expect(page.locator("#failure")).to_be_hidden()
    open_page.wrong.clear()  # the browser reports the status 422


def test_a_service_that_restarts_is_asked_again(open_page, service):
    page = open_page(LIKED)
    titles(page)
    page.context.set_offline(True)
    page.get_by_label("Next listen").check()
    expect(page.locator("#failure")).to_contain_text("You are offline.")
    page.context.set_offline(False)
    expect(page.locator("#failure")).to_be_hidden()
    service.failures = [lambda: problem(503, "The model is being loaded.", **{"Retry-After": "1"})]
    page.get_by_label("Discovery").check()
    expect(page.locator("#failure")).to_contain_text("The model is being loaded.")
    expect(page.locator("#failure")).to_be_hidden()
    open_page.wrong.clear()  # the browser reports what failed


def test_a_service_with_keys_asks_for_one(open_page, service):
    service.key = "secret"
    page = open_page(LIKED)
    page.get_by_label("API key").fill("secret")
    page.get_by_role("button", name="Use this key").click()
    titles(page)
    assert "secret" not in page.url
    open_page.wrong.clear()  # the browser reports the status 401


def test_names_that_are_not_in_the_catalog_are_named(open_page):
    page = open_page("#artist=Karvanfin&artist=Nobody+%3Ci%3E")
    titles(page)
    expect(page.locator("#remarks")).to_have_text("Not in this catalog: Nobody <i>.")
    page = open_page("#artist=Nobody")
    titles(page)
    expect(page.locator("#remarks")).to_contain_text("these tracks are popular here")


# How it looks


def test_names_are_text_in_their_own_direction_whatever_they_hold(open_page):
    page = open_page(f"#track={HEBREW}&by={ENDLESS}")
    page.fill("#search", "sons")
    option = page.get_by_role("option").first
    expect(option).to_contain_text(MARKUP)
    option.click()
    expect(page.locator("#liked .chip")).to_have_count(2)
    titles(page)
    assert MARKUP in " ".join(page.locator(".reason").all_inner_texts())
    assert page.locator("img").count() == 1  # the sign of the page
    assert page.title() != "broken"
    for name in page.locator("bdi").all():
        assert name.get_attribute("dir") == "auto"


@pytest.mark.parametrize("fragment", ["", f"#artist={ENDLESS}{ENDLESS}&track=Embers&by={quote(MARKUP)}", "#model"])
def test_a_phone_does_not_scroll_sideways(open_page, fragment):
    page = open_page(fragment, PHONE)
    expect(page.locator(".item, #popular-artists li, .verdict").first).to_be_visible()
    assert not page.evaluate(SCROLLS_SIDEWAYS)
    page.set_viewport_size({"width": 320, "height": 600})  # what a zoom of 400 % leaves of a desktop
    assert not page.evaluate(SCROLLS_SIDEWAYS)


def test_what_is_touched_on_a_phone_is_44_pixels_high(open_page):
    page = open_page(LIKED, PHONE)
    titles(page)
    page.get_by_role("button", name="Not this").first.click()
    expect(page.locator("#toast")).to_be_visible()
    for target in page.locator("button:visible, input:visible:not([type=radio]), label.task, nav a, summary").all():
        assert target.bounding_box()["height"] >= 44, target.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(open_page, scheme):
    page = open_page(LIKED, scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(251, 250, 248)", "dark": "rgb(21, 20, 18)"}[scheme]


# The model


def test_the_model_view_shows_verdicts_age_and_report(open_page):
    page = open_page(LIKED)
    titles(page)
    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.locator(".verdict")).to_have_count(3)
    expect(page.locator("#model-view h1")).to_be_focused()
    assert page.url.endswith("#model")
    view = page.locator("#model-view")
    expect(view).to_contain_text("Built 3 days ago from 300,000 listens of 1,000 people.")
    expect(view).to_contain_text("It knows 114 tracks by 19 artists.")
    expect(view).to_contain_text("+0.0183 nDCG@10, from +0.0137 to +0.0229, against session_itemknn")
    expect(view).to_contain_text("fitted again on all listens")
    expect(view).to_contain_text(BUNDLE["version"])
    assert page.locator(".chart").count() == 2  # the third task has no interval
    page.get_by_role("link", name="Listen").click()
    assert len(titles(page)) == 10
    page.go_back()
    page.get_by_role("link", name="Read the report").click()
    expect(page).to_have_title("Evaluation")


def test_a_model_that_was_not_measured_says_so(open_page, service):
    service.bundle |= {"evaluated": None, "report": None, "age_days": 0.2}
    page = open_page("#model")
    expect(page.locator("#model-view")).to_contain_text("was not compared with anything")
    expect(page.locator("#model-view")).to_contain_text("Built 5 hours ago")
    expect(page.get_by_role("link", name="Read the report")).to_have_count(0)
