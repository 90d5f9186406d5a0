"""Recommendations, one request or many."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from loopback_core.serving.api.answer_models import BatchAnswer, Recommendations
from loopback_core.serving.api.problems import ProblemError, described
from loopback_core.serving.api.request_models import BatchRequest, RecommendationRequest
from loopback_core.serving.api.rows import Row, answer_row, milliseconds
from loopback_core.serving.api.serving_state import ServingState
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.question import Question
from loopback_core.serving.service import Assigned
from loopback_core.store.challenger_pointer import Challenge


def recommendation_routes(state: ServingState) -> APIRouter:
    """The routes over a service."""
    responses = described(400, 401, 408, 413, 415, 422, 503, 507)
    routes = APIRouter(prefix="/v1", tags=["recommendations"], responses=responses)

    @routes.post("/recommendations", response_model=Recommendations)
    async def recommend(request: RecommendationRequest) -> JSONResponse:
        """The best tracks for a user, a history, or both."""
        loaded = state.loaded()

        def compute() -> JSONResponse:
            question = request.question()
            assigned = state.service.assigned(loaded, question.user_id)
            _refuse_unknown_ids(assigned.loaded, question)
            rows, _ = _answered(state, assigned, [question])
            return JSONResponse(rows[0])

        return await state.pool.run(compute)

    @routes.post("/recommendations:batch", response_model=BatchAnswer)
    async def recommend_batch(batch: BatchRequest) -> JSONResponse:
        """The same for up to 256 requests, in one pass of the tower, or one of each bundle while two are compared."""
        loaded = state.loaded()

        def compute() -> JSONResponse:
            questions = [request.question() for request in batch.requests]
            together: dict[tuple[str, Challenge | None], tuple[Assigned, list[int]]] = {}
            for number, question in enumerate(questions):
                assigned = state.service.assigned(loaded, question.user_id)
                _refuse_unknown_ids(assigned.loaded, question, f"requests.{number}.")
                key = assigned.loaded.version, assigned.challenge
                together.setdefault(key, (assigned, []))[1].append(number)
            answers: dict[int, Row] = {}
            spent: dict[str, float] = {}
            for assigned, numbers in together.values():
                rows, of_these = _answered(state, assigned, [questions[number] for number in numbers])
                answers.update(zip(numbers, rows, strict=True))
                spent = {stage: round(spent.get(stage, 0.0) + one, 3) for stage, one in of_these.items()}
            ordered = [answers[number] for number in range(len(questions))]
            return JSONResponse({"answers": ordered, "milliseconds": spent})

        return await state.pool.run(compute)

    return routes


def _answered(
    state: ServingState, assigned: Assigned, questions: Sequence[Question]
) -> tuple[list[Row], dict[str, float]]:
    loaded, challenge = assigned
    answers = state.service.answer(loaded, questions, challenge)
    state.metrics.count_answers(answers)
    return [answer_row(answer, loaded.version) for answer in answers], milliseconds(answers[0])


def _refuse_unknown_ids(loaded: LoadedBundle, question: Question, before: str = "") -> None:
    catalog = loaded.served.bundle.catalog
    for ids, n, field in (
        (question.exclude_tracks, catalog.n_tracks, "exclude.tracks"),
        (question.exclude_artists, catalog.n_artists, "exclude.artists"),
        (question.only_artists or (), catalog.n_artists, "only.artists"),
    ):
        if ids and max(ids) >= n:
            raise ProblemError(
                422,
                f"{before}{field}: {max(ids)} is no id of this bundle: ask /v1/tracks or /v1/artists.",
                before + field,
            )
