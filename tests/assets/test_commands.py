import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from loopback_core.stages import CHAIN, STAGES

REPOSITORY = Path(__file__).parents[2]
DAGSTER = str(Path(sys.executable).with_name("dagster"))

MODULE = ("-m", "loopback_assets.definitions")
EVERYTHING = (DAGSTER, "asset", "materialize", "--select", "*evaluation", *MODULE)
REPORT = (DAGSTER, "asset", "materialize", "--select", "evaluation", *MODULE)
BUILD_FIRST = "build it first: uv run dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"

# Parts that take long are left out: the commands are what is tested.
SETTINGS = """\
[source]
sample_events = 10000
sample_users = 60
[towers]
output_dim = 16
[training]
recipe = "given"
epochs = 3
patience = 3
batch_size = 256
embedding_learning_rate = 0.1
device = "cpu"
[ranking]
ranker = "none"
requests = 100
[reranking]
method = "calibrated"
[bundle]
refit = "none"
[evaluation]
resamples = 100
moments = 0
baselines = ["recent_artist", "personal_decayed", "same_artist"]
[checks]
min_evaluation_users = 5
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """start(folder, *command, **variables): a command of a user without any of our variables but LOOPBACK_CONFIG.

    Each has a process group of its own, which is ended with the module at the latest.
    """
    settings = tmp_path_factory.mktemp("settings") / "small.toml"
    settings.write_text(SETTINGS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOOPBACK", "DAGSTER"))}
    # One thread: on small matrices several only wait for each other.
    environment = {**clean, "LOOPBACK_CONFIG": str(settings), "OMP_NUM_THREADS": "1"}
    started = []

    def run(folder: Path, *command: str, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def finish(process: "subprocess.Popen[str]") -> str:
    """What a command that must succeed printed."""
    output, _ = process.communicate()
    assert process.returncode == 0, output[-3000:]
    return output


def versions(home: Path) -> dict[str, list[str]]:
    """Asset -> the versions of it that can be seen; without assets of which there is none."""
    built = [asset for asset in CHAIN if (home / asset).exists()]
    return {asset: [path.name for path in (home / asset).iterdir() if path.name != "LATEST"] for asset in built}


@pytest.fixture(scope="module")
def twice(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An empty folder in which the first command of the README ran twice at once; and what the two printed."""
    folder = tmp_path_factory.mktemp("empty")
    both = [start(folder, *EVERYTHING), start(folder, *EVERYTHING)]
    return folder, [finish(process) for process in both]


def test_the_first_command_twice_at_once_in_an_empty_folder_makes_one_report(twice: tuple[Path, list[str]]) -> None:
    folder, outputs = twice
    assert all("RUN_SUCCESS" in output for output in outputs)
    home = folder / ".loopback"
    published = versions(home)
    assert list(published) == list(CHAIN) and all(len(found) == 1 for found in published.values())
    report = home / "evaluation" / published["evaluation"][0]
    assert (report / "report.md").is_file()
    assert json.loads((report / "evaluation.json").read_text())["source"]["name"] == "sample"
    assert not list((home / ".building").iterdir())


def test_the_log_of_the_command_tells_of_each_epoch_once(twice: tuple[Path, list[str]]) -> None:
    _, outputs = twice
    lines = "".join(outputs).splitlines()
    trained = [sum(f" - epoch {number}: loss" in line for line in lines) for number in range(1, 4)]
    assert trained == [1, 1, 1]  # the other waited and reused


def test_later_commands_reuse_what_is_built_also_side_by_side(twice: tuple[Path, list[str]], start: Start) -> None:
    home = twice[0] / ".loopback"
    before = versions(home)
    config = {"resources": {"loopback": {"config": {"evaluation": {"ks": [5, 10, 100]}}}}}
    processes = [
        # As the user typed it, without -m; the command line overrides the settings file.
        start(
            twice[0],
            *REPORT[:-2],
            "--config-json",
            json.dumps(config),
            DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME="loopback_assets.definitions",
        ),
        start(twice[0], DAGSTER, "job", "execute", *MODULE, "-j", "retrain"),
        start(twice[0], DAGSTER, "job", "execute", *MODULE, "-j", "data_quality"),
    ]
    for process in processes:
        finish(process)
    after = versions(home)
    (report,) = set(after.pop("evaluation")) - set(before.pop("evaluation"))
    assert after == before
    content = json.loads((home / "evaluation" / report / "evaluation.json").read_text())
    assert content["settings"]["evaluation"]["ks"] == [5, 10, 100]


def test_in_an_empty_folder_the_report_fails_and_names_the_first_command(start: Start, tmp_path: Path) -> None:
    report = start(tmp_path, *REPORT)
    output, _ = report.communicate()
    assert report.returncode != 0
    assert f"There is no faiss_index in {tmp_path}/.loopback; {BUILD_FIRST}" in output


def test_the_ui_shows_the_graph_of_the_workspace(start: Start, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    address = ("-h", "127.0.0.1", "-p", str(port))
    ui = start(REPOSITORY, DAGSTER, "dev", "-w", "workspace.yaml", *address, DAGSTER_HOME=str(tmp_path))
    assert graph_in_the_ui(f"http://127.0.0.1:{port}/graphql", ui) == set(STAGES)


def graph_in_the_ui(address: str, server: "subprocess.Popen[str]") -> set[str]:
    """The assets that a server shows as soon as it has started and loaded them."""
    while server.poll() is None:
        with suppress(requests.RequestException):
            response = requests.post(address, json={"query": "{ assetNodes { assetKey { path } } }"}, timeout=10)
            if nodes := response.json()["data"]["assetNodes"]:
                return {node["assetKey"]["path"][0] for node in nodes}
        time.sleep(0.1)
    raise AssertionError(server.communicate()[0][-3000:])
