"""What the API answers, over a planted log: 60 users, 40 artists of 5 tracks, names such as "group 2 artist 3", "track 17"."""

from dataclasses import replace

import pytest
from planted_artifacts import DIVERSITY

from loopback_core.serving.answering import answer
from loopback_core.serving.api.request_models import MOST_LISTENS_OF_BATCH
from loopback_core.serving.prepared import Asked, PreparedListeners
from loopback_core.serving.question import Question


def played(group, *tracks):
    """Listens to tracks of a group, without a time."""
    return [{"artist": f"group {group} artist {track // 5}", "track": f"track {track}"} for track in tracks]


LISTENER = {"history": played(0, 5, 6, 21)}


def ask(client, **request):
    answer = client.post("/v1/recommendations", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def titles(answer):
    return [(item["artist_name"], item["track_name"]) for item in answer["items"]]


def track_id(client, name):
    return client.get("/v1/tracks", params={"q": " ".join(name), "limit": 1}).json()["items"][0]["track"]


# Recommendations


def test_an_answer_names_tracks_scores_reasons_the_bundle_and_the_time_of_each_stage(reading):
    answer = ask(reading, **LISTENER, k=7)
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5, 6, 7]
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    expected = {"rank", "track", "artist", "artist_name", "track_name", "track_mbid", "artist_mbid", "score", "reason"}
    assert all(set(item) == expected and item["reason"] for item in answer["items"])
    assert (answer["task"], answer["unknown"], answer["fallback"]) == ("discovery", [], None)
    assert answer["bundle"] == reading.get("/v1/bundle").json()["version"]
    assert list(answer["milliseconds"]) == ["lookup", "encode", "rank", "describe", "total"]
    assert answer["milliseconds"]["total"] == pytest.approx(sum(list(answer["milliseconds"].values())[:-1]), abs=0.01)


def test_discovery_leaves_out_what_was_played_and_next_listen_does_not(reading):
    heard = {(one["artist"], one["track"]) for one in LISTENER["history"]}
    assert not heard & set(titles(ask(reading, **LISTENER, k=200)))
    answer = ask(reading, **LISTENER, k=200, task="next_listen")
    assert heard <= set(titles(answer)) and answer["task"] == "next_listen"


def test_a_user_of_the_log_is_answered_from_their_history(reading):
    answer = ask(reading, user_id="user_01", task="next_listen", k=20)
    assert answer["fallback"] is None
    assert {artist.split()[1] for artist, _ in titles(answer)} == {"1"}  # the group whose tracks they play
    assert answer["items"][0]["reason"] == "You played it 2 times"


def test_an_unknown_user_without_a_history_gets_what_most_listen_to_and_is_told_so(reading):
    answer = ask(reading, user_id="nobody", k=200)
    assert answer == {**ask(reading, k=200), "milliseconds": answer["milliseconds"]}
    assert answer["fallback"] == "popular"
    listeners = [item["score"] for item in answer["items"]]
    assert listeners == sorted(listeners, reverse=True) and len(listeners) == 200
    assert answer["items"][0]["reason"] == f"Popular: {int(listeners[0])} listeners"


def test_unknown_listens_are_listed_and_count_by_their_artist_where_that_is_known(reading):
    of_artist = {"artist": "group 3 artist 2", "track": "a new one"}
    answer = ask(reading, history=[of_artist, {"artist": "Nobody", "track": "Nothing"}], k=5)
    assert answer["unknown"] == [
        {**of_artist, "counted_by_artist": True},
        {"artist": "Nobody", "track": "Nothing", "counted_by_artist": False},
    ]
    assert answer["fallback"] is None
    assert titles(answer)[0][0] == "group 3 artist 2"  # the towers are untrained: what was played says most
    assert answer["items"][0]["reason"] == "Also by group 3 artist 2"
    again = ask(reading, history=[{"artist": "group 3 artist 2"}], k=5)  # the artist alone
    assert (titles(again), again["unknown"]) == (titles(answer), [])
    only_unknown = ask(reading, history=[{"artist": "Nobody", "track": "Nothing"}])
    assert only_unknown["fallback"] == "popular" and len(only_unknown["unknown"]) == 1


def test_a_history_is_newer_than_what_is_known_of_its_user(reading):
    heard = played(2, 0)
    both = ask(reading, user_id="user_01", history=heard, k=200, task="discovery")
    assert ("group 2 artist 0", "track 0") not in titles(both)
    alone = ask(reading, user_id="user_01", k=200)
    assert set(titles(alone)) - set(titles(both)) == {("group 2 artist 0", "track 0")}


