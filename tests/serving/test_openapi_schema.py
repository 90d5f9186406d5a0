"""Requests drawn from the API's own description, right and wrong ones: no failure, and no answer that it does not describe."""

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from planted_home import copy_home, over, wait_until_ready
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

EXAMPLES = 25
"""Of each operation and kind of request; with ten times as many nothing else was found."""

NOT_DESCRIBED = [positive_data_acceptance, negative_data_rejection]
"""That two fields of a listen depend on each other, and how many ids the catalog has, the description cannot say. And a
text that is a number is read as one, a number where a time is wanted as seconds."""


@pytest.fixture(scope="module")
def operations(tmp_path_factory, shared_home):
    """What the app describes, over a home of its own."""
    with over(copy_home(shared_home, tmp_path_factory.mktemp("drawn"))) as client:
        wait_until_ready(client)

        async def started(scope, receive, send):
            """The app, which runs already: a client of schemathesis would start and end it with each request."""
            if scope["type"] == "lifespan":
                for event in ("startup", "shutdown"):
                    await receive()
                    await send({"type": f"lifespan.{event}.complete"})
            else:
                await client.app(scope, receive, send)

        schema = schemathesis.openapi.from_asgi("/openapi.json", started)
        yield [found.ok() for found in schema.get_all_operations()]


def ask(operation, mode, answers):
    """Ask requests of one kind, and count the statuses of their answers."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case):
        response = case.call()
        answers[operation.label, response.status_code] += 1
        case.validate_response(response, excluded_checks=NOT_DESCRIBED)

    asked()


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
def test_requests_drawn_from_the_description_are_answered_as_it_says(operations, mode):
    answers = Counter()
    for operation in operations:
        if mode is GenerationMode.POSITIVE or operation.body or operation.path_parameters or operation.query:
            ask(operation, mode, answers)
    assert len({label for label, _ in answers}) >= 9
    assert {status for _, status in answers} <= {200, 400, 404, 415, 422}
