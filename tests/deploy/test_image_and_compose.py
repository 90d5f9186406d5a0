"""The image and the composition for one machine, by the rules of their formats and against each other."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import yaml
from kubernetes_manifests import DEPLOY

ROOT = DEPLOY.parent
FILE = DEPLOY / "compose" / "compose.yaml"
COMPOSE = yaml.safe_load(FILE.read_text("utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def test_the_composition_is_valid():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_volume_of_the_composition_exists():
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            exists = (FILE.parent / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
            assert exists, volume


def test_the_web_server_and_the_service_are_open_to_this_machine_alone():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_workspace_names_the_code_location_of_the_composition():
    workspace = yaml.safe_load((FILE.parent / "workspace.yaml").read_text("utf-8"))
    (location,) = workspace["load_from"]
    command = COMPOSE["services"][location["grpc_server"]["host"]]["command"]
    assert command[command.index("--port") + 1] == str(location["grpc_server"]["port"])


def test_who_is_waited_for_has_a_health_check():
    for service in COMPOSE["services"].values():
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in COMPOSE["services"][name]


def test_the_image_follows_the_rules_of_hadolint():
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_that_is_copied_exists_and_enters_the_build():
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    ]
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    assert sorted(copied) == sorted(let_in)
    assert all((ROOT / name).exists() for name in copied)


def test_every_package_of_the_project_is_in_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for name in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {name} {name}" in DOCKERFILE
    extras = re.search(r'^ARG EXTRAS="(.*)"$', DOCKERFILE, re.MULTILINE)
    assert set(extras[1].split()) <= set(project["project"]["optional-dependencies"])
    assert "kubernetes" in extras[1].split()


def test_the_image_has_no_entry_point_and_no_root():
    """Dagster gives the command of a run as arguments of the container."""
    assert "ENTRYPOINT" not in DOCKERFILE
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_the_health_check_of_the_image_asks_the_port_that_it_serves():
    command = ast.literal_eval(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    assert f"http://127.0.0.1:{command[command.index('--port') + 1]}/health/ready" in DOCKERFILE