def test_excluded_tracks_and_artists_are_left_out_and_the_list_stays_as_long(reading):
    first = ask(reading, **LISTENER, k=10)["items"]
    exclude = {"tracks": [first[0]["track"]], "artists": [first[1]["artist"]]}
    answer = ask(reading, **LISTENER, k=10, exclude=exclude)
    assert len(answer["items"]) == 10
    assert first[0]["track"] not in [item["track"] for item in answer["items"]]
    assert first[1]["artist"] not in [item["artist"] for item in answer["items"]]
    popular = ask(reading, k=200, exclude=exclude)["items"]
    assert first[0]["track"] not in [item["track"] for item in popular]
    assert {item["artist"] for item in popular} == set(range(40)) - {first[1]["artist"]}


def test_only_some_artists_may_be_asked_for_and_their_tracks_are_ranked_as_in_the_whole_list(reading):
    whole = ask(reading, **LISTENER, k=200)["items"]
    artists = [whole[-1]["artist"], whole[50]["artist"], whole[50]["artist"]]
    answer = ask(reading, **LISTENER, k=200, only={"artists": artists})["items"]
    assert [item["track"] for item in answer] == [item["track"] for item in whole if item["artist"] in artists]
    assert {item["artist"] for item in ask(reading, only={"artists": artists[:1]})["items"]} == {artists[0]}
    assert ask(reading, **LISTENER, only={"artists": []})["items"] == []
    assert ask(reading, only={"artists": []})["items"] == []


def test_only_tracks_first_heard_after_a_day_may_be_asked_for(reading):
    """Every track of the planted log was first heard on 2008-01-02."""
    for who in (LISTENER, {}):
        assert len(ask(reading, **who, only={"first_heard_after": "2008-01-01"})["items"]) == 10
        assert ask(reading, **who, only={"first_heard_after": "2008-01-02"})["items"] == []


def test_the_time_of_the_request_leaves_out_what_came_later(reading):
    """user_01 began to listen on 2008-01-02."""
    assert ask(reading, user_id="user_01", at="2008-01-01T12:00:00Z")["fallback"] == "popular"
    early = ask(reading, user_id="user_01", at="2008-01-02T00:05:00Z", k=200)
    late = ask(reading, user_id="user_01", k=200)
    assert early["fallback"] is None
    assert len(early["items"]) > len(late["items"])


def test_a_listen_without_a_time_counts_as_one_of_the_latest(reading):
    untimed = played(2, 0, 1, 2)
    timed = [{**one, "time": f"2009-01-01T00:0{4 * n}:00Z"} for n, one in enumerate(untimed)]
    at = "2009-01-01T00:08:00Z"
    assert ask(reading, history=untimed, at=at)["items"] == ask(reading, history=timed, at=at)["items"]


def test_a_track_is_known_by_its_musicbrainz_id_or_its_name(reading):
    """The planted log has no ids: a listen with one counts by its names, and by its artist where only that is known."""
    heard = {**played(0, 5)[0], "track_mbid": "f3b6e0ee-0b9c-4b4e-9f2f-000000000000"}
    assert ask(reading, history=[heard])["items"] == ask(reading, history=played(0, 5))["items"]
    answer = ask(reading, history=[{"track_mbid": heard["track_mbid"]}])
    assert answer["unknown"] == [{"artist": "", "track": heard["track_mbid"], "counted_by_artist": False}]


@pytest.mark.parametrize("more", [{}, {"task": "next_listen"}, {"familiarity": 0.5}, {"familiarity": 1}])
def test_the_parts_of_a_score_add_up_to_it(reading, more):
    for item in ask(reading, user_id="user_07", k=20, explain=True, **more)["items"]:
        assert set(item["parts"]) == {"towers", "popularity", "prior", "related", "ranker"}
        assert sum(item["parts"].values()) == pytest.approx(item["score"], abs=1e-3)


def test_an_explained_list_is_the_same_list(reading):
    explained = ask(reading, **LISTENER, explain=True)["items"]
    assert [{**item, "parts": None} for item in explained] == [
        {**item, "parts": None} for item in ask(reading, **LISTENER)["items"]
    ]
    assert "parts" not in ask(reading, explain=True)["items"][0]  # the popular ones have no parts


def test_diversity_brings_more_artists_and_every_track_keeps_its_score(reading):
    plain = ask(reading, **LISTENER, k=100)["items"]
    diverse = ask(reading, **LISTENER, k=100, diversity=0.8)["items"]
    assert {item["track"]: item["score"] for item in plain} == {item["track"]: item["score"] for item in diverse}
    artists = [len({item["artist"] for item in items[:10]}) for items in (plain, diverse)]
    assert artists[0] < artists[1]
    assert (
        ask(reading, **LISTENER, diversity=0)["items"] == plain[:10]
    )  # no two planted titles are versions of one work


