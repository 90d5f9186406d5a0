"""Deletes a track of an index and is killed while it saves it: at the given open, rename or removal of a file."""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from loopback_core.retrieval.indexes import load_index, save_index


def main() -> None:
    folder, moment, calls = Path(sys.argv[1]), int(sys.argv[2]), 0
    index = load_index(folder)
    index.delete(np.array([0]))

    def die(event, arguments):
        nonlocal calls
        if event not in ("open", "os.rename", "os.remove"):
            return
        calls += 1
        if calls > moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    save_index(index, folder)
    os._exit(0)


if __name__ == "__main__":
    main()
