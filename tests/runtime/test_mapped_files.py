import re
import sys
from pathlib import Path

import numpy as np
import pytest

from loopback_core.runtime.mapped_files import forget_mapped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, which only Linux has")


def resident(path):
    """Kilobytes of a mapped file that are in memory of this process."""
    smaps = Path("/proc/self/smaps").read_text()
    return [int(size) for size in re.findall(rf"{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+) kB", smaps)]


def test_pages_below_the_folder_go_and_can_still_be_read(tmp_path):
    values, paths = np.arange(1 << 20), [tmp_path / name / "values.npy" for name in ("old", "old2")]
    for path in paths:
        path.parent.mkdir()
        np.save(path, values)
    old, other = (np.load(path, mmap_mode="r") for path in paths)
    assert old.sum() == other.sum() == values.sum()
    assert [resident(path)[0] > 8_000 for path in paths] == [True, True]
    forget_mapped(tmp_path / "old")
    assert [resident(path)[0] > 8_000 for path in paths] == [False, True]
    np.testing.assert_array_equal(old, values)


def test_pages_that_may_be_written_stay(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.zeros(1 << 20))
    written = np.load(path, mmap_mode="c")  # changes are in memory alone
    written[:] = 7
    forget_mapped(tmp_path)
    assert (written == 7).all()
