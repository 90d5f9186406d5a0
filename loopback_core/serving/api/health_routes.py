"""Whether the service runs, whether it answers, what it answers from, and its counters."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse

from loopback_core.serving.api.answer_models import BundleInfo, ChallengerState, Ready
from loopback_core.serving.api.problems import ProblemError, described
from loopback_core.serving.api.service_metrics import age_seconds
from loopback_core.serving.api.serving_state import ServingState
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.service import Service

REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


def health_routes(state: ServingState) -> APIRouter:
    """The routes over a service."""
    routes = APIRouter(tags=["service"])

    @routes.get("/health/live")
    async def live() -> dict[str, str]:
        """Whether the process runs."""
        return {"status": "live"}

    @routes.get("/health/ready", response_model=Ready, responses={503: {"model": Ready}})
    async def ready() -> JSONResponse:
        """Whether requests are answered: a bundle gave its stored answers. A newer one that failed is named."""
        service = state.service
        failure = service.failure
        body = Ready(
            ready=service.loaded is not None,
            bundle=service.loaded.version if service.loaded else None,
            failure={"bundle": failure.version, "reason": failure.reason} if failure else None,
            challenger=_challenger(service),
        )
        shown = body.model_dump(exclude=None if body.challenger else {"challenger"})
        return JSONResponse(shown, 200 if body.ready else 503)

    @routes.get("/metrics", response_class=Response, responses=described(401))
    async def metrics() -> Response:
        """Counters for Prometheus."""
        state.metrics.observe(state.service, state.depth)
        text, media_type = state.metrics.text()
        return Response(text, media_type=media_type)

    @routes.get("/v1/bundle", responses=described(401, 503))
    async def bundle() -> BundleInfo:
        """The model in service: its age, what it was made from, and how it was judged."""
        loaded = state.loaded()
        known = loaded.served.known
        return BundleInfo(
            version=loaded.version,
            created=loaded.created,
            age_days=round(age_seconds(loaded.created) / 86_400, 3),
            source=known["source"],
            refit=known["refit"],
            evaluated=known["evaluated"],
            diversity={task: choice.diversity for task, choice in loaded.served.bundle.towers.reranking.items()},
            reranking={task: choice.method for task, choice in loaded.served.bundle.towers.reranking.items()},
            rerank=loaded.served.bundle.rerank,
            report="/v1/report" if _report(state, loaded) else None,
            tracks=loaded.served.bundle.catalog.n_tracks,
            users=known["n_users"],
            last_listen=datetime.fromtimestamp(known["last_listen"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    @routes.get("/v1/report", response_class=HTMLResponse, responses=described(401, 404, 503))
    async def report() -> HTMLResponse:
        """The report of the evaluation of the model in service."""
        text = _report(state, state.loaded())
        if text is None:
            raise ProblemError(404, "The evaluation of this bundle is not on this machine any more.")
        return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})

    return routes


def _challenger(service: Service) -> ChallengerState | None:
    second, failure = service.challenger, service.challenger_failure
    if second is not None:
        return ChallengerState(bundle=second.loaded.version, share=second.challenge.share, failure=None)
    return ChallengerState(bundle=failure.version, share=0.0, failure=failure.reason) if failure else None


def _report(state: ServingState, loaded: LoadedBundle) -> str | None:
    version = str(loaded.served.known["evaluated"].get("evaluation"))
    try:
        return (state.service.store.get("evaluation", version).folder / "report.html").read_text("utf-8")
    except Exception:  # deleted, or damaged: the service answers without it
        return None
