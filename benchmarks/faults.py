"""SIGKILL at random moments of every asset of the chain, at any size: what is visible stays whole, the end is the same.

    uv run python benchmarks/faults.py [--events N] [--users N] [--folder PATH] [--kills N] [--undisturbed RESULTS]

Makes the chain once without disturbance, then a second time in another home: every asset is begun by the command of a
user and killed with its children, --kills times, at a moment drawn from the time that it took undisturbed; after each
kill every visible artifact is checked byte by byte. At last it runs to its end, and its result is compared with the
undisturbed run. Takes about 2 + kills / 2 times as long as the chain; once less with --undisturbed, the results of
full_size.py for this size in the same folder, whose chain is then not made again. The same at small size is
tests/assets/test_killed.py.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from full_size import CHAIN, CHEAP, measure_chain

sys.path.append(str(Path(__file__).parent.parent))
from published import results, visible


def begin(asset: str, home: Path) -> subprocess.Popen[bytes]:
    """Start the command that makes an asset."""
    environment = os.environ | {"LOOPBACK_HOME": str(home), "LOOPBACK_CONFIG": str(home / "settings.toml")}
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", asset]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(
        [*command, "-m", "loopback_assets.definitions"], env=environment, start_new_session=True, **quiet
    )


def disturb(asset: str, home: Path, delay: float) -> bool:
    """Kill it this many seconds after it began to work; returns whether it was still running then."""
    process = begin(asset, home)
    while process.poll() is None and not list((home / ".building").glob(f"{asset}-*")):
        time.sleep(0.01)
    try:
        process.wait(delay)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def main() -> None:
    """Disturb, compare, print."""
    from loopback_core.store.artifacts import ArtifactStore

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_910_000)
    parser.add_argument("--users", type=int, default=992)
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks"))
    parser.add_argument("--kills", type=int, default=5, help="times that each asset is killed")
    parser.add_argument("--undisturbed", type=Path, help="a file of results of full_size.py")
    options = parser.parse_args()
    folder = options.folder.absolute()
    disturbed = folder / f"killed-{options.events}"
    if options.undisturbed:
        whole = folder / f"full-{options.events}"
        expected = json.loads(options.undisturbed.read_text("utf-8"))["sizes"][str(options.events)]["chain"]
    else:
        whole = folder / f"undisturbed-{options.events}"
        expected = measure_chain(whole, options.events, options.users, list(CHEAP))
    disturbed.mkdir(parents=True, exist_ok=True)
    (disturbed / "settings.toml").write_text((whole / "settings.toml").read_text("utf-8"), "utf-8")
    store, rng = ArtifactStore(disturbed), np.random.default_rng(0)
    for asset in CHAIN:
        killed = 0
        for _ in range(options.kills):
            killed += disturb(asset, disturbed, rng.uniform(0, expected[asset]["seconds"]))
            for artifact in visible(store):
                assert not artifact.damaged_files(), artifact
        started = time.perf_counter()
        assert begin(asset, disturbed).wait() == 0, f"{asset} did not recover"
        seconds = time.perf_counter() - started
        same = results(store.latest(asset)) == results(ArtifactStore(whole).latest(asset))
        print(
            f"{asset:<18} killed {killed} times, then made in {seconds:.0f} s (undisturbed "
            f"{expected[asset]['command_seconds']:.0f} s); {'the same' if same else 'ANOTHER'} result",
            flush=True,
        )


if __name__ == "__main__":
    main()
