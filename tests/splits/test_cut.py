from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from loopback_core.settings import SplitSettings
from loopback_core.splits import TEST, TRAIN, VALIDATION
from loopback_core.splits.cut import boundaries_of, cut


def parts_of(rows, **settings):
    """The part of every row as a letter, in the order of the log."""
    user = np.unique([row[0] for row in rows], return_inverse=True)[1].astype(np.int64)
    timestamp = np.array([row[1] for row in rows], np.int64)
    letters = {TRAIN: "r", VALIDATION: "v", TEST: "t"}
    settings = SplitSettings(**settings)
    boundaries = boundaries_of(lambda: [timestamp[:3], timestamp[3:]], settings)
    return "".join(letters[part] for part in cut(user, timestamp, settings, boundaries))


def at(second):
    return datetime.fromtimestamp(second, UTC)


def test_global_cuts_the_whole_log_by_time_and_rows_at_the_boundary_go_to_the_earlier_part(ten_listens):
    # By time 10 10 20 60 60 | 60 70 80 | 90 90: the sixth row shares the last moment of train.
    assert parts_of(ten_listens, validation_fraction=0.3, test_fraction=0.2) == "vtrrrtrrrv"


def test_a_boundary_shared_by_validation_and_test_goes_to_validation():
    log = [("ann", second, "", "") for second in (10, 20, 30, 30, 40)]
    assert parts_of(log, validation_fraction=0.2, test_fraction=0.4) == "rrvvt"


def test_fractions_round_down_so_that_train_gets_the_rest():
    log = [("ann", second, "", "") for second in range(19)]
    assert parts_of(log) == "r" * 17 + "v" + "t"


def test_per_user_cuts_the_history_of_each_user(ten_listens):
    # ann is too short for a part of a quarter; the boundary of cyd's train is shared by the third row.
    assert parts_of(ten_listens, strategy="per_user", validation_fraction=0.25, test_fraction=0.25) == ("rrrrvtrrrt")


def test_leave_last_tests_on_the_last_event_of_each_user_and_validates_on_the_one_before(ten_listens):
    # Of cyd's two listens at second 60 the later line of the log is the later event.
    assert parts_of(ten_listens, strategy="leave_last") == "vtrrvtrrvt"


def test_leave_last_leaves_a_user_of_one_event_to_test_alone():
    assert parts_of([("ann", 10, "", ""), ("bob", 20, "", "")], strategy="leave_last") == "tt"


def test_dates_are_the_last_moments_of_train_and_validation(ten_listens):
    assert parts_of(ten_listens, strategy="dates", train_until=at(60), validation_until=at(80)) == "vtrrrtrrrv"
    assert parts_of(ten_listens, strategy="dates", train_until=at(59), validation_until=at(79)) == "vtrrvtrvvt"


def test_a_date_without_a_zone_is_utc(ten_listens):
    naive = {"train_until": datetime(1970, 1, 1, 0, 1), "validation_until": datetime(1970, 1, 1, 0, 1, 20)}
    cet = timezone(timedelta(hours=1))
    aware = {name: moment.replace(tzinfo=UTC).astimezone(cet) for name, moment in naive.items()}
    expected = "vtrrrtrrrv"
    assert [parts_of(ten_listens, strategy="dates", **dates) for dates in (naive, aware)] == [expected, expected]


def test_the_boundaries_are_those_of_the_sorted_moments_also_where_they_lie_years_apart():
    rng = np.random.default_rng(3)
    moments = rng.integers(0, 2**32, 1_001) // rng.choice([1, 2**17], 1_001)
    ordered = np.sort(moments)
    settings = SplitSettings(validation_fraction=0.3, test_fraction=0.25)
    assert boundaries_of(lambda: np.split(moments, 7), settings) == (ordered[450], ordered[750])
