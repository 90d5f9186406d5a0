from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from loopback_core.data import Catalog, Events, FitData, Histories, Ragged, distinct_in_rows, stable_order
from loopback_core.data.histories import repeats


def ids(*values):
    return np.array(values, np.int64)


def events(*rows):
    user, track, timestamp = (np.array(column) for column in zip(*rows, strict=True))
    return Events(user.astype(np.int32), track.astype(np.int32), timestamp.astype(np.int64))


def lists(ragged):
    return [ragged[row].tolist() for row in range(len(ragged))]


def test_pairs_are_grouped_by_row_in_the_order_of_the_input():
    ragged = Ragged.from_pairs(ids(2, 0, 2, 0, 2), ids(9, 8, 7, 6, 5), 4)
    assert lists(ragged) == [[8, 6], [], [9, 7, 5], []]
    assert ragged.lengths.tolist() == [2, 0, 3, 0]
    assert ragged.row_numbers().tolist() == [0, 0, 2, 2, 2]


def test_long_rows_keep_the_order_of_the_input_too():
    ragged = Ragged.from_pairs(np.arange(1000) % 3, np.arange(1000), 3)
    assert lists(ragged) == [list(range(row, 1000, 3)) for row in range(3)]


def test_no_pairs_make_empty_rows():
    assert lists(Ragged.from_pairs(ids(), ids(), 2)) == [[], []]


def test_taken_rows_come_in_the_given_order_and_may_repeat():
    ragged = Ragged.from_pairs(ids(0, 0, 2), ids(5, 6, 7), 3)
    assert lists(ragged.take(ids(2, 1, 0, 2))) == [[7], [], [5, 6], [7]]
    assert lists(ragged.take(ids())) == []


def test_later_events_are_merged_by_time_and_stay_behind_at_a_tie():
    together = events((0, 0, 10), (0, 1, 30)).then(events((1, 2, 20), (1, 3, 30)))
    assert together.timestamp.tolist() == [10, 20, 30, 30]
    assert together.track.tolist() == [0, 2, 1, 3]
    assert together.user.tolist() == [0, 1, 0, 1]


def test_a_history_holds_the_listens_of_its_user_oldest_first():
    histories = Histories.of(events((1, 7, 10), (0, 8, 20), (1, 9, 30)), ids(1, 2, 0), 40)
    assert lists(histories.tracks) == [[7, 9], [], [8]]
    assert histories.timestamps.tolist() == [10, 30, 20]
    assert histories.users.tolist() == [1, 2, 0]
    assert histories.now.tolist() == [40, 40, 40]
    assert histories.ages.tolist() == [30, 10, 20]


def test_rows_of_histories_keep_their_users_tracks_and_times():
    listens = events((0, 7, 10), (0, 7, 15), (1, 8, 20), (2, 9, 30), (2, 6, 35))
    histories = Histories.of(listens, ids(0, 1, 2), 40).rows(1, 3)
    assert len(histories) == 2
    assert histories.users.tolist() == [1, 2]
    assert lists(histories.tracks) == [[8], [9, 6]]
    assert histories.timestamps.tolist() == [20, 30, 35]
    assert histories.now.tolist() == [40, 40]


def test_rows_are_taken_in_any_order_with_what_belongs_to_them():
    listens = events((0, 7, 10), (0, 7, 15), (1, 8, 20), (2, 9, 30), (2, 6, 35))
    histories = replace(Histories.of(listens, ids(0, 1, 2), 40), now=np.array([16, 21, 36])).take(ids(2, 0))
    assert histories.users.tolist() == [2, 0]
    assert lists(histories.tracks) == [[9, 6], [7, 7]]
    assert histories.ages.tolist() == [6, 1, 6, 1]


def test_plays_are_counted_by_user_and_track():
    listens = events((0, 1, 10), (1, 0, 15), (0, 1, 20))
    zeros = np.zeros(2, np.int64)
    catalog = Catalog(2, np.zeros(2, np.int32), zeros, zeros, zeros, zeros, zeros, zeros)
    assert FitData(listens, catalog, 20).plays.toarray().tolist() == [[0, 2], [1, 0]]