def test_who_is_not_known_may_ask_for_a_diverse_list_too(reading):
    plain, diverse = (ask(reading, k=200, **more)["items"] for more in ({}, {"diversity": 0.9}))
    assert sorted(item["score"] for item in diverse) == sorted(item["score"] for item in plain)
    assert [item["track"] for item in diverse] != [item["track"] for item in plain]
    mixed = ask(reading, **LISTENER, k=20, familiarity=0.5, diversity=0.9)["items"]
    assert len({item["track"] for item in mixed}) == 20


def test_a_bundle_may_say_that_lists_are_shown_re_ranked(reading, reading_bundle):
    shown = replace(reading_bundle, bundle=replace(reading_bundle.bundle, rerank=True), lists={})
    items = answer(PreparedListeners(shown), [Asked(Question("user_01", k=20))])[0].items
    wished = ask(reading, user_id="user_01", k=20, diversity=DIVERSITY)["items"]
    assert [item.track for item in items] == [item["track"] for item in wished]
    assert [item.track for item in items] != [item["track"] for item in ask(reading, user_id="user_01", k=20)["items"]]


@pytest.mark.parametrize(("familiarity", "known"), [(0, 0), (0.3, 6), (0.5, 10), (1, 20)])
def test_familiarity_is_the_share_of_tracks_that_the_user_knows(reading, familiarity, known):
    """user_02 has played all 50 tracks of group 2."""
    answer = ask(reading, user_id="user_02", k=20, familiarity=familiarity)
    assert len(set(titles(answer))) == 20
    assert sum(artist.startswith("group 2 ") for artist, _ in titles(answer)) == known


def test_familiarity_is_filled_up_with_the_rest_where_too_little_is_known(reading):
    answer = ask(reading, **LISTENER, k=20, familiarity=1)
    heard = {(one["artist"], one["track"]) for one in LISTENER["history"]}
    assert len(answer["items"]) == 20 and heard < set(titles(answer))


def test_a_list_is_the_head_of_a_longer_one_and_ends_with_the_catalog(reading):
    whole = titles(ask(reading, **LISTENER, task="next_listen", k=1000))
    assert len(whole) == 200
    assert titles(ask(reading, **LISTENER, task="next_listen", k=3)) == whole[:3]


def test_a_user_id_is_read_in_the_normal_form_of_the_ingest(reading):
    answer = ask(reading, user_id="\t user_01 ")
    assert answer["items"] == ask(reading, user_id="user_01")["items"] and answer["fallback"] is None
    assert ask(reading, user_id="USER_01")["fallback"] == "popular"  # upper and lower case are kept apart


def test_names_match_in_the_normal_form_of_the_ingest(reading):
    spaced = [{name: f"  {text}\t" for name, text in one.items()} for one in LISTENER["history"]]
    assert ask(reading, history=spaced)["items"] == ask(reading, **LISTENER)["items"]


def test_a_batch_gives_the_answers_of_its_requests_one_by_one(reading):
    requests = [
        {**LISTENER, "k": 5, "explain": True},
        {"user_id": "user_03", "task": "next_listen"},
        {},
        {"user_id": "user_04", "familiarity": 0.5, "exclude": {"artists": [3]}},
        {"history": [{"artist": "Nobody", "track": "x"}], "only": {"artists": [1, 2]}},
        {"user_id": "user_03", "at": "2008-01-02T00:05:00Z"},
    ]
    batch = reading.post("/v1/recommendations:batch", json={"requests": requests}).json()
    assert len(batch["answers"]) == 6 and "total" in batch["milliseconds"]
    for request, together in zip(requests, batch["answers"], strict=True):
        alone = ask(reading, **request)
        for item, again in zip(together.pop("items"), alone.pop("items"), strict=True):
            assert item.pop("score") == pytest.approx(again.pop("score"), abs=1e-4)
            assert item.pop("parts", {}) == pytest.approx(again.pop("parts", {}), abs=1e-3)
            assert item == again
        assert {**together, "milliseconds": 0} == {**alone, "milliseconds": 0}


# The catalog


