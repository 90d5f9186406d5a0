import pytest
from kubernetes_manifests import of_kind, render, render_run


@pytest.fixture(scope="session")
def rendered():
    """The objects of deploy/kubernetes."""
    return render()


@pytest.fixture(scope="session")
def run_job(rendered):
    """The job of a run, by the image that the code location names."""
    (code,) = of_kind(rendered, "Deployment")["loopback-code"]["spec"]["template"]["spec"]["containers"]
    return render_run(next(one["value"] for one in code["env"] if one["name"] == "DAGSTER_CURRENT_IMAGE"))


@pytest.fixture(scope="session")
def created(rendered, run_job):
    """Everything that is created in the cluster, with one run."""
    return [*rendered, run_job]
