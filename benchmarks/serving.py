"""The service at full size: latency, requests per second, memory, a swap under load, a cold start.

    uv run python benchmarks/serving.py [--folder PATH] [--events N] [--encoders pooled hstu] [--workers 1 2]
        [--seconds S] [--soak SECONDS] [--keep]

In --folder a home is made from the generated log, and kept for the next run with --keep: 19,100,000 listens of 992 users,
about 1.5M tracks. `loopback serve` answers requests of its users, sent by `wrk` (Debian) and by a client with a given rate,
on the same cores. In the same run: a FastAPI route that returns a constant, and a naive service (the user tower and an exact
search in the event loop, without any other term of the score). Other processes are not kept away: their load is printed, and
the CPU time of a request and the ratio to the constant route say more than milliseconds where it is high.

Requests "at another moment each" ask for a time that nobody asked for before (`at`), so that nothing that was computed earlier,
when the bundle was built or for a request, can be used: as for a user who has just played something.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import foreign_load
from serving_home import ENCODERS, make_home
from serving_load import Latency, Sent, Server, at_rate, latency_of, serving, wrk
from serving_requests import BATCH, Requests

HERE = Path(__file__).parent

ONE, SEVERAL = 1, 8
"""Connections."""

RATE, RATE_OF_SWAP = 200.0, 50.0
"""Requests per second."""

SWAPS = 4

EVERYBODY = "all users in turn"

TARGETS = {
    "median user": "p50 5, p99 15",
    EVERYBODY: "p50 5, p99 15",
    f"{EVERYBODY}, {RATE:.0f}/s": "p99 50",
    f"batch of {BATCH}": f"p50 {BATCH}",
    "tracks?q=": "p99 20",
}
"""In milliseconds."""

READY = Sent("GET", "/health/ready")


@dataclass
class Row:
    """A line of the table."""

    server: str
    what: str
    latency: Latency
    cpu_ms: float  # of the server's processes, for each request
    foreign_cores: float


class Bench:
    """Measures and collects."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.rows = seconds, list[Row]()

    def closed(
        self,
        name: str,
        server: Server,
        what: str,
        requests: Sequence[Sent],
        connections: int = ONE,
        times: float = 1,
    ) -> None:
        """As fast as it answers. times: that a row takes as long as others."""
        if not len(self.rows) or self.rows[-1].server != name:
            wrk(server, requests[:1], ONE, 1)  # warm up
        self._measured(name, server, what, lambda: wrk(server, requests, connections, times * self.seconds))

    def rated(self, name: str, server: Server, what: str, requests: Sequence[Sent], rate: float) -> None:
        """At a rate."""
        self._measured(
            name, server, what, lambda: latency_of(at_rate(server, requests, rate, self.seconds), self.seconds)
        )

    def _measured(self, name: str, server: Server, what: str, work: Callable[[], Latency]) -> None:
        before = server.cpu_seconds()
        with foreign_load(lambda: _cpu_of_everything(server)) as load:
            latency = work()
        cpu = 1e3 * (server.cpu_seconds() - before) / max(latency.requests, 1)
        self.rows.append(Row(name, what, latency, cpu, load.foreign_cores))
        print(_line(self.rows[-1], self.constant), flush=True)

    @property
    def constant(self) -> float:
        """p50 of the constant route, one at a time."""
        return next(row.latency.p50_ms for row in self.rows if row.server == "constant")


def _cpu_of_everything(server: Server) -> float:
    """Of the server, of this process, and of the load generators that it ran."""
    return server.cpu_seconds() + sum(os.times()[:4])


def uvicorn(app: str, *options: str) -> list[str]:
    """The command of a rival."""
    return [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(HERE),
        "--port",
        "PORT",
        "--log-level",
        "warning",
        *options,
        app,
    ]


def loopback(home: Path, workers: int) -> list[str]:
    """The command of the service."""
    run = "from loopback_core.command_line.main import main; main()"
    return [sys.executable, "-c", run, "serve", "--home", str(home), "--port", "PORT", "--workers", str(workers)]


def serve_version(home: Path, version: str) -> None:
    """Let a bundle be served."""
    from loopback_core.store.artifacts import ArtifactStore
    from loopback_core.store.deployments import deploy

    store = ArtifactStore(home)
    deploy(store, store.get("bundle", version), "chosen", "benchmark")


