"""Download of one large file from the first mirror that delivers it whole: resumable, retried, verified."""

import errno
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loopback_core.errors import DownloadError
from loopback_core.runtime.progress import progress

if TYPE_CHECKING:
    import requests

log = logging.getLogger("loopback")

# The original host of Last.fm-1K answers 403 to clients that do not look like a browser.
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

# Bytes read at a time. What a cut connection leaves of a chunk is lost, so it is not larger.
CHUNK = 1 << 16

LONGEST_WAIT = 60.0  # seconds


class _TransientError(Exception):
    """The same mirror may well answer later."""


class _MirrorError(Exception):
    """This mirror will not do."""


def download(
    urls: Sequence[str],
    target: Path,
    *,
    defect_of: Callable[[Path], str | None],
    attempts: int = 5,
    first_wait: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetch `target` from the first of `urls` that delivers it, and return it; an existing target is left as it is.

    The bytes collect in `<target>.part`, from which a later attempt, mirror or run goes on. Only what passes
    `defect_of` (path -> what is wrong with it, or None) becomes `target`, by an atomic rename. One run at a time
    downloads; others wait for it and take its file.

    attempts: fruitless attempts per mirror; an attempt that ended early but brought bytes is continued at once.
    first_wait: seconds before the second attempt, doubled for each that follows. timeout: seconds without a byte.

    Raises:
        DownloadError: every mirror failed (each is named with its reason), or the file cannot be written.
    """
    part = target.with_name(f"{target.name}.part")
    reasons = []
    with _writing(target), _only_run(target):
        if target.exists():
            return target
        for url in urls:
            try:
                _deliver(url, part, defect_of, attempts, first_wait, timeout)
            except (_TransientError, _MirrorError) as error:
                log.warning("%s: %s", url, error)
                reasons.append(f"\n  {url}: {error}")
            else:
                part.replace(target)
                _origin(part).unlink(missing_ok=True)
                return target
    raise DownloadError(
        f"{target.name} could not be downloaded. Run again later, or download it yourself and put it in "
        f"{target.parent}, or set LOOPBACK_SOURCE to its path. "
        + (f"What the mirrors did:{''.join(reasons)}" if reasons else "No mirror is set (source.mirrors).")
    )


def _deliver(
    url: str, part: Path, defect_of: Callable[[Path], str | None], attempts: int, first_wait: float, timeout: float
) -> None:
    """Fetch all of `part` from one mirror and verify it; a defective part is removed."""
    from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_attempt, wait_exponential

    fetch = Retrying(
        retry=retry_if_exception_type(_TransientError),
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=first_wait, max=LONGEST_WAIT),
        before_sleep=before_sleep_log(log, logging.INFO),
        reraise=True,
    )
    was_begun = _size(part) > 0
    fetch(_fetch, url, part, timeout)
    defect = defect_of(part)
    if defect and was_begun:  # its beginning may be another mirror's or another version's: once more from zero
        part.unlink()
        fetch(_fetch, url, part, timeout)
        defect = defect_of(part)
    if defect:
        part.unlink()
        raise _MirrorError(f"what it sent is not the published file: {defect}")


def _fetch(url: str, part: Path, timeout: float) -> None:
    """Request again and again for as long as that brings the end of the file nearer."""
    while True:
        before = _size(part)
        try:
            return _request(url, part, timeout)
        except _TransientError as error:
            if _size(part) < before + CHUNK:
                raise
            log.info("%s: %s; going on after %s bytes", url, error, f"{_size(part):,}")


def _request(url: str, part: Path, timeout: float) -> None:
    """One request for what is missing of `part`."""
    import requests
    from urllib3.exceptions import HTTPError

    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    if offset := _size(part):
        headers["Range"] = f"bytes={offset}-"
        if validator := _validator(part, url):
            headers["If-Range"] = validator
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            if not _is_complete(response, part, offset):
                _receive(response, part, offset, url)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise _MirrorError("this is no http(s) address") from None
    except (requests.RequestException, HTTPError) as error:
        raise _TransientError(f"no connection, or it was cut ({_root_cause(error)})") from error


def _is_complete(response: "requests.Response", part: Path, offset: int) -> bool:
    """Whether the server says that `part` has all bytes already; raises when its answer is no file."""
    status = response.status_code
    answer = f"the server answered {status} {response.reason}"
    if status == 416 and offset:
        if response.headers.get("Content-Range") == f"bytes */{offset}":
            return True
        part.unlink()  # longer than the file itself: it is of another version
        raise _TransientError(answer)
    if status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        part.unlink()
        raise _TransientError(f"{answer} with another range than asked for")
    if status in (200, 206):
        return False
    if status in (408, 425, 429) or status >= 500:
        raise _TransientError(answer)
    raise _MirrorError(answer)


def _receive(response: "requests.Response", part: Path, offset: int, url: str) -> None:
    """Write the body to `part`: behind what is there (206), or from zero (200: ranges ignored, or a new version)."""
    offset = offset if response.status_code == 206 else 0
    length = response.headers.get("Content-Length")
    total = offset + int(length) if length else None
    with part.open("ab" if offset else "wb") as file, progress(part.stem, total, "B") as shown:
        if not offset:
            _origin(part).write_text(f"{url}\n{_strong_validator(response)}", "utf-8")
        shown.advance(offset)
        # requests would unzip a .tar.gz that a server declares as Content-Encoding: gzip; we want the file as it is
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            shown.advance(len(chunk))
    if total is not None and _size(part) != total:
        raise _TransientError(f"the connection was cut after {_size(part):,} of {total:,} bytes")


def _strong_validator(response: "requests.Response") -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _validator(part: Path, url: str) -> str:
    """What If-Range must hold so that a part is not continued with another version of the file; "" when unknown."""
    if not _origin(part).exists():
        return ""
    began_at, _, validator = _origin(part).read_text("utf-8").partition("\n")
    return validator if began_at == url else ""


def _origin(part: Path) -> Path:
    """The file beside `part` that holds where it began to come from, and its version there."""
    return part.with_name(f".{part.name}.origin")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


@contextmanager
def _only_run(target: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("Another run is downloading %s; waiting for it.", target.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turns what a disk can refuse into a sentence."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(
                f"The disk that holds {target.parent} is full: make room and run again (the download goes on where it "
                "stopped), or set source.download_folder to a folder on another disk."
            ) from error
        raise DownloadError(
            f"{target} cannot be written ({error.strerror or error}): make its folder writable, or set "
            "source.download_folder to another one."
        ) from error