def test_tracks_and_artists_are_found_as_people_type_them(reading):
    (first, *_) = reading.get("/v1/tracks", params={"q": "Group 2 Artist 3 TRACK 17"}).json()["items"]
    assert (first["artist_name"], first["track_name"]) == ("group 2 artist 3", "track 17")
    assert set(first) == {
        *("track", "artist", "artist_name", "track_name", "track_mbid", "artist_mbid", "listeners"),
    }
    assert 1 <= first["listeners"] <= 15  # of the group
    (artist, *_) = reading.get("/v1/artists", params={"q": "grop 2 artist 3", "limit": 3}).json()["items"]
    assert (artist["artist_name"], artist["artist"]) == ("group 2 artist 3", first["artist"])
    assert len(reading.get("/v1/tracks", params={"q": "group", "limit": 100}).json()["items"]) == 100
    assert reading.get("/v1/tracks", params={"q": "  "}).json() == {"items": []}


def test_a_track_and_an_artist_are_looked_up_by_id(reading):
    track = reading.get("/v1/tracks", params={"q": "group 1 artist 0 track 4"}).json()["items"][0]
    assert reading.get(f"/v1/tracks/{track['track']}").json() == track
    artist = reading.get(f"/v1/artists/{track['artist']}").json()
    assert artist["artist_name"] == "group 1 artist 0" and artist["listeners"] > 0


def test_neighbours_are_other_tracks_and_artists_by_their_cosine(reading):
    for kind in ("track", "artist"):
        near = reading.get(f"/v1/{kind}s/7/similar", params={"k": 12}).json()["items"]
        scores = [item["score"] for item in near]
        assert len({item[kind] for item in near} - {7}) == 12
        assert scores == sorted(scores, reverse=True) and -1 <= scores[-1] <= scores[0] <= 1 + 1e-6
    assert len(reading.get("/v1/tracks/7/similar", params={"k": 1000}).json()["items"]) == 199


def test_the_bundle_says_what_it_was_made_from(reading):
    bundle = reading.get("/v1/bundle").json()
    assert (bundle["tracks"], bundle["users"], bundle["refit"], bundle["report"]) == (200, 60, "none", None)
    assert (bundle["rerank"], bundle["diversity"]["discovery"]) == (False, DIVERSITY)
    assert set(bundle["reranking"]) == set(bundle["diversity"]) and bundle["reranking"]["discovery"] == "mmr"
    assert 0 <= bundle["age_days"] < 1 and bundle["last_listen"].startswith("2008-07-")


# Wrong requests


def is_problem(answer, status, field):
    """Of the one shape of errors, RFC 9457."""
    body = answer.json()
    return (
        answer.headers["content-type"] == "application/problem+json"
        and (answer.status_code, body["status"], body.get("field")) == (status, status, field)
        and set(body) <= {"type", "title", "status", "detail", "field"}
        and body["detail"].endswith(".")
        and bool(body["title"])
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"k": 0}, "k"),
        ({"k": 1001}, "k"),
        ({"k": "many"}, "k"),
        ({"task": "dance"}, "task"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": " \t"}, "user_id"),
        ({"user_id": "a\0b"}, "user_id"),
        ({"user_id": "x" * 201}, "user_id"),
        ({"history": [{}]}, "history.0"),
        ({"history": [{"track": "without an artist"}]}, "history.0"),
        ({"history": [{"artist": "a"}, {"artist": 7}]}, "history.1.artist"),
        ({"history": [{"artist": "x" * 1001}]}, "history.0.artist"),
        ({"history": [{"artist": "a", "time": "yesterday"}]}, "history.0.time"),
        ({"history": [{"artist": "a", "time": "1969-12-31T23:59:59Z"}]}, "history.0.time"),
        ({"history": [{"artist": "a", "time": "2100-01-01"}]}, "history.0.time"),
        ({"history": [{"artist": "a", "album": "b"}]}, "history.0.album"),
        ({"history": [{"artist": "a"}] * 20_001}, "history"),
        ({"exclude": {"tracks": [-1]}}, "exclude.tracks.0"),
        ({"exclude": {"tracks": [200]}}, "exclude.tracks"),
        ({"exclude": {"artists": [0, 40]}}, "exclude.artists"),
        ({"exclude": {"tracks": [1] * 10_001}}, "exclude.tracks"),
        ({"only": {"artists": [99]}}, "only.artists"),
        ({"only": {"first_heard_after": "soon"}}, "only.first_heard_after"),
        ({"at": "2008-13-01"}, "at"),
        ({"at": "2008-01-01", "history": [{"artist": "a", "time": "2008-01-02"}]}, "at"),
        ({"familiarity": 1.01}, "familiarity"),
        ({"diversity": -0.01}, "diversity"),
        ({"explain": "perhaps"}, "explain"),
        ({"tracks": 10}, "tracks"),
        ({f"field {n}": n for n in range(51)}, None),
    ],
)
def test_a_wrong_request_names_its_field_also_in_a_batch(reading, request_, field):
    assert is_problem(reading.post("/v1/recommendations", json=request_), 422, field)
    answer = reading.post("/v1/recommendations:batch", json={"requests": [request_]})
    assert is_problem(answer, 422, f"requests.0.{field}" if field else "requests.0")


