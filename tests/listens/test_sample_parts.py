import numpy as np

from loopback_core.listens.sample import SAMPLE_VERSION
from loopback_core.listens.sample.draws import first_meetings, origins, stream
from loopback_core.listens.sample.genres import GENRES, neighbours
from loopback_core.listens.sample.listeners import draw_listener, draw_population
from loopback_core.listens.sample.sample_plays import draw_plays
from loopback_core.listens.sample.sample_sessions import draw_sessions
from loopback_core.listens.sample.world import DAY, SOUNDS, SPAN, build_world


def test_every_sub_genre_has_a_word_for_each_sound_and_neighbours_other_than_itself() -> None:
    for index, genre in enumerate(GENRES):
        assert len(set(genre.words)) == SOUNDS
        assert index not in neighbours(index)
        assert len(neighbours(index)) in (3, 4)


def test_items_are_met_in_finishing_order_and_a_late_one_soon_after_its_time() -> None:
    finish = np.array([0.3, 0.1, 0.2, 0.15])  # of one group; the last item comes at time 25
    times = np.array([0, 0, 0, 25])
    group = np.zeros(4, dtype=np.int64)
    slots = np.array([10, 20, 30, 40, 50])
    met = first_meetings(finish, group, times, np.zeros(5, dtype=np.int64), slots, 1)
    assert met.tolist() == [1, 2, 0, 3, -1]  # the late one ranks second: .25 places after slot 2


def test_a_group_with_no_items_left_gets_minus_one_and_does_not_affect_the_next_group() -> None:
    met = first_meetings(
        np.array([0.1, 0.2]),
        np.array([0, 2]),
        np.array([-5, 100]),
        np.array([0, 0, 2, 2]),
        np.array([1, 2, 50, 100]),
        3,
    )
    assert met.tolist() == [0, -1, -1, 1]


def test_origins_are_the_ends_of_the_chains() -> None:
    assert origins(np.array([0, 0, 1, 3, 2, 3])).tolist() == [0, 0, 0, 3, 0, 3]


def test_shares_of_the_listeners_add_up_and_every_listener_has_one() -> None:
    population = draw_population(stream(SAMPLE_VERSION, 0, 1), 1_234, 100)
    assert population.events.sum() == 1_234
    assert population.events.min() >= 1
    assert (population.end > population.start).all()
    assert population.end.max() <= SPAN


def test_no_track_is_played_before_its_release_and_every_first_play_of_an_artist_after_its_debut() -> None:
    world = build_world(stream(SAMPLE_VERSION, 0, 0), 50_000)
    for user in range(5):
        rng = stream(SAMPLE_VERSION, 0, 4, user)
        listener = draw_listener(rng, world, 0)
        sessions = draw_sessions(rng, 3_000, 100 * DAY, SPAN, 1)
        tracks = draw_plays(rng, world, listener, sessions, 1)
        assert (world.release[tracks] <= sessions.time).all()
        assert (world.release > sessions.time[0]).any()


def test_sessions_keep_apart_and_inside_the_window_even_when_it_is_crowded() -> None:
    for events, days in [(500, 900), (5_000, 20), (60_000, 10)]:
        sessions = draw_sessions(stream(1, events), events, 50 * DAY, (50 + days) * DAY, -6)
        assert len(sessions.time) == events
        assert (np.diff(sessions.time) > 0).all()
        assert sessions.time[0] >= 50 * DAY
        assert sessions.time[-1] < (50 + days) * DAY
