"""SIGKILL at random moments of what changes or deletes bundles: the pointer always names a whole one.

    uv run python benchmarks/kills.py HOME [--kills 50]

HOME: a home with at least two bundles, left as it is; a copy is worked on. LOOPBACK_SOURCE and LOOPBACK_CONFIG have to be
those that it was made with. Each of these is begun as a user begins it, and
killed at a moment drawn from the time that it takes undisturbed: `loopback promote`, `loopback rollback`,
`loopback clean --delete` (of copies of versions that nothing needs), and the assets `drift` and `promotion`. After each kill every file of
the bundle in service is digested, and the history has to end in it.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

LOOPBACK = [sys.executable, "-c", "from loopback_core.command_line.main import main; main()"]

PROMOTION = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", "drift*"]


def run(command: Sequence[str], home: Path, kill_after: float | None = None) -> tuple[bool, float]:
    """Run a command, killed with its children after so many seconds; whether it was still running, and its seconds.

    Raises:
        AssertionError: it failed by itself.
    """
    environment = os.environ | {"LOOPBACK_HOME": str(home)}
    started = time.monotonic()
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True, time.monotonic() - started
    if process.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {process.returncode}: run it by hand to see why")
    return False, time.monotonic() - started


def refuse_broken(home: Path) -> None:
    """Raise unless the pointer names a whole bundle, with which its history ends."""
    from loopback_core.store.artifacts import ArtifactStore
    from loopback_core.store.deployments import deployments
    from loopback_core.store.served_pointer import served_bundle

    store = ArtifactStore(home)
    served = served_bundle(store)
    served.verify()
    if deployments(store)[-1]["version"] != served.version:
        raise AssertionError(f"the history does not end in {served}")


def kill(name: str, kills: int, home: Path, prepare: Callable[[int], Sequence[str]]) -> None:
    """Kill a command this often. prepare: puts the home into the state in which the command has work, and gives it."""
    rng = np.random.default_rng(0)
    _, seconds = run(prepare(0), home)
    killed = 0
    for number in range(1, kills + 1):
        command = prepare(number)
        was_running, _ = run(command, home, float(rng.uniform(0.2, 1.05)) * seconds)
        killed += was_running
        refuse_broken(home)
    _, _ = run(prepare(kills + 1), home)
    refuse_broken(home)
    print(f"| {name} | {kills} | {killed} | {seconds:.1f} | whole after each |", flush=True)


def main() -> None:
    """Kill each command, print a table."""
    from loopback_core.store.artifacts import ArtifactStore
    from loopback_core.store.deployments import deploy
    from loopback_core.store.latest import versions_of
    from loopback_core.store.served_pointer import served_version

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()
    home = given.home.with_name(f"{given.home.name}-killed")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(given.home, home)
    store = ArtifactStore(home)
    bundles = [store.get("bundle", version) for version in versions_of(home, "bundle")]
    newest = store.latest("bundle")
    older = next(bundle for bundle in bundles if bundle != newest)

    def promote(number: int) -> list[str]:
        other = next(bundle for bundle in bundles if bundle.version != served_version(store))
        return [*LOOPBACK, "promote", other.version, "--reason", f"kill {number}"]

    def roll_back(number: int) -> list[str]:
        deploy(store, older, "promotion", "before")
        deploy(store, newest, "promotion", "now")
        return [*LOOPBACK, "rollback"]

    def clean(number: int) -> list[str]:
        for copy in range(3):
            folder = home / "interactions" / f"unneeded-{number}-{copy}"
            shutil.copytree(store.latest("interactions").folder, folder)
        return [*LOOPBACK, "clean", "--keep", "0", "--delete"]

    def judge(number: int) -> list[str]:
        deploy(store, older, "promotion", f"kill {number}")
        shutil.rmtree(home / "promotion", ignore_errors=True)
        return [*PROMOTION, "-m", "loopback_assets.definitions"]

    print("| command | kills | while it ran | seconds undisturbed | the bundle in service |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, prepare in (
        ("`loopback promote`", promote),
        ("`loopback rollback`", roll_back),
        ("`loopback clean --delete`", clean),
        ("assets `drift` and `promotion`", judge),
    ):
        kill(name, given.kills, home, prepare)
    shutil.rmtree(home)


if __name__ == "__main__":
    main()
