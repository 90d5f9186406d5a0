"""Download of one large file from the first mirror that delivers it whole: resumable, retried, verified."""

import errno
import logging
import re
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
    """A temporary failure: the same mirror may answer later."""


class _MirrorError(Exception):
    """This mirror cannot deliver the file; the next one is tried."""


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
        + (f"Reason by mirror:{''.join(reasons)}" if reasons else "No mirror is set (source.mirrors).")
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
    if defect and was_begun:  # its beginning may be of another mirror or version: once more from zero
        part.unlink()
        fetch(_fetch, url, part, timeout)
        defect = defect_of(part)
    if defect:
        part.unlink()
        raise _MirrorError(f"what it sent is not the published file: {defect}")


def _fetch(url: str, part: Path, timeout: float) -> None:
    """Request what is missing until all is there; give up when a request brings less than a chunk."""
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
    except requests.TooManyRedirects:
        raise _MirrorError("it redirects without end") from None
    except ValueError:  # of an address that requests, urllib3 or the codec of host names cannot parse
        raise _MirrorError("it is not an http(s) address, or redirects to one that is not") from None
    except (requests.RequestException, HTTPError) as error:
        raise _TransientError(f"no connection, or it was cut ({_root_cause(error)})") from error


def _is_complete(response: "requests.Response", part: Path, offset: int) -> bool:
    """Whether the server says that `part` has all bytes already; raises when its answer is not the file."""
    status = response.status_code
    answer = f"the server answered {status} {response.reason}"
    if status == 416 and offset:
        if response.headers.get("Content-Range") == f"bytes */{offset}":
            return True
        part.unlink()  # longer than the file itself: it is of another version
        raise _TransientError(answer)
    if status == 206 and _range(response)[0] != offset:
        part.unlink(missing_ok=True)
        refusal = f"{answer} with another range than asked for"
        raise _TransientError(refusal) if offset else _MirrorError(refusal)  # from zero it is asked for no range
    if status in (200, 206):
        return False
    if status in (408, 425, 429) or status >= 500:
        raise _TransientError(answer)
    raise _MirrorError(answer)


def _receive(response: "requests.Response", part: Path, offset: int, url: str) -> None:
    """Write the body to `part`: behind what is there (206), or from zero (200: ranges ignored, or a new version)."""
    offset = offset if response.status_code == 206 else 0
    total = _total(response, offset)
    with part.open("ab" if offset else "wb") as file, progress(part.stem, total, "B") as shown:
        if not offset:
            _origin(part).write_text(f"{url}\n{_strong_validator(response)}", "utf-8")
        shown.advance(offset)
        # requests would unzip a .tar.gz that a server declares as Content-Encoding: gzip; we want the file as it is
        for chunk in response.raw.stream(CHUNK, decode_content=False):
            file.write(chunk)
            shown.advance(len(chunk))
    if total is not None and _size(part) > total:
        part.unlink()
        raise _MirrorError(f"it sent more than the {total:,} bytes that it announced")
    if total is not None and _size(part) < total:
        raise _TransientError(f"the connection was cut after {_size(part):,} of {total:,} bytes")


def _range(response: "requests.Response") -> tuple[int | None, int | None]:
    """First byte and size of the whole file, as Content-Range says; None for what it does not say."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", "").strip())
    if not match:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _total(response: "requests.Response", offset: int) -> int | None:
    """Size of the whole file as the answer to a request from `offset` on says; None where it makes no sense."""
    if response.status_code == 206 and (total := _range(response)[1]) is not None:
        return total
    length = response.headers.get("Content-Length", "").strip()
    return offset + int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else None


def _strong_validator(response: "requests.Response") -> str:
    """What names the version of the file for If-Range; "" where that is missing or cannot be sent back."""
    etag = response.headers.get("ETag", "")
    validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    return validator if validator.isascii() and validator.isprintable() else ""


def _validator(part: Path, url: str) -> str:
    """What If-Range must hold so that a part is not continued with another version of the file; "" when unknown."""
    if not _origin(part).exists():
        return ""
    began_at, _, validator = _origin(part).read_text("utf-8", "replace").partition("\n")
    return validator if began_at == url else ""


def _origin(part: Path) -> Path:
    """The file next to `part` that says from which address its first bytes came, and of which version they are."""
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
    """Turn an error of writing to the disk into a sentence for the user."""
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
