import numpy as np
import pytest

from loopback_core.data import NOTHING, Histories, Ragged
from loopback_core.recommenders.baselines import BASELINES, RandomOrder
from loopback_core.recommenders.baselines.artist import RecentArtist
from loopback_core.recommenders.baselines.baseline import SECONDS_PER_DAY
from loopback_core.recommenders.baselines.cold import ArtistPopularity, ByArtist
from loopback_core.recommenders.baselines.factors import BPR
from loopback_core.recommenders.baselines.personal import (
    Personal,
    PersonalDecayed,
    PersonalMostPlayed,
    PersonalMostRecent,
)
from loopback_core.recommenders.baselines.popularity import (
    Popularity,
    PopularityDecayed,
    PopularityPlays,
    PopularityUsers,
)
from loopback_core.recommenders.recommender import Recommender
from loopback_core.retrieval.top_k import tie_order
from loopback_core.tasks.task_builders import discovery, next_listen


def by_permutation(tracks, seed):
    return sorted(tracks, key=lambda track: tie_order(5, seed)[track])


def lists(baseline, task, k):
    return baseline.fit(task.fit).recommend(task.histories, k, task.exclude).tracks.tolist()


@pytest.fixture
def repeats(hand_splits):
    return next_listen(hand_splits.testing_period)  # users 0, 1, 2; nothing excluded


@pytest.fixture
def new(hand_splits):
    return discovery(hand_splits.testing_period)  # users 0 and 2, without what they played


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_plays_rank_everyone_alike_and_equals_by_the_permutation(repeats, seed):
    best = [0, 3, 4, *by_permutation([1, 2], seed)]  # plays 4 3 2 1 1
    assert lists(PopularityPlays(seed=seed), repeats, 6) == [[*best, NOTHING]] * 3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_listeners_count_each_user_once(repeats, seed):
    best = by_permutation([0, 3, 4], seed) + by_permutation([1, 2], seed)  # listeners 2 2 2 1 1
    assert lists(PopularityUsers(seed=seed), repeats, 5) == [best] * 3


def test_decayed_plays_prefer_what_is_played_now(repeats):
    assert lists(PopularityDecayed(half_life_days=1), repeats, 5)[0] == [4, 0, 3, 2, 1]
    assert lists(PopularityDecayed(half_life_days=1000), repeats, 5)[0][:3] == [0, 3, 4]
    baseline = PopularityDecayed(half_life_days=1).fit(repeats.fit)
    assert baseline.recommend(repeats.histories, 1, None).scores[0, 0] == 1.5  # today's and yesterday's


def test_popularity_skips_what_is_excluded_and_fills_up_from_below(new):
    assert lists(PopularityPlays(), new, 2) == [[4, 1], [0, 4]]
    assert lists(PopularityPlays(), new, 3)[0] == [4, 1, NOTHING]


def test_most_played_counts_plays(repeats):
    first, second, third = lists(PersonalMostPlayed(), repeats, 4)
    assert first == [0, *by_permutation([2, 3], 0), NOTHING]
    assert second == [0, *by_permutation([1, 4], 0), NOTHING]
    assert third == [3, NOTHING, NOTHING, NOTHING]


def test_most_recent_goes_by_the_last_play(repeats):
    assert lists(PersonalMostRecent(), repeats, 3) == [[3, 2, 0], [4, 0, 1], [3, NOTHING, NOTHING]]


def test_the_half_life_weighs_many_old_plays_against_one_new_play(repeats):
    # Track 2: one play 9 days ago. Track 0: two plays 12 and 13 days ago.
    assert lists(PersonalDecayed(half_life_days=3), repeats, 3)[0] == [3, 2, 0]
    assert lists(PersonalDecayed(half_life_days=6), repeats, 3)[0] == [3, 0, 2]
    scores = PersonalDecayed(half_life_days=3).fit(repeats.fit).recommend(repeats.histories, 3, None).scores
    assert scores[0].tolist() == pytest.approx([2**-1, 2**-3, 2**-4 + 2 ** (-13 / 3)])


