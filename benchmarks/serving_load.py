"""Load on a service: as fast as it answers, by `wrk`, or at a given rate; and the processes of the service, with their memory."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np
import psutil

HERE = Path(__file__).parent

CONNECTIONS = 64
"""Of the client with a given rate: as many requests may be under way."""

SLOWEST_START = 120
"""Seconds."""

COMPILED = Path(tempfile.gettempdir()) / "loopback-benchmark-compiled"
"""Where Python keeps the compiled sources of what is started, so that only the first start compiles them."""


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    body: str = ""


def post(path: str, body: object) -> Sent:
    """A request with a body of JSON."""
    return Sent("POST", path, json.dumps(body))


@dataclass(frozen=True)
class Latency:
    """How some requests were answered; times in milliseconds, of requests that failed too."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int


class Memory(NamedTuple):
    """Bytes of all processes of a service."""

    rss: int
    pss: int  # pages that processes share are divided among them; those of files count
    anonymous: int  # what is no file: it cannot be dropped and read again


class Server:
    """A running service."""

    def __init__(self, process: subprocess.Popen, port: int, started: float) -> None:
        self.process, self.port, self.started = process, port, started

    def processes(self) -> list[psutil.Process]:
        """Its process and those below it."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """That all of them have used."""
        return sum(sum(process.cpu_times()[:2]) for process in self.processes())

    def memory(self) -> Memory:
        """Of all of them."""
        fields = {"Rss:": 0, "Pss:": 0, "Anonymous:": 0}
        for process in self.processes():
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(" ")
                if name in fields:
                    fields[name] += int(rest.split()[0]) * 1024
        return Memory(*fields.values())

    def ask(self, sent: Sent, timeout: float = 60) -> tuple[int, bytes]:
        """Status and body of the answer; 0 where nothing listens."""
        headers = {"Content-Type": "application/json", "Connection": "close"}
        url, data = f"http://127.0.0.1:{self.port}{sent.path}", sent.body.encode() or None
        try:
            with urlopen(Request(url, data, headers, method=sent.method), timeout=timeout) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()
        except (URLError, ConnectionError):
            return 0, b""

    def wait_for(self, sent: Sent, times: int = 1) -> float:
        """Seconds from the start to the answer, `times` in a row: of several workers each should be asked."""
        row = 0
        while row < times:
            if self.process.poll() is not None or time.perf_counter() - self.started > SLOWEST_START:
                raise SystemExit("the service did not start")
            row = row + 1 if self.ask(sent)[0] == 200 else 0
            if not row:
                time.sleep(0.02)
        return time.perf_counter() - self.started


@contextmanager
def serving(command: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Start a service; PORT in the command is replaced by a free port. Sources are compiled once, as in an installation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [part.replace("PORT", str(port)) for part in command]
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        whole = os.environ | {"PYTHONPYCACHEPREFIX": str(COMPILED)} | (environment or {})
        whole.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(command, env=whole, stdout=log, stderr=log)
        try:
            yield Server(process, port, started)
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-3000:])
            raise
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wrk(server: Server, requests: Sequence[Sent], connections: int, seconds: float) -> Latency:
    """As many requests as are answered, each connection one after the other; the requests are repeated in their order."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "requests"
        lines.write_text("".join(f"{one.method}\t{one.path}\t{one.body}\n" for one in requests), "utf-8")
        options = ["-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
        url = f"http://127.0.0.1:{server.port}"
        command = ["wrk", *options, "-s", str(HERE / "wrk_requests.lua"), url, "--", str(lines)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Latency(**json.loads(done.stdout.strip().splitlines()[-1]))


def at_rate(server: Server, requests: Sequence[Sent], rate: float, seconds: float) -> list[tuple[float, float, bool]]:
    """Requests at a rate, whether or not those before were answered: for each the second in which it was due, the
    milliseconds from then to its answer, and whether it was answered with 200."""
    return asyncio.run(_at_rate(server.port, requests, rate, seconds))


def latency_of(answers: Sequence[tuple[float, float, bool]], seconds: float) -> Latency:
    """Of what :func:`at_rate` gave."""
    milliseconds = [one for _, one, _ in answers]
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return Latency(len(answers), seconds, float(p50), float(p99), sum(not good for _, _, good in answers))


async def _at_rate(port: int, requests: Sequence[Sent], rate: float, seconds: float) -> list[tuple[float, float, bool]]:
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(_Connection(port))
    start, answers = time.perf_counter() + 0.1, []

    async def send(due: float, request: Sent) -> None:
        connection = await idle.get()
        try:
            good = await asyncio.wait_for(connection.ask(request), 30) == 200
        except (OSError, EOFError, TimeoutError):
            good = False
            connection.close()
        idle.put_nowait(connection)
        answers.append((due - start, (time.perf_counter() - due) * 1e3, good))

    tasks = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(due, requests[number % len(requests)])))
    await asyncio.gather(*tasks)
    for _ in range(CONNECTIONS):
        idle.get_nowait().close()
    return sorted(answers)


class _Connection:
    """A connection that is kept, with as little work as may be: the client runs on the cores of the service."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, sent: Sent) -> int:
        """The status of the answer, once all of it is here."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = sent.body.encode()
        head = f"{sent.method} {sent.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        return int(answer.split(b" ", 2)[1])

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