def test_a_catalog_knows_the_tracks_of_each_artist():
    nothing = np.zeros(3, np.int64)
    by_artist = np.zeros(2, np.int64)
    catalog = Catalog(1, np.array([1, 0, 1], np.int32), nothing, nothing, nothing, by_artist, by_artist, by_artist)
    assert (catalog.n_tracks, catalog.n_artists) == (3, 2)
    assert lists(catalog.tracks_of_artist) == [[1], [0, 2]]


@pytest.mark.parametrize("n_rows", [5, 1 << 16, (1 << 16) + 1])
def test_rows_are_sorted_and_keep_their_order_within_however_many_there_are(n_rows):
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(n_rows - 5, n_rows), 20))
    assert stable_order(rows, n_rows).tolist() == np.argsort(rows, kind="stable").tolist()


@pytest.mark.parametrize("n_items", [20, 30_000], ids=["marked", "sorted and marked"])
def test_the_distinct_items_of_every_row_are_found_with_the_place_of_each_item(n_items):
    rng = np.random.default_rng(0)
    offsets, items = ids(0, 0, 40, 41, 100, 100), rng.integers(-1, 20, 100)
    found, place = distinct_in_rows(offsets, items, n_items)
    row = np.repeat(np.arange(5), np.diff(offsets))[items >= 0]
    assert lists(found) == [np.unique(items[row_items][items[row_items] >= 0]).tolist() for row_items in spans(offsets)]
    assert found.values[place].tolist() == items[items >= 0].tolist()
    assert found.row_numbers()[place].tolist() == row.tolist()


def spans(offsets):
    return [slice(low, high) for low, high in pairwise(offsets)]


def test_tasks_of_the_same_users_share_their_histories():
    fit = FitData(events((0, 3, 10), (1, 4, 20), (0, 5, 30)), catalog=None, now=40)
    both = fit.histories(ids(0, 1))
    assert lists(both.tracks) == [[3, 5], [4]] and both.now.tolist() == [40, 40]
    assert fit.histories(ids(0, 1)) is both
    assert lists(fit.histories(ids(1)).tracks) == [[4]]


def test_listens_grouped_by_user_are_read_for_the_users_asked_for():
    grouped = events((1, 7, 10), (0, 8, 20), (1, 9, 30), (3, 6, 40)).by_user
    tracks, timestamps = grouped.of(ids(3, -1, 1, 2, 4, 1))
    assert lists(tracks) == [[6], [], [7, 9], [], [], [7, 9]]
    assert timestamps.tolist() == [40, 10, 30, 10, 30]
    assert tracks.values.dtype == timestamps.dtype == np.int64


def test_events_grouped_by_user_are_grouped_once():
    listens = events((0, 8, 20))
    assert listens.by_user is listens.by_user
    assert listens.where(np.array([True])).by_user is not listens.by_user


def test_published_groups_do_not_pass_to_other_events():
    listens = events((0, 8, 20), (0, 9, 30))
    published = replace(listens, published=listens.by_user)
    assert published.by_user is listens.by_user
    assert published.then(events((0, 7, 40))).published is published.where(np.array([True, False])).published is None


def test_values_are_left_out_row_by_row():
    rows = Ragged(np.array([0, 3, 3, 5]), np.array([4, 0, 2, 2, 1]))
    out = Ragged(np.array([0, 2, 3, 3]), np.array([0, 7, 4]))
    left = rows.without(out, 5)
    assert [left[row].tolist() for row in range(3)] == [[4, 2], [], [2, 1]]


def test_a_listen_repeats_another_of_the_same_id_at_the_same_second():
    ids, times = np.array([3, 1, 3, 3, 1, 3]), np.array([5, 5, 5, 6, 7, 7])
    assert repeats(ids, times).tolist() == [2]
    assert repeats(ids[:0], times[:0]).tolist() == []
    assert sorted(repeats(np.array([2, 2, 2]), np.array([1, 1, 1])).tolist()) == [1, 2]