def test_recent_artist_offers_the_other_tracks_of_the_users_artists(new):
    # User 0 played artist 0 three times long ago and artist 1 once lately; track 4 has two listeners, track 1 one.
    assert lists(RecentArtist(half_life_days=3), new, 3)[0] == [4, 1, NOTHING]
    assert lists(RecentArtist(half_life_days=100), new, 3)[0] == [1, 4, NOTHING]
    assert lists(RecentArtist(), new, 3)[1] == [4, NOTHING, NOTHING]  # user 2 knows artist 1 alone


def test_recent_artist_weighs_tracks_by_listeners_or_by_plays(repeats):
    for counts, track_0, track_3 in (("listeners", 2, 2), ("plays", 4, 3)):
        baseline = RecentArtist(counts=counts, half_life_days=1, power=2).fit(repeats.fit)
        found = baseline.recommend(repeats.histories.rows(0, 1), 5, None)
        scores = dict(zip(found.tracks[0].tolist(), found.scores[0].tolist(), strict=True))
        assert scores[0] == pytest.approx((2**-13 + 2**-12 + 2**-9) * track_0**2)
        assert scores[3] == pytest.approx(2**-3 * track_3**2)


def test_random_lists_hold_distinct_candidates_and_repeat_by_seed(new):
    tracks = lists(RandomOrder(seed=3), new, 4)
    assert sorted(tracks[0]) == [NOTHING, NOTHING, 1, 4]
    assert sorted(tracks[1]) == [0, 1, 2, 4]
    assert tracks == lists(RandomOrder(seed=3), new, 4)
    assert len({tuple(lists(RandomOrder(seed=seed), new, 4)[1]) for seed in range(20)}) > 5


@pytest.mark.parametrize("baseline", [*BASELINES.values(), RandomOrder], ids=lambda baseline: baseline.id)
def test_every_baseline_answers_a_user_whom_the_fit_data_does_not_know(baseline, repeats):
    day = 12 * SECONDS_PER_DAY
    stranger = Histories(
        np.array([-1, -1]),
        Ragged(np.array([0, 2, 2]), np.array([0, 5])),  # track 5 is not in the catalog; the second has no history
        np.array([day, day]),
        np.array([repeats.fit.now, repeats.fit.now]),
    )
    fitted = baseline().fit(repeats.fit)
    assert isinstance(fitted, Recommender)
    ranking = fitted.recommend(stranger, 3, None)
    assert ranking.tracks.shape == (2, 3)
    assert ranking.tracks.max() < 5
    assert ranking.tracks[0, 0] != NOTHING
    needs_no_history = issubclass(
        baseline, (Popularity, ArtistPopularity, RandomOrder, BPR)
    )  # BPR has a bias per track
    assert (ranking.tracks[1] == NOTHING).all() == (not needs_no_history)


@pytest.mark.parametrize("baseline", [*BASELINES.values(), RandomOrder], ids=lambda baseline: baseline.id)
def test_every_baseline_leaves_out_what_is_excluded_and_ignores_ids_beyond_the_catalog(baseline, new):
    exclude = Ragged(np.array([0, 3, 5]), np.array([0, 4, 77, 3, 77]))
    tracks = baseline().fit(new.fit).recommend(new.histories, 5, exclude).tracks
    assert not set(tracks[0].tolist()) & {0, 4, 77}
    assert 3 not in tracks[1]


def test_baselines_say_which_tasks_they_can_answer():
    def answering(task):
        return {name for name, baseline in BASELINES.items() if task in baseline.answers}

    personal = {name for name, baseline in BASELINES.items() if issubclass(baseline, Personal)}
    cold = {name for name, baseline in BASELINES.items() if issubclass(baseline, ByArtist)}
    assert answering("next_listen") == answering("new_users") == set(BASELINES) - cold
    assert answering("discovery") == set(BASELINES) - cold - personal
    assert answering("cold_start") == cold
    assert (
        {"popularity_users", "popularity_plays", "popularity_decayed"}
        <= answering("reference_protocol")
        <= answering("discovery")
    )
