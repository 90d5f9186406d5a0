import subprocess
import sys

SLOW = ("pandera", "pandas", "torch._dynamo", "torch._inductor", "dagster", "matplotlib")
"""Modules that take a second or more to import, and that no request needs."""

ASKED = f"""
import sys, time
from pathlib import Path
from starlette.testclient import TestClient
from loopback_core.serving.api.app import ServeOptions, create_app

with TestClient(create_app(ServeOptions(Path(sys.argv[1])))) as client:
    while client.get("/health/ready").status_code != 200:
        time.sleep(0.05)
    print([name for name in {SLOW!r} if name in sys.modules])
    assert client.post("/v1/recommendations", json={{"user_id": "user_01"}}).json()["items"]
    assert client.get("/v1/tracks", params={{"q": "track"}}).json()["items"]
    print([name for name in {SLOW!r} if name in sys.modules])
"""


def test_the_service_starts_and_answers_without_modules_that_no_request_needs(shared_home):
    command = [sys.executable, "-W", "ignore", "-c", ASKED, str(shared_home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
