"""`loopback serve`."""

import ipaddress
import os
import socket
import tempfile
from pathlib import Path

import click

from loopback_core.errors import SettingsError
from loopback_core.listens.listen_store import ListenStore
from loopback_core.served_quality.answer_log import AnswerLog
from loopback_core.settings import load_settings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import served_bundle

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def run_service(home: Path, host: str, port: int, workers: int, api_keys: str, verify: bool, log_answers: bool) -> None:
    """Serve until the process is ended.

    Raises:
        SettingsError: the address is public and there is no key, or it is taken.
        ArtifactError: there is no bundle, or with `verify` a file of it is damaged.
        ListensError: the store of listens, or the log of answers, cannot be opened.
    """
    keys = api_keys.replace(",", " ").split()
    if not keys and not _is_local(host):
        raise SettingsError(
            f"{host} can be reached from other machines, and no API key is set: set LOOPBACK_API_KEYS, or listen on 127.0.0.1."
        )
    artifact = served_bundle(ArtifactStore(home))
    if verify:
        artifact.verify()
    ListenStore.open(home).close()  # refused here, not by each of the workers
    if log_answers:
        AnswerLog.open(home).close()
        load_settings({})  # the workers read how long answers are kept
    _refuse_taken(host, port)
    os.environ["LOOPBACK_HOME"] = str(home.expanduser().absolute())
    os.environ["LOOPBACK_API_KEYS"] = ",".join(keys)
    os.environ["LOOPBACK_LOG_ANSWERS"] = "1" if log_answers else "0"
    for variable in THREAD_VARIABLES:  # requests run side by side: each computes with one thread
        os.environ[variable] = "1"
    click.echo(f"Serving {artifact} on http://{host}:{port} ({'with' if keys else 'without'} API keys)")
    if workers == 1:
        _run(host, port, None)
        return
    with tempfile.TemporaryDirectory(prefix="loopback-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        _run(host, port, workers)


def _run(host: str, port: int, workers: int | None) -> None:
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    ours = {"handlers": ["default"], "level": "INFO", "propagate": False}
    uvicorn.run(
        "loopback_core.serving.api.app:from_environment",
        factory=True,
        http="loopback_core.serving.api.bounded_protocol:BoundedProtocol",
        ws="none",
        host=host,
        port=port,
        workers=workers,
        access_log=False,  # nothing of a request is logged but sizes and times, which are in /metrics
        log_level="info",
        log_config={**LOGGING_CONFIG, "loggers": {**LOGGING_CONFIG["loggers"], "loopback": ours}},
        timeout_keep_alive=15,
        limit_concurrency=1_000,
    )


def _refuse_taken(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
    except OSError as error:
        raise SettingsError(
            f"The service cannot listen on {host}:{port} ({error.strerror}): give another address with --host, or another "
            "port with --port."
        ) from None


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
