"""What the containers run, ask and are told exists in the code."""

import ast
import os
import re
from pathlib import Path

import pytest
import yaml
from click import UsageError
from container_commands import parse
from kubernetes_manifests import DEPLOY, SETTINGS, containers, of_kind, pods

from loopback_core.settings import load_settings

ROOT = DEPLOY.parent
PROGRAMS = ("dagster", "dagster-daemon", "dagster-webserver", "loopback")
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text("utf-8"))
FILES = {"/var/lib/dagster/workspace.yaml": SETTINGS / "workspace.yaml"}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def read_variables():
    """Variables of ours that the code reads: text constants of their form."""
    sources = [path for package in ("loopback_core", "loopback_assets") for path in (ROOT / package).rglob("*.py")]
    constants = (
        node.value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in constants if re.fullmatch("LOOPBACK_[A-Z_]+|[A-Z]+_NUM_THREADS", text)}


@pytest.fixture(scope="module")
def commands(rendered):
    """All commands of containers and health checks that start one of the programs."""
    found = [container.get("command") or [] for pod in pods(rendered).values() for container in containers(pod)]
    for pod in pods(rendered).values():
        for container in containers(pod):
            probes = [value for key, value in container.items() if key.endswith("Probe")]
            found += [probe["exec"]["command"] for probe in probes if "exec" in probe]
    for service in COMPOSE["services"].values():
        found.append(service["command"])
        found.append(service.get("healthcheck", {"test": []})["test"][1:])
    found.append(ast.literal_eval(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1]))
    return [command for command in found if command and command[0] in PROGRAMS]


def test_every_command_is_understood_by_its_program(commands):
    assert {parse(command, FILES).command_path for command in commands} == {
        "dagster api grpc",
        "dagster api grpc-health-check",
        "dagster-daemon liveness-check",
        "dagster-daemon run",
        "dagster-webserver",
        "loopback serve",
    }


def test_a_wrong_option_would_be_found():
    with pytest.raises(UsageError):
        parse(["loopback", "serve", "--hosts", "0.0.0.0"])


def test_the_workspace_lies_where_the_commands_look_for_it(rendered):
    for name in ("loopback-webserver", "loopback-daemon"):
        (container,) = pods(rendered)[name]["spec"]["containers"]
        assert FILES.keys() == {mount["mountPath"] for mount in container["volumeMounts"]} & set(container["command"])
    for name in ("webserver", "daemon"):
        service = COMPOSE["services"][name]
        assert FILES.keys() == {volume.split(":")[1] for volume in service["volumes"]} & set(service["command"])


def test_the_code_location_is_the_module_of_the_definitions(commands):
    modules = {
        parse(command).params["module_name"] for command in commands if command[:3] == ["dagster", "api", "grpc"]
    }
    assert modules == {"loopback_assets.definitions"}


def test_every_path_that_is_asked_is_a_route(rendered):
    from dagster_webserver import webserver

    from loopback_core.serving.api.health_routes import health_routes

    routes = {
        "serve": {route.path for route in health_routes(None).routes},
        "webserver": re.findall(r'Route\("(/[a-z_]+)"', Path(webserver.__file__).read_text("utf-8")),
    }
    asked = {
        (container["name"], probe["httpGet"]["path"])
        for pod in pods(rendered).values()
        for container in containers(pod)
        for probe in container.values()
        if isinstance(probe, dict) and "httpGet" in probe
    }
    texts = [" ".join(one["healthcheck"]["test"]) for one in COMPOSE["services"].values() if "healthcheck" in one]
    for port, path in re.findall(r"127\.0\.0\.1:(\d+)(/[a-z_/]+)", " ".join([*texts, DOCKERFILE])):
        asked.add(({"8000": "serve", "3000": "webserver"}[port], path))
    assert {path for _, path in asked} == {"/health/ready", "/health/live", "/server_info"}
    assert all(path in routes[name] for name, path in asked)


def test_the_probe_of_the_code_location_asks_for_what_the_server_reports(rendered):
    from dagster._grpc import server

    (code,) = of_kind(rendered, "Deployment")["loopback-code"]["spec"]["template"]["spec"]["containers"]
    assert f'set("{code["readinessProbe"]["grpc"]["service"]}"' in Path(server.__file__).read_text("utf-8")


def test_ports_of_commands_are_those_of_the_containers(rendered):
    for pod in pods(rendered).values():
        for container in containers(pod):
            if "--port" in container.get("command", []):
                (port,) = container["ports"]
                assert parse(container["command"], FILES).params["port"] == port["containerPort"]


def test_every_variable_is_read_by_the_code(rendered):
    maps = of_kind(rendered, "ConfigMap")
    told = set(maps["loopback-environment"]["data"])
    for service in COMPOSE["services"].values():
        told |= set(service.get("environment", {}))
    told |= set(re.findall(r"(LOOPBACK_[A-Z_]+)=", DOCKERFILE))
    assert told <= read_variables()
    assert {"LOOPBACK_HOME", "LOOPBACK_CONFIG", "LOOPBACK_API_KEYS"} <= told


def test_the_image_of_runs_is_read_from_the_variable_of_the_code_location():
    from dagster._cli import api

    assert "DAGSTER_CURRENT_IMAGE" in Path(api.__file__).read_text("utf-8")


@pytest.mark.parametrize("folder", [SETTINGS, DEPLOY / "compose"])
def test_the_settings_are_understood(folder):
    assert load_settings({}, {"LOOPBACK_CONFIG": os.fspath(folder / "loopback.toml")}).source.name == "sample"


def test_home_and_settings_are_mounted_where_the_environment_says(created):
    environment = of_kind(created, "ConfigMap")["loopback-environment"]["data"]
    config = Path(environment["LOOPBACK_CONFIG"])
    assert config.name in of_kind(created, "ConfigMap")["loopback-settings"]["data"]
    for pod in pods(created).values():
        for container in containers(pod):
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            assert mounts.get("home", environment["LOOPBACK_HOME"]) == environment["LOOPBACK_HOME"]
            assert mounts.get("settings", os.fspath(config.parent)) == os.fspath(config.parent)