def measure_rivals(bench: Bench, home: Path, version: str) -> None:
    """The constant route and the naive service."""
    with serving(uvicorn("serving_rivals:constant")) as server:
        server.wait_for(Sent("GET", "/"))
        for connections in (ONE, SEVERAL):
            bench.closed("constant", server, f"{connections} connections", [Sent("GET", "/")], connections)
    folder = home / "bundle" / version
    requests = Requests(folder)
    with serving(uvicorn("serving_rivals:naive", "--factory"), {"BUNDLE": str(folder)}) as server:
        server.wait_for(requests.again(requests.median)[0])
        bench.closed("naive", server, "median user", requests.at_moments(requests.median))
        bench.closed("naive", server, "longest user", requests.at_moments(requests.longest))
        bench.closed("naive", server, f"everybody, {SEVERAL} connections", requests.everybody(), SEVERAL)


def measure_service(
    bench: Bench, home: Path, encoder: str, versions: Sequence[str], workers: int, soak: float
) -> dict[str, Any]:
    """Every row of the service; returns what is no row."""
    serve_version(home, versions[0])
    requests = Requests(home / "bundle" / versions[0])
    name = f"{encoder}, {workers} worker{'s' if workers > 1 else ''}"
    found: dict[str, Any] = {"cold": cold_start(home, versions[0], requests, workers)}
    print(f"{name}: {found['cold']}", flush=True)
    with serving(loopback(home, workers)) as server:
        server.wait_for(READY, 6 * workers)
        everybody, anew = requests.everybody(), requests.everybody_at_moments()
        bench.closed(name, server, "median user", requests.again(requests.median))
        bench.closed(name, server, "longest user", requests.again(requests.longest))
        bench.closed(name, server, EVERYBODY, everybody)
        bench.closed(name, server, f"{EVERYBODY}, {SEVERAL} connections", everybody, SEVERAL)
        bench.rated(name, server, f"{EVERYBODY}, {RATE:.0f}/s", everybody, RATE)
        bench.closed(name, server, "median user, at another moment each", requests.at_moments(requests.median))
        bench.closed(name, server, "longest user, at another moment each", requests.at_moments(requests.longest))
        bench.closed(name, server, f"{EVERYBODY}, at another moment each", anew)
        unranked = requests.everybody_at_moments(rank=False)
        bench.closed(name, server, f"{EVERYBODY}, at another moment each, without the ranker", unranked)
        bench.closed(name, server, "history of 100 listens", requests.with_history())
        bench.closed(name, server, f"batch of {BATCH}", requests.batches(), times=3)
        bench.closed(name, server, f"batch of {BATCH}, at another moment each", requests.batches(True), times=3)
        bench.closed(name, server, "tracks?q=", requests.typed())
        found["memory"] = server.memory()._asdict()
        if soak:
            found["soak"] = soaked(server, everybody, soak)
            print(f"{name}: {found['soak']}", flush=True)
        found["swap"] = swapped(server, home, versions, everybody, workers)
        print(f"{name}: {found['swap']}", flush=True)
    return found


def cold_start(home: Path, version: str, requests: Requests, workers: int) -> dict[str, dict[str, float]]:
    """Seconds to the first answer and to the last worker's, and memory then: with the files in memory, and on the disk."""
    found, question = {}, requests.again(requests.median)[0]
    for where in ("", "disk", "page cache"):  # the first start compiles sources
        if where == "disk":
            forget_pages(home / "bundle" / version)
        with serving(loopback(home, workers)) as server:
            first = server.wait_for(question)
            if not where:
                continue
            found[where] = {
                "first_answer": first,
                "all_workers": server.wait_for(READY, 6 * workers),
            } | server.memory()._asdict()
    return found


