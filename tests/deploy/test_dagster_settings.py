"""What Dagster is told in deploy/ is what it understands, and what docs/dagster.yaml says."""

import pytest
import yaml
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.workspace.config_schema import process_workspace_config
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from kubernetes_manifests import DEPLOY, SETTINGS, of_kind
from sqlalchemy import create_engine

KUBERNETES = yaml.safe_load((SETTINGS / "dagster.yaml").read_text("utf-8"))
PLAIN = yaml.safe_load((DEPLOY.parent / "docs" / "dagster.yaml").read_text("utf-8"))


def test_every_section_of_the_document_holds_in_the_cluster_too():
    assert {section: KUBERNETES[section] for section in PLAIN} == PLAIN


@pytest.mark.parametrize("given", [KUBERNETES, PLAIN])
def test_dagster_understands_every_section(given, monkeypatch):
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    config = process_config(dagster_instance_config_schema(), given)
    assert config.success, config.errors


def test_the_storage_is_a_postgresql_that_exists(rendered, monkeypatch):
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "secret")
    config = process_config(DagsterPostgresStorage.config_type(), KUBERNETES["storage"]["postgres"])
    assert config.success, config.errors
    create_engine(pg_url_from_config(config.value))  # imports the driver, and connects to nothing
    database = config.value["postgres_db"]
    assert database["password"] == "secret"
    assert database["port"] in {
        port["port"] for port in of_kind(rendered, "Service")[database["hostname"]]["spec"]["ports"]
    }
    (container,) = of_kind(rendered, "StatefulSet")["loopback-postgresql"]["spec"]["template"]["spec"]["containers"]
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert (values["POSTGRES_USER"], values["POSTGRES_DB"]) == (database["username"], database["db_name"])


def test_the_workspace_names_the_service_of_the_code_location(rendered):
    workspace = yaml.safe_load((SETTINGS / "workspace.yaml").read_text("utf-8"))
    assert process_workspace_config(workspace).success
    (location,) = workspace["load_from"]
    service = of_kind(rendered, "Service")[location["grpc_server"]["host"]]
    assert [port["port"] for port in service["spec"]["ports"]] == [location["grpc_server"]["port"]]


def test_runs_use_what_exists_in_the_cluster(rendered):
    launcher = KUBERNETES["run_launcher"]["config"]
    assert launcher["job_namespace"] in of_kind(rendered, "Namespace")
    assert launcher["service_account_name"] in of_kind(rendered, "ServiceAccount")
    assert launcher["instance_config_map"] in of_kind(rendered, "ConfigMap")
    assert set(launcher["env_config_maps"]) <= set(of_kind(rendered, "ConfigMap"))


def test_only_what_starts_runs_may_start_pods(rendered):
    binding = of_kind(rendered, "RoleBinding")["loopback-runs"]
    assert binding["roleRef"]["name"] in of_kind(rendered, "Role")
    (subject,) = binding["subjects"]
    users = [
        name
        for name, one in of_kind(rendered, "Deployment").items()
        if one["spec"]["template"]["spec"]["serviceAccountName"] == subject["name"]
    ]
    assert sorted(users) == ["loopback-daemon", "loopback-webserver"]
