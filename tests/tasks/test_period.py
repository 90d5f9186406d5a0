from loopback_core.data import SECONDS_PER_DAY
from loopback_core.tasks.task_builders import TASKS, discovery, official_task, reference_protocol


def days(events):
    return (events.timestamp // SECONDS_PER_DAY).tolist()


def test_after_a_share_of_a_period_what_was_played_by_then_is_known(hand_splits):
    later = hand_splits.tuning_period.after(0.5)  # of four listens at days 10 to 13
    assert days(later.fit.events) == [0, 1, 2, 3, 4, 5, 6, 10, 11]
    assert later.fit.now == 11 * SECONDS_PER_DAY
    assert days(later.held_out) == [12, 13]
    assert later.users.tolist() == [0, 1, 2]


def test_listens_to_tracks_outside_the_catalog_stay_unknown(hand_splits):
    later = hand_splits.tuning_period.after(0.75)  # the third listen is of track 4, unknown to train
    assert days(later.fit.events)[-2:] == [10, 11]
    assert later.fit.catalog is hand_splits.tuning.catalog
    assert days(later.held_out) == [13]


def test_after_none_of_a_period_the_fit_data_is_the_same(hand_splits):
    period = hand_splits.tuning_period
    later = period.after(0.0)
    assert later.fit.events is period.fit.events and later.fit.now == period.fit.now
    assert days(later.held_out) == days(period.held_out)


def test_a_period_without_early_fit_data_is_measured_on_its_fit_data(hand_splits):
    period = hand_splits.tuning_period
    assert reference_protocol(period).fit is discovery(period).fit is period.fit
    assert reference_protocol(hand_splits.testing_period.after(0.5)).fit.now == 22 * SECONDS_PER_DAY


def test_users_are_drawn_from_those_with_listens_in_the_window(hand_splits):
    period = hand_splits.testing_period  # users 0, 1 and 2 of train play something in test, and user 3 is new
    assert period.drawn(3, 0) is period
    users = [period.drawn(1, seed).users.tolist() for seed in range(20)]
    assert {one for [one] in users} == {0, 1, 2}
    assert users[0] == period.drawn(1, 0).users.tolist()


def test_drawing_users_leaves_out_of_each_task_all_but_them(hand_splits):
    period = hand_splits.testing_period
    drawn = period.drawn(2, 0).users.tolist()
    for name in ("discovery", "next_listen", "reference_protocol"):
        everyone = TASKS[name](period).users.tolist()
        assert official_task(name, period, 2, 0).users.tolist() == [user for user in everyone if user in drawn]
    assert official_task("new_users", period, 2, 0).users.tolist() == TASKS["new_users"](period).users.tolist()


def test_tasks_of_drawn_users_need_no_listens_of_others(hand_splits):
    drawn = hand_splits.testing_period.drawn(2, 0)
    theirs = drawn.with_their_listens()
    assert set(theirs.fit.events.user.tolist()) <= set(drawn.users.tolist())
    assert len(theirs.fit.events) < len(drawn.fit.events)
    for name in ("discovery", "next_listen", "cold_start"):
        whole, few = TASKS[name](drawn), TASKS[name](theirs)
        assert few.users.tolist() == whole.users.tolist() and few.first_candidate == whole.first_candidate
        for of in ("positives", "exclude"):
            assert (getattr(few, of) is None) == (getattr(whole, of) is None)
            if getattr(whole, of) is not None:
                assert [row.tolist() for row in getattr(few, of)] == [row.tolist() for row in getattr(whole, of)]
        assert few.histories.tracks.values.tolist() == whole.histories.tracks.values.tolist()
        assert few.histories.timestamps.tolist() == whole.histories.timestamps.tolist()
        assert few.unreachable == whole.unreachable
