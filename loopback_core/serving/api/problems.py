"""Every error of the API in one shape: problem details, RFC 9457."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from loopback_core.errors import ListensError, LoopbackError, RequestError

MEDIA_TYPE = "application/problem+json"

PROBLEM_TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    404: "Not found",
    405: "Method not allowed",
    408: "The request took too long to arrive",
    413: "The request is too large",
    415: "The body is of another kind",
    422: "The request is wrong",
    500: "The service failed",
    503: "Not now",
    507: "The listens cannot be stored or read",
}


HTTP_DETAILS = {
    400: "The body cannot be read as JSON: it is nested too deeply, or a number or a character of it is none.",
    404: "There is nothing at this path: see /docs.",
    405: "This path takes another method: see the header Allow.",
}
"""Of what the framework refuses by itself."""


WHAT_TO_DO = {
    "extra_forbidden": "there is no such field; /docs names those that there are",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        "write a time as 2009-04-01T21:00:00Z, or as seconds since 1970",
    ),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "send an object: {…}"),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        "write a day as 2009-04-01",
    ),
    "list_type": "send a list: […]",
}
"""Kinds of error of Pydantic whose own sentences do not say what to do."""


class Problem(BaseModel):
    """An error: what is wrong, and with which field."""

    type: str = Field("about:blank", description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The kind of problem, in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="A sentence that says what to do.")
    field: str | None = Field(None, description="The field of the request that is wrong, such as history.3.time.")


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self, status: int, detail: str, field: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these statuses."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": PROBLEM_TITLES[status], "content": content} for status in statuses}


def problem(status: int, detail: str, field: str | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response of a problem."""
    title = PROBLEM_TITLES.get(status, "The request failed")
    body = Problem(title=title, status=status, detail=detail, field=field).model_dump(exclude_none=True)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Let every error of the app have the shape of a problem. What was sent is never repeated in an answer."""

    async def of_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return problem(error.status, error.detail, error.field, error.headers)

    async def of_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return problem(400, f"The body is not JSON: {first['ctx']['error']}, at character {first['loc'][-1]}.")
        if isinstance(error.body, bytes):  # as it came: it was not announced as JSON
            return problem(415, "Send the body as JSON, with the header Content-Type: application/json.")
        place = _place(first["loc"])
        sentence = WHAT_TO_DO.get(first["type"], first["msg"].removeprefix("Value error, "))
        return problem(422, f"{place or 'The body'}: {sentence}.", place or None)

    async def of_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        detail = HTTP_DETAILS.get(error.status_code, str(error.detail))
        return problem(error.status_code, detail, headers=dict(error.headers or {}))

    async def of_loopback(_: Request, error: Exception) -> JSONResponse:
        status = 422 if isinstance(error, RequestError) else 507 if isinstance(error, ListensError) else 503
        return problem(status, str(error))

    async def of_anything(_: Request, error: Exception) -> JSONResponse:
        return problem(500, "This is a fault of the service, which is in its log.")

    app.add_exception_handler(ProblemError, of_problem)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(LoopbackError, of_loopback)
    app.add_exception_handler(Exception, of_anything)


def _place(loc: Sequence[Any]) -> str:
    """history.3.time of ("body", "history", 3, "time"); what is not a name of ours is left out."""
    parts = [str(part) for part in loc if part not in ("body", "query", "path", "header")]
    return ".".join(part for part in parts if part.replace("_", "").isalnum() and len(part) <= 40 and part.isascii())