def forget_pages(folder: Path) -> None:
    """Let the operating system forget what it holds of these files; pages that a process maps stay."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def soaked(server: Server, requests: Sequence[Sent], seconds: float) -> dict[str, Any]:
    """Memory through a long load, in ten parts; the first part warms up."""
    memory, failed, answered = [], 0, 0
    for _ in range(10):
        latency = wrk(server, requests, 4, seconds / 10)
        memory.append(server.memory()._asdict())
        failed, answered = failed + latency.failed, answered + latency.requests
    growth = {kind: memory[-1][kind] / memory[0][kind] - 1 for kind in memory[0]}
    return {"seconds": seconds, "requests": answered, "failed": failed, "growth": growth, "memory": memory}


def swapped(
    server: Server, home: Path, versions: Sequence[str], requests: Sequence[Sent], workers: int
) -> dict[str, Any]:
    """Bundles exchanged under load: failed requests, and latency from a new pointer to a second after the last worker has it."""
    seconds, before = 20.0, server.memory()
    quiet = latency_of(at_rate(server, requests, RATE_OF_SWAP, seconds), seconds)
    with _answers(server, requests, seconds * SWAPS) as (started, answers):
        windows = []
        for number in range(SWAPS):
            time.sleep(max(0.0, started + number * seconds + 2 - time.perf_counter()))
            began, version = time.perf_counter(), versions[(number + 1) % 2]
            serve_version(home, version)
            in_service = 0
            while in_service < 6 * workers and time.perf_counter() < began + seconds:
                is_new = version.encode() in server.ask(READY)[1]
                in_service = in_service + 1 if is_new else 0
                time.sleep(0.05)
            windows.append((began - started, time.perf_counter() - started + 1))
    inside = [one for one in answers if any(low <= one[0] <= high for low, high in windows)]
    during = latency_of(inside, sum(high - low for low, high in windows))
    return {
        "swaps": SWAPS,
        "seconds": [high - low - 1 for low, high in windows],
        "quiet": asdict(quiet),
        "during": asdict(during),
        "failed": sum(not good for _, _, good in answers),
        "p99_ratio": during.p99_ms / quiet.p99_ms,
        "memory_before": before._asdict(),
        "memory_after": server.memory()._asdict(),
    }


@contextmanager
def _answers(server: Server, requests: Sequence[Sent], seconds: float) -> Iterator[tuple[float, list]]:
    """Requests at RATE_OF_SWAP while the block runs: when they began, and their answers, filled in at the end."""
    from threading import Thread

    answers: list = []
    thread = Thread(target=lambda: answers.extend(at_rate(server, requests, RATE_OF_SWAP, seconds)))
    thread.start()
    yield time.perf_counter(), answers
    thread.join()


def _line(row: Row, constant: float) -> str:
    latency = row.latency
    return (
        f"| {row.server} | {row.what} | {latency.p50_ms:.2f} | {latency.p99_ms:.2f} | {TARGETS.get(row.what, '')} | "
        f"{latency.requests / latency.seconds:,.0f} | {latency.p50_ms / constant:.1f} | {row.cpu_ms:.2f} | {latency.failed} | "
        f"{row.foreign_cores:.1f} |"
    )


def table(rows: Sequence[Row], services: dict[str, dict[str, Any]]) -> Iterator[str]:
    """As Markdown."""
    constant = next(row.latency.p50_ms for row in rows if row.server == "constant")
    yield "| server | requests | p50, ms | p99, ms | target | requests/s | × constant (p50) | CPU, ms | failed | other processes, cores |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        yield _line(row, constant)
    yield ""
    yield "| service | what | | target |\n| --- | --- | --- | --- |"
    for name, found in services.items():
        for where, cold in found["cold"].items():
            yield (
                f"| {name} | cold start, files on {where} | {cold['first_answer']:.1f} s to the first answer, "
                f"{cold['all_workers']:.1f} s to that of every worker; {_memory(cold)} | 10 s, 3 GB |"
            )
        yield f"| {name} | memory after the rows above | {_memory(found['memory'])} | |"
        if "soak" in found:
            soak = found["soak"]
            grown = ", ".join(f"{kind} {share:+.1%}" for kind, share in soak["growth"].items())
            yield f"| {name} | {soak['requests']:,} requests in {soak['seconds']:.0f} s | {grown}; {soak['failed']} failed | 2 % |"
        swap = found["swap"]
        yield (
            f"| {name} | {swap['swaps']} swaps under load | p99 {swap['during']['p99_ms']:.1f} ms, quiet {swap['quiet']['p99_ms']:.1f} ms: "
            f"{swap['p99_ratio']:.1f} ×; {swap['failed']} failed; {max(swap['seconds']):.1f} s at most; {_memory(swap['memory_after'])} "
            "after | 2 ×, 0 failed |"
        )


def _memory(found: dict[str, float]) -> str:
    return ", ".join(f"{kind} {found[kind] / 1e9:.2f} GB" for kind in ("rss", "pss", "anonymous"))


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks/serving"))
    parser.add_argument("--events", type=int, default=19_100_000)
    parser.add_argument("--users", type=int, default=992)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=ENCODERS)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=6, help="of each row")
    parser.add_argument(
        "--soak", type=float, default=30, help="seconds of load while memory is watched; 600 for ten minutes, 0: none"
    )
    parser.add_argument("--keep", action="store_true", help="leave the home there for the next run: 9 GB at full size")
    options = parser.parse_args()
    home = (options.folder / f"serving-{options.events}").absolute()
    versions = make_home(home, options.events, options.users, options.encoders)
    bench, services = Bench(options.seconds), {}
    measure_rivals(bench, home, versions[options.encoders[0]][0])
    for encoder in options.encoders:
        for workers in options.workers:
            found = measure_service(bench, home, encoder, versions[encoder], workers, options.soak)
            services[f"{encoder}, {workers} worker{'s' if workers > 1 else ''}"] = found
            results = {"events": options.events, "rows": [asdict(row) for row in bench.rows], "services": services}
            (options.folder / "serving.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    print("\n".join(table(bench.rows, services)))
    if not options.keep:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
