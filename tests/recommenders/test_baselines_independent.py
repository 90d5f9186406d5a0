"""Three baselines computed a second time, the slow and plain way, on a random log, and measured with ranx."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from ranx import Qrels, Run, evaluate

from loopback_core.recommenders.baselines import BASELINES
from loopback_core.recommenders.baselines.baseline import SECONDS_PER_DAY
from loopback_core.recommenders.lists import rank_users
from loopback_core.retrieval.top_k import tie_order
from loopback_core.settings import SplitSettings
from loopback_core.splits import Splits, split_listens
from loopback_core.tasks.metrics import per_user_metrics
from loopback_core.tasks.task_builders import TASKS


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """3,000 listens of 40 users to 150 tracks; every user prefers some tracks, and every second is another one."""
    folder, rng = tmp_path_factory.mktemp("random"), np.random.default_rng(3)
    taste = rng.gamma(0.15, size=(40, 150)) + 1e-3
    user = rng.integers(0, 40, 3000)
    track = np.array([rng.choice(150, p=taste[u] / taste[u].sum()) for u in user])
    moment = [datetime.fromtimestamp(1_200_000_000 + 7000 * i, UTC) for i in range(3000)]
    names = {"user_id": [f"u{u:02d}" for u in user], "timestamp": moment}
    titles = {"artist_name": [f"a{t % 30}" for t in track], "track_name": [f"t{t}" for t in track]}
    no_id = pl.lit(None, pl.String)
    (folder / "interactions").mkdir()
    pl.DataFrame(names | titles).with_columns(artist_mbid=no_id, track_mbid=no_id).sort(
        "user_id", "timestamp"
    ).write_parquet(folder / "interactions" / "interactions.parquet")
    split_listens(folder / "interactions", folder / "splits", SplitSettings())
    return Splits(folder / "splits")


def popularity_of_listeners(history, fit):
    listeners = defaultdict(set)
    for user, track, _ in fit:
        listeners[track].add(user)
    return {track: float(len(users)) for track, users in listeners.items()}


def plays_decayed_by_a_week(history, fit):
    now = fit[-1][2]
    scores = Counter()
    for track, time in history:
        scores[track] += 0.5 ** ((now - time) / (7 * SECONDS_PER_DAY))
    return scores


def cosine_of_the_ten_nearest_users(history, fit):
    plays = defaultdict(Counter)
    for user, track, _ in fit:
        plays[user][track] += 1

    def profile(counts):
        return {track: np.log1p(n) for track, n in counts.items()}

    def cosine(a, b):
        length = np.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
        return sum(v * b[track] for track, v in a.items() if track in b) / length

    mine = profile(Counter(track for track, _ in history))
    others = {user: profile(counts) for user, counts in plays.items()}
    similarity = {user: cosine(mine, other) for user, other in others.items() if other != mine}
    nearest = sorted(similarity, key=lambda user: -similarity[user])[:10]
    scores = Counter()
    for user in nearest:
        for track, weight in others[user].items():
            scores[track] += similarity[user] * weight
    return scores


SLOW = {
    "popularity_users": ({}, popularity_of_listeners),
    "personal_decayed": ({"half_life_days": 7}, plays_decayed_by_a_week),
    "userknn": ({"neighbours": 10, "weights": "log"}, cosine_of_the_ten_nearest_users),
}


@pytest.mark.parametrize("task_name", ["discovery", "next_listen"])
@pytest.mark.parametrize("name", SLOW)
def test_a_baseline_has_the_numbers_of_its_plain_version_measured_by_another_library(splits, name, task_name):
    if task_name not in BASELINES[name].answers:
        assert name == "personal_decayed"  # where nothing that was played is a candidate it has nothing to say
        return
    settings, scores_of = SLOW[name]
    task = TASKS[task_name](splits.testing_period)
    fitted = BASELINES[name](**settings).fit(task.fit)
    ours = per_user_metrics(rank_users(fitted, task, 100), task.positives, [10, 100])

    events = splits.testing.events
    fit = list(zip(events.user.tolist(), events.track.tolist(), events.timestamp.tolist(), strict=True))
    lists, relevant, tie_rank = {}, {}, tie_order(task.n_candidates, 0)
    for row, user in enumerate(task.users.tolist()):
        history = [(track, time) for who, track, time in fit if who == user]
        played = {track for track, _ in history} if task_name == "discovery" else set()
        scores = {track: score for track, score in scores_of(history, fit).items() if track not in played}
        best = sorted(scores, key=lambda track: (-scores[track], tie_rank[track]))
        lists[f"u{user:02d}"] = {f"t{track}": float(100 - place) for place, track in enumerate(best[:100])}
        relevant[f"u{user:02d}"] = {f"t{track}": 1 for track in task.positives[row].tolist()}
    for metric in ("hit_rate@10", "ndcg@10", "recall@100"):
        theirs = evaluate(Qrels(relevant), Run(lists), metric)
        assert float(ours[metric].mean()) == pytest.approx(theirs, abs=1e-6), metric
    assert float(ours["ndcg@10"].mean()) > 0.01
