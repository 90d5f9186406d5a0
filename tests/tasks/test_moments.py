from itertools import pairwise

import numpy as np
from planted_log import planted_splits

from loopback_core.tasks.moments import moments_of_validation
from loopback_core.tasks.task_builders import discovery


def test_a_task_is_asked_at_several_moments_of_validation(tmp_path):
    splits = planted_splits(tmp_path)
    moments = moments_of_validation(splits.tuning_period, "discovery", enough=1_000)
    assert len(moments) == 3
    enough = len(moments[0].users)
    assert len(moments_of_validation(splits.tuning_period, "discovery", enough)) == 1
    first = discovery(splits.tuning_period)
    assert np.array_equal(moments[0].positives.values, first.positives.values)
    assert np.array_equal(moments[0].histories.tracks.values, first.histories.tracks.values)
    for earlier, later in pairwise(moments):
        assert len(later.histories.tracks.values) > len(earlier.histories.tracks.values)
        assert len(later.positives.values) < len(earlier.positives.values)
        for row in range(len(later.users)):
            assert not np.isin(later.positives[row], later.histories.tracks[row]).any()
    assert splits.validation is not None and len(splits.validation) == len(moments[0].fit.events) * 8 // 30