def test_a_batch_is_bounded_in_requests_in_listens_and_in_tracks(reading):
    listens = [{"artist": "a"}] * 500
    for requests in (
        [],
        [{}] * 257,
        [{"history": listens}] * (MOST_LISTENS_OF_BATCH // 500 + 1),
    ):
        assert is_problem(reading.post("/v1/recommendations:batch", json={"requests": requests}), 422, "requests")
    answer = reading.post("/v1/recommendations:batch", json={"requests": [{"k": 1000}] * 26})
    assert is_problem(answer, 422, None) and "25,600 tracks together" in answer.json()["detail"]
    assert reading.post("/v1/recommendations:batch", json={"requests": [{"k": 1}] * 256}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "The body: Field required."),
        (b"{", 400, "The body is not JSON: Expecting property name"),
        (b"null", 422, "The body: send an object: {…}."),
        (b'{"k": 1', 400, "at character 7."),
        (b"[" * 100_000, 400, "cannot be read as JSON: it is nested too deeply"),
        (b'{"a":' * 5_000, 400, "cannot be read as JSON"),
        (b'{"k":' + b"9" * 5_000 + b"}", 400, "cannot be read as JSON"),
        (b"\xff\xfe\x00", 400, "JSON"),
        (b'{"k": NaN}', 422, "k: Input should be a finite number."),
        (b'{"k": 1e999}', 422, "k: Input should be a finite number."),
        (b'{"familiarity": NaN}', 422, "familiarity: "),
        (b'{"familiarity": Infinity}', 422, "familiarity: "),
        (b'{"at": -Infinity}', 422, "at: "),
        (b'{"user_id": "\\ud800"}', 422, "user_id: "),
        (b'{"history": [{"artist": "a", "track": "\\udfff\\ud800"}]}', 422, "history.0.track: "),
        (b'{"history": [{"artist": "a\\u0000"}]}', 422, "history.0.artist: it holds a NUL character."),
    ],
)
def test_a_body_that_is_no_request_is_a_problem(reading, body, status, says):
    answer = reading.post("/v1/recommendations", content=body, headers={"content-type": "application/json"})
    assert is_problem(answer, status, answer.json().get("field"))
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ";", None])
def test_a_body_of_another_kind_is_told_which_header_to_send(reading, kind):
    headers = {"content-type": kind} if kind else {}
    answer = reading.post("/v1/recommendations", content=b'{"k": 1}', headers=headers)
    assert is_problem(answer, 415, None) and "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize("text", ["‮abc‬", "﻿", "🎵" * 500, "e\u0301", "\x1f", "' OR 1=1 --", "<script>"])
def test_odd_names_are_only_unknown(reading, text):
    answer = ask(reading, history=[{"artist": text, "track": text}])
    assert answer["unknown"] == [{"artist": text, "track": text, "counted_by_artist": False}]
    assert reading.get("/v1/tracks", params={"q": text}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/tracks/200", 404, "track"),
        ("/v1/tracks/200/similar", 404, "track"),
        ("/v1/artists/40", 404, "artist"),
        ("/v1/artists/40/similar", 404, "artist"),
        ("/v1/tracks/-1", 422, "track"),
        ("/v1/tracks/abc", 422, "track"),
        ("/v1/tracks/99999999999999999999", 422, "track"),
        ("/v1/tracks/1/similar?k=0", 422, "k"),
        ("/v1/artists/1/similar?k=1001", 422, "k"),
        ("/v1/tracks", 422, "q"),
        ("/v1/tracks?q=a&limit=101", 422, "limit"),
        ("/v1/artists?q=" + "a" * 1001, 422, "q"),
        ("/v1/report", 404, None),
        ("/v2/recommendations", 404, None),
        ("/page/../../secrets", 404, None),
        ("/page/nothing.js", 404, None),
    ],
)
def test_a_wrong_address_is_a_problem(reading, path, status, field):
    assert is_problem(reading.get(path), status, field)


def test_another_method_is_a_problem_that_names_the_right_one(reading):
    for method, path, allowed in (("GET", "/v1/listens", "POST"), ("DELETE", "/v1/bundle", "GET")):
        answer = reading.request(method, path)
        assert is_problem(answer, 405, None) and answer.headers["allow"] == allowed
