import subprocess
import sys

SLOW = ("pandera", "pandas", "torch._dynamo", "torch._inductor", "dagster", "matplotlib")
"""Modules that take a second or more to import, and that no request needs."""


def test_the_service_starts_without_modules_that_no_request_needs(shared_home):
    lines = [
        "import sys",
        "import loopback_core.serving.api.app",
        "from pathlib import Path",
        "from loopback_core.serving.loaded import LoadedBundle",
        "from loopback_core.store.artifacts import ArtifactStore",
        "from loopback_core.store.served_pointer import served_bundle",
        f"LoadedBundle.load(served_bundle(ArtifactStore(Path({str(shared_home)!r}))))",
        f"print([name for name in {SLOW!r} if name in sys.modules])",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
