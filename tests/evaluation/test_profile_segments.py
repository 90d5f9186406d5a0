import numpy as np
import polars as pl

from loopback_core.evaluation.profile_segments import FEWEST, profile_segments


def profiles_of(n):
    """Half women and a fifth without a gender; ages of 20, 30 and 50; one country of everybody but three."""
    return pl.DataFrame(
        {
            "gender": [None if i % 5 == 0 else "f" if i % 2 else "m" for i in range(n)],
            "age": [(20, 30, 50, None)[i % 4] for i in range(n)],
            "country": ["Iceland" if i < 3 else "Norway" for i in range(n)],
        }
    )


def test_segments_are_of_what_profiles_say_and_nobody_is_guessed():
    users = profiles_of(100)
    asked = np.arange(0, 100)
    found = profile_segments(users, asked)
    assert {name: int(mask.sum()) for name, mask in found.items()} == {
        "female": 40, "male": 40, "age under 25": 25, "age 25 to 34": 25, "age 35 and over": 25, "Norway": 97,
    }  # fmt: skip
    assert not found["female"][::5].any() and not found["male"][::5].any()


def test_masks_are_of_those_who_were_asked_in_their_order():
    asked = np.arange(99, 9, -2)
    found = profile_segments(profiles_of(100), asked)
    assert found["female"].tolist() == [user % 5 != 0 for user in asked.tolist()]


def test_a_segment_of_few_users_and_a_log_without_profiles_say_nothing():
    found = profile_segments(profiles_of(2 * FEWEST), np.arange(2 * FEWEST))
    assert "Iceland" not in found and "age under 25" not in found
    assert profile_segments(pl.DataFrame({"user_id": ["a", "b"]}), np.arange(2)) == {}
    assert profile_segments(profiles_of(10), np.zeros(0, np.int64)) == {}
