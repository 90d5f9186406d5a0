"""deploy/kubernetes renders, is valid, and its parts name each other by the right names."""

import re

import kubernetes_validate
from kubernetes_manifests import DEPLOY, containers, of_kind, pods

HOME = {"loopback/home": "mounted"}

SECRETS = {"loopback-postgresql", "loopback-api-keys", "loopback-credentials"}
"""Those of deploy/README.md."""


def matches(labels, selector):
    """Whether a selector of labels, of either form, finds these labels."""
    wanted = selector.get("matchLabels", {})
    listed = selector.get("matchExpressions", [])
    return wanted.items() <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in listed)


def labels_of(pod):
    return pod["metadata"]["labels"]


def ports_of(pod):
    return {port["name"]: port["containerPort"] for one in containers(pod) for port in one.get("ports", [])}


def test_every_object_is_valid_for_kubernetes(created):
    for manifest in created:
        kubernetes_validate.validate(manifest, "1.35", strict=True)


def test_every_object_but_the_namespace_lies_in_it(created):
    assert {one["metadata"].get("namespace") for one in created if one["kind"] != "Namespace"} == {"loopback"}
    assert set(of_kind(created, "Namespace")) == {"loopback"}


def test_every_set_of_pods_is_found_by_its_own_selector(rendered):
    for one in rendered:
        if one["kind"] in ("Deployment", "StatefulSet"):
            assert matches(labels_of(one["spec"]["template"]), one["spec"]["selector"]), one["metadata"]["name"]


def test_every_service_finds_one_set_of_pods_and_a_port_of_it(rendered):
    for name, service in of_kind(rendered, "Service").items():
        found = [
            pod for pod in pods(rendered).values() if service["spec"]["selector"].items() <= labels_of(pod).items()
        ]
        assert len(found) == 1, name
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(ports_of(found[0])), name


def test_every_probe_asks_a_port_of_its_container(rendered):
    for pod in pods(rendered).values():
        for container in containers(pod):
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                if "httpGet" in probe:
                    assert probe["httpGet"]["port"] in ports
                if "grpc" in probe:
                    assert probe["grpc"]["port"] in ports.values()


def test_every_policy_is_about_pods_and_ports_that_exist(created):
    for name, policy in of_kind(created, "NetworkPolicy").items():
        chosen = [pod for pod in pods(created).values() if matches(labels_of(pod), policy["spec"]["podSelector"])]
        assert chosen, name
        for rule in policy["spec"].get("ingress", []):
            assert all(port["port"] in ports_of(pod) for port in rule["ports"] for pod in chosen), name
            for peer in rule.get("from", []):
                assert any(matches(labels_of(pod), peer["podSelector"]) for pod in pods(created).values()), name


def test_whoever_uses_the_database_may_connect_to_it(created):
    (rule,) = of_kind(created, "NetworkPolicy")["loopback-postgresql"]["spec"]["ingress"]
    for name, pod in pods(created).items():
        uses = any(env["name"] == "DAGSTER_PG_PASSWORD" for one in containers(pod) for env in one.get("env", []))
        assert uses == matches(labels_of(pod), rule["from"][0]["podSelector"]), name


def test_the_scaler_and_the_budget_are_of_the_service(rendered):
    target = of_kind(rendered, "HorizontalPodAutoscaler")["loopback-serve"]["spec"]["scaleTargetRef"]
    serve = of_kind(rendered, "Deployment")[target["name"]]
    assert target["kind"] == "Deployment" and "replicas" not in serve["spec"]
    budget = of_kind(rendered, "PodDisruptionBudget")["loopback-serve"]["spec"]["selector"]
    assert matches(labels_of(serve["spec"]["template"]), budget)


def test_a_share_of_cpu_is_scaled_by_where_a_cpu_is_requested(rendered):
    for pod in pods(rendered).values():
        assert all("cpu" in container["resources"]["requests"] for container in containers(pod))


def test_every_mount_has_a_volume_and_every_volume_its_source(created):
    claims, maps = of_kind(created, "PersistentVolumeClaim"), of_kind(created, "ConfigMap")
    of_sets = {
        name: {one["metadata"]["name"] for one in manifest["spec"]["volumeClaimTemplates"]}
        for name, manifest in of_kind(created, "StatefulSet").items()
    }
    for name, pod in pods(created).items():
        volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
        for mount in (mount for one in containers(pod) for mount in one["volumeMounts"]):
            assert mount["name"] in volumes.keys() | of_sets.get(name, set()), name
            if "subPath" in mount:
                assert mount["subPath"] in maps[volumes[mount["name"]]["configMap"]["name"]]["data"], name
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps, name
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, name


def test_secrets_are_named_and_not_held(created):
    assert of_kind(created, "Secret") == {}
    named = set()
    for pod in pods(created).values():
        for container in containers(pod):
            for source in container.get("envFrom", []):
                named |= {source[kind]["name"] for kind in source if kind == "secretRef"}
            for variable in container.get("env", []):
                if "PASSWORD" in variable["name"]:
                    assert "value" not in variable
                    named.add(variable["valueFrom"]["secretKeyRef"]["name"])
    assert named == SECRETS


def test_config_maps_of_the_environment_exist(created):
    maps = of_kind(created, "ConfigMap")
    sources = [source for pod in pods(created).values() for one in containers(pod) for source in one.get("envFrom", [])]
    assert {one["configMapRef"]["name"] for one in sources if "configMapRef" in one} <= set(maps)


def test_all_pods_with_the_home_run_on_one_node(created):
    """Its file locks and SQLite's WAL do not work over a network."""
    with_home = 0
    for name, pod in pods(created).items():
        claims = [one.get("persistentVolumeClaim", {}).get("claimName") for one in pod["spec"]["volumes"]]
        if "loopback-home" not in claims:
            assert not matches(labels_of(pod), {"matchLabels": HOME}), name
            continue
        with_home += 1
        assert matches(labels_of(pod), {"matchLabels": HOME}), name
        (term,) = pod["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term == {"labelSelector": {"matchLabels": HOME}, "topologyKey": "kubernetes.io/hostname"}, name
    assert with_home == 3  # the code location, the service, a run


def test_every_pod_is_restricted(created):
    for name, pod in pods(created).items():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name


def test_pods_of_our_image_run_as_its_user(created):
    (user,) = re.findall(r"^USER (\d+):\d+$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    for name, pod in pods(created).items():
        if any("/loopback:" in container["image"] for container in containers(pod)):
            assert pod["spec"]["securityContext"]["runAsUser"] == int(user), name
            assert pod["spec"]["securityContext"]["fsGroup"] == int(user), name


def test_every_service_account_exists(created):
    accounts = of_kind(created, "ServiceAccount")
    for pod in pods(created).values():
        assert pod["spec"].get("serviceAccountName") in accounts or not pod["spec"]["automountServiceAccountToken"]


def test_one_image_runs_everything_of_ours(created):
    images = {container["image"] for pod in pods(created).values() for container in containers(pod)}
    assert {image.rsplit("/", 1)[-1].split(":")[0] for image in images} == {"loopback", "postgres"}
    assert len(images) == 2


def test_every_step_computes_with_as_many_threads_as_it_has_cpus(created, run_job):
    (container,) = run_job["spec"]["template"]["spec"]["containers"]
    environment = of_kind(created, "ConfigMap")["loopback-environment"]["data"]
    assert environment["OMP_NUM_THREADS"] == container["resources"]["requests"]["cpu"]
