"""What it costs to verify what each step reads, in a process that has read nothing of it before.

    uv run python benchmarks/verification.py HOME

For each stage of the chain: the bytes of the artifacts that it opens, the best of three times to digest and compare them,
and the share of the time that the step itself took, from its manifest.
"""

import argparse
import time
from pathlib import Path

from loopback_core.stages import STAGES
from loopback_core.store import digests
from loopback_core.store.artifacts import ArtifactStore

TIMES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="a folder of artifacts in which the whole chain was made")
    store = ArtifactStore(parser.parse_args().home)
    print("| step | read, MB | verified in, s | the step, s | share |\n| --- | ---: | ---: | ---: | ---: |")
    for stage in STAGES.values():
        read = [store.latest(name) for name in (*stage.upstream, *stage.reads)]
        if not read or not stage.in_chain:
            continue
        size = sum(file["bytes"] for artifact in read for file in artifact.manifest["files"].values())
        best = min(_seconds_to_verify(read) for _ in range(TIMES))
        seconds = store.latest(stage.name).manifest["seconds"]
        print(
            f"| {stage.name} | {size / 1e6:,.0f} | {best:.2f} | {seconds:,.1f} | {100 * best / seconds:.2f} % |",
            flush=True,
        )


def _seconds_to_verify(artifacts: list) -> float:
    digests._DIGESTS.clear()
    started = time.perf_counter()
    for artifact in artifacts:
        artifact.verify()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
