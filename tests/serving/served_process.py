"""Processes of `loopback serve` that may be killed, forked from one that has imported everything: each starts in a second."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

FORKS = """
import json, os, signal, sys
import faiss, torch, uvicorn
import loopback_core.serving.api.app
from loopback_core.command_line.main import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes them away when they end
print("ready", flush=True)
for line in sys.stdin:
    arguments, log = json.loads(line)
    if (pid := os.fork()) == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(file, descriptor)
        main(arguments)
    print(pid, flush=True)
"""


class ServedProcess:
    """One process of `loopback serve`."""

    def __init__(self, pid, port, log):
        self.pid, self.port, self.log = pid, port, log

    def request(self, method, path, body=None):
        """Status and JSON of an answer; OSError or HTTPException where there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def wait_until(self, path):
        """Return once a path is answered with 200."""
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                if self.request("GET", path)[0] == 200:
                    return self
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def kill(self):
        """End it with SIGKILL."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.005)
        except ProcessLookupError:
            pass


@contextmanager
def serving_processes(folder):
    """A function that starts a process over a home; all of them end with the block. folder: for their logs."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("LOOPBACK_")}
    command = [sys.executable, "-c", FORKS]
    forks = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    started = []

    def start(home):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = folder / f"{len(started)}.log"
        arguments = ["serve", "--home", str(home), "--port", str(port)]
        forks.stdin.write(json.dumps([arguments, str(log)]) + "\n")
        forks.stdin.flush()
        started.append(ServedProcess(int(forks.stdout.readline()), port, log))
        return started[-1]

    try:
        assert forks.stdout.readline() == "ready\n"
        yield start
    finally:
        for process in started:
            process.kill()
        forks.stdin.close()
        forks.wait()
