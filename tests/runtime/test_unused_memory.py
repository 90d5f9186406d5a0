import platform
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np, psutil
from loopback_core.runtime.unused_memory import give_back_memory
own = psutil.Process()
pieces = [np.ones(10_000) for _ in range(4_000)]  # 320 MB, too small for maps of their own
kept = pieces[::400]
del pieces
before = own.memory_info().rss
give_back_memory()
print((before - own.memory_info().rss) / 1e6)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed")
def test_what_was_freed_goes_back_to_the_system():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 100
