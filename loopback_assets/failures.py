"""Messages of the core in the log of the run, and its errors as failures that Dagster shows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from loopback_core.errors import DownloadError, LoopbackError


class _ToTheRun(logging.Handler):
    """Hands what the core logs to Dagster, which keeps it with the run and the step."""

    def emit(self, record: logging.LogRecord) -> None:
        dg.get_dagster_logger().handle(record)


_TO_THE_RUN = _ToTheRun()


@contextmanager
def errors_as_failures() -> Iterator[None]:
    """Put what the core logs into the log of the run, and turn every error into a failure.

    The message of an error of the core is shown as it is; any other error is shown with its type, and its traceback
    with it. Only a download is tried again: any other error would occur again.
    """
    core = logging.getLogger("loopback")
    level = core.level
    core.setLevel(logging.INFO)
    core.addHandler(_TO_THE_RUN)
    try:
        yield
    except LoopbackError as error:
        raise dg.Failure(description=str(error), allow_retries=isinstance(error, DownloadError)) from None
    except dg.Failure:
        raise
    except Exception as error:
        raise dg.Failure(description=f"{type(error).__name__}: {error}", allow_retries=False) from error
    finally:
        core.removeHandler(_TO_THE_RUN)
        core.setLevel(level)
