import errno
import random
import re
import socket
import threading
import time
from collections import defaultdict
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from loopback_core.errors import DownloadError
from loopback_core.listens.download import CHUNK, download

BODY = random.Random(0).randbytes(5 * CHUNK + 77)
OTHER = random.Random(1).randbytes(5 * CHUNK + 77)


class Server(ThreadingHTTPServer):
    """Answers the requests for a path by the path's script, one entry each; the last entry repeats."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts = {}
        self.seen = defaultdict(list)  # path -> the headers of each request

    def mirror(self, path, *script):
        self.scripts[path] = list(script)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def asked(self, path, header="Range"):
        return [headers.get(header) for headers in self.seen[path]]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen[self.path].append(self.headers)
        script = self.server.scripts[self.path]
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, *args):
        pass


def answer(handler, status, body=b"", cut=None, **headers):
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body[:cut])


def whole(body=BODY, cut=None, **headers):
    """Ignores ranges; closes the connection after `cut` bytes."""
    return lambda handler: answer(handler, 200, body, cut, **headers)


def ranged(body=BODY, cut=None, etag=None):
    """Serves ranges, unless If-Range names another version."""

    def serve(handler):
        headers = {"ETag": etag} if etag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if not asked or handler.headers.get("If-Range", etag) != etag:
            return answer(handler, 200, body, cut, **headers)
        start = int(asked[1])
        if start >= len(body):
            return answer(handler, 416, Content_Range=f"bytes */{len(body)}")
        content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return answer(handler, 206, body[start:], cut, Content_Range=content_range, **headers)

    return serve


def status(code):
    return lambda handler: answer(handler, code)


def only_browsers(handler):
    answer(handler, *((200, BODY) if handler.headers["User-Agent"].startswith("Mozilla/") else (403,)))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "log.tar.gz"


def fetch(urls, target, **options):
    """Download without waits; the one good file is BODY."""

    def defect_of(part):
        return None if part.read_bytes() == BODY else "its bytes are others"

    return download(urls, target, **{"defect_of": defect_of, "first_wait": 0, **options})


def part_of(target, content):
    target.parent.mkdir()
    part = target.with_name("log.tar.gz.part")
    part.write_bytes(content)
    return part


def left_in(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_a_download_leaves_the_exact_bytes_and_nothing_else(server, target):
    assert fetch([server.mirror("/a", whole())], target) == target
    assert target.read_bytes() == BODY
    assert left_in(target.parent) == ["log.tar.gz"]
    assert server.asked("/a") == [None]


def test_an_existing_file_is_not_requested_again(server, target):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    assert fetch([server.mirror("/a", whole())], target).read_bytes() == b"mine"
    assert server.asked("/a") == []


def test_a_cut_connection_is_resumed_where_it_broke(server, target):
    url = server.mirror("/a", ranged(cut=3 * CHUNK, etag='"v1"'), ranged(etag='"v1"'))
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a") == [None, f"bytes={3 * CHUNK}-"]
    assert server.asked("/a", "If-Range") == [None, '"v1"']


def test_cuts_that_bring_bytes_use_up_no_attempts(server, target):
    url = server.mirror("/a", ranged(cut=CHUNK))
    assert fetch([url], target, attempts=1).read_bytes() == BODY
    assert server.asked("/a") == [None, *(f"bytes={n * CHUNK}-" for n in range(1, 6))]


def test_a_connection_that_always_breaks_at_the_same_byte_is_given_up(server, target):
    url = server.mirror("/a", whole(cut=CHUNK))
    with pytest.raises(DownloadError, match=f"IncompleteRead|cut after {CHUNK:,}"):
        fetch([url], target, attempts=3)
    assert server.asked("/a") == [None, *[f"bytes={CHUNK}-"] * 3]
    assert left_in(target.parent) == [".log.tar.gz.part.origin", "log.tar.gz.part"]


def test_a_later_run_goes_on_with_the_part_of_an_earlier_one(server, target):
    url = server.mirror("/a", ranged(cut=2 * CHUNK, etag='"v1"'), status(404))
    with pytest.raises(DownloadError, match="404"):
        fetch([url], target)
    server.mirror("/a", ranged(etag='"v1"'))
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a")[2:] == [f"bytes={2 * CHUNK}-"]
    assert server.asked("/a", "If-Range")[2:] == ['"v1"']


def test_another_mirror_goes_on_with_the_part_of_the_first(server, target):
    first = server.mirror("/a", ranged(cut=2 * CHUNK, etag='"a"'), status(403))
    second = server.mirror("/b", ranged(etag='"b"'))
    assert fetch([first, second], target).read_bytes() == BODY
    assert server.asked("/b") == [f"bytes={2 * CHUNK}-"]
    assert server.asked("/b", "If-Range") == [None]  # the first mirror's version means nothing to the second


def test_a_server_that_ignores_ranges_sends_the_file_from_its_beginning(server, target):
    part_of(target, BODY[:CHUNK])
    assert fetch([server.mirror("/a", whole())], target).read_bytes() == BODY
    assert server.asked("/a") == [f"bytes={CHUNK}-"]


def test_a_file_that_changed_on_the_server_is_fetched_anew(server, target):
    url = server.mirror("/a", ranged(OTHER, cut=2 * CHUNK, etag='"v1"'), ranged(BODY, etag='"v2"'))
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a", "If-Range") == [None, '"v1"']
    assert len(server.asked("/a")) == 2


def test_a_weak_etag_vouches_for_no_part(server, target):
    url = server.mirror("/a", whole(cut=CHUNK, ETag='W/"v1"'), ranged())
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a", "If-Range") == [None, None]


def test_a_part_that_does_not_fit_is_fetched_once_more_from_zero(server, target):
    part_of(target, OTHER[:CHUNK])
    assert fetch([server.mirror("/a", ranged())], target).read_bytes() == BODY
    assert server.asked("/a") == [f"bytes={CHUNK}-", None]


def test_a_part_that_is_complete_is_verified_and_kept(server, target):
    part_of(target, BODY)
    assert fetch([server.mirror("/a", ranged())], target).read_bytes() == BODY
    assert server.asked("/a") == [f"bytes={len(BODY)}-"]


def test_a_part_longer_than_the_file_is_dropped(server, target):
    part_of(target, BODY + b"more")
    assert fetch([server.mirror("/a", ranged())], target).read_bytes() == BODY
    assert server.asked("/a") == [f"bytes={len(BODY) + 4}-", None]


def test_a_range_that_was_not_asked_for_is_not_appended(server, target):
    wrong = partial(answer, status=206, body=BODY, Content_Range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}")
    url = server.mirror("/a", ranged(cut=CHUNK), wrong, ranged())
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a") == [None, f"bytes={CHUNK}-", None]


def headers_only(handler, status, body=BODY, **headers):
    """An answer with just these headers; the connection closes after the body."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


@pytest.mark.parametrize("length", ["abc", "", "-5", "1e9", "\u00b2", "9" * 5000])
def test_a_length_that_makes_no_sense_is_ignored(server, target, length):
    url = server.mirror("/a", partial(headers_only, status=200, Content_Length=length))
    assert fetch([url], target).read_bytes() == BODY


@pytest.mark.parametrize("header", ["ETag", "Last-Modified", "Content-Range"])
@pytest.mark.parametrize("value", ["\u00e9", "a\r\n b", "x" * 1000])
def test_other_headers_that_make_no_sense_do_not_stop_a_resumed_download(server, target, header, value):
    first = partial(answer, status=200, body=BODY, cut=2 * CHUNK, **{header: value})
    assert fetch([server.mirror("/a", first, ranged())], target).read_bytes() == BODY


def test_an_answer_without_any_header_is_verified_by_its_bytes(server, target):
    urls = [
        server.mirror("/a", partial(headers_only, status=200, body=BODY[:-1])),
        server.mirror("/b", partial(headers_only, status=200)),
    ]
    assert fetch(urls, target).read_bytes() == BODY


def sends_range(first, last, total, body=BODY):
    return partial(answer, status=206, body=body, Content_Range=f"bytes {first}-{last}/{total}")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (sends_range(100, 199, 1000), "the server answered 206 Partial Content with another range than asked for"),
        (sends_range(-1, 99, 1000), "the server answered 206 Partial Content with another range than asked for"),
        (partial(answer, status=206, body=BODY), "the server answered 206 Partial Content with another range than"),
        (sends_range(0, 99, 100), "it sent more than the 100 bytes that it announced"),
        (partial(answer, status=302, Location="/a"), "it redirects without end"),
        (partial(answer, status=302, Location="ftp://127.0.0.1/"), "it is not an http(s) address, or redirects to one"),
        (partial(answer, status=302, Location="http://[x"), "it is not an http(s) address, or redirects to one"),
        (partial(answer, status=204), "the server answered 204 No Content"),
        (partial(answer, status=302), "the server answered 302 Found"),
        (partial(answer, status=200), "what it sent is not the published file: its bytes are others"),
    ],
)
def test_an_answer_that_is_not_the_file_is_named_and_the_next_mirror_is_tried_at_once(
    server, target, script, reason, caplog
):
    urls = [server.mirror("/a", script), server.mirror("/b", ranged())]
    assert fetch(urls, target, first_wait=0.5).read_bytes() == BODY
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.startswith(f"{urls[0]}: {reason}")


def test_a_part_of_the_file_that_nothing_asked_for_is_continued(server, target):
    url = server.mirror("/a", sends_range(0, 2 * CHUNK - 1, len(BODY), BODY[: 2 * CHUNK]), ranged())
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a") == [None, f"bytes={2 * CHUNK}-"]


@pytest.mark.parametrize("url", ["http://" + "h" * 300, "http://.x/", "http://[x", "http://:x/"])
def test_a_malformed_address_is_named_and_the_next_mirror_is_tried_at_once(server, target, url):
    assert fetch([url, server.mirror("/b", whole())], target, first_wait=0.5).read_bytes() == BODY


def test_a_damaged_note_on_where_a_part_came_from_is_ignored(server, target):
    part = part_of(target, BODY[:CHUNK])
    part.with_name(f".{part.name}.origin").write_bytes(b"\xff\xfe\n\xff")
    assert fetch([server.mirror("/a", ranged())], target).read_bytes() == BODY


def test_a_host_that_refuses_the_default_user_agent_delivers_the_file(server, target):
    url = server.mirror("/a", only_browsers)
    assert requests.get(url, timeout=5).status_code == 403
    assert fetch([url], target).read_bytes() == BODY


def test_a_server_that_fails_twice_is_asked_a_third_time(server, target):
    url = server.mirror("/a", status(500), status(503), whole())
    assert fetch([url], target, attempts=3).read_bytes() == BODY
    assert len(server.asked("/a")) == 3


def test_the_waits_between_attempts_double(server, target, monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    with pytest.raises(DownloadError):
        fetch([server.mirror("/a", status(500))], target, attempts=5, first_wait=1.0)
    assert waits == [1, 2, 4, 8]


@pytest.mark.parametrize(("code", "requests_made"), [(403, 1), (404, 1), (410, 1), (429, 2), (500, 2)])
def test_a_refusal_moves_on_at_once_and_a_failure_after_its_attempts(server, target, code, requests_made):
    urls = [server.mirror("/a", status(code)), server.mirror("/b", whole())]
    assert fetch(urls, target, attempts=2).read_bytes() == BODY
    assert len(server.asked("/a")) == requests_made
    assert server.asked("/b") == [None]


def test_a_corrupted_file_is_rejected_and_the_next_mirror_starts_from_zero(server, target):
    urls = [server.mirror("/a", ranged(OTHER)), server.mirror("/b", ranged())]
    assert fetch(urls, target).read_bytes() == BODY
    assert server.asked("/a") == [None]
    assert server.asked("/b") == [None]


def test_a_corrupted_file_is_not_left_for_the_next_run(server, target):
    with pytest.raises(DownloadError, match="not the published file: its bytes are others"):
        fetch([server.mirror("/a", ranged(OTHER))], target)
    assert [name for name in left_in(target.parent) if not name.startswith(".")] == []


def test_an_archive_declared_as_an_encoding_stays_as_it_is(server, target):
    url = server.mirror("/a", whole(Content_Encoding="gzip"))
    assert fetch([url], target).read_bytes() == BODY
    assert server.asked("/a", "Accept-Encoding") == ["identity"]


def test_when_all_mirrors_fail_each_is_named_with_its_reason_and_the_manual_remedy(server, target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{free.getsockname()[1]}/log.tar.gz"
    gone = server.mirror("/gone", status(404))
    with pytest.raises(DownloadError) as raised:
        fetch([down, gone, "lost.tar.gz"], target, attempts=2)
    sentence, *reasons = str(raised.value).split("\n  ")
    assert sentence == (
        "log.tar.gz could not be downloaded. Run again later, or download it yourself and put it in "
        f"{target.parent}, or set LOOPBACK_SOURCE to its path. Reason by mirror:"
    )
    assert re.fullmatch(re.escape(down) + r": no connection, or it was cut \(.*refused.*\)", reasons[0])
    assert reasons[1] == f"{gone}: the server answered 404 Not Found"
    assert reasons[2] == "lost.tar.gz: it is not an http(s) address, or redirects to one that is not"
    assert left_in(target.parent) == []


def test_without_mirrors_the_message_says_so(target):
    with pytest.raises(DownloadError, match=r"No mirror is set \(source.mirrors\)"):
        fetch([], target)


@pytest.mark.parametrize(
    ("code", "sentence"), [(errno.ENOSPC, "disk that holds .* is full: make room"), (errno.EROFS, "cannot be written")]
)
def test_what_the_disk_refuses_ends_in_a_sentence(server, target, monkeypatch, code, sentence):
    def refuse(*args, **kwargs):
        raise OSError(code, "refused")

    urls = [server.mirror("/a", whole()), server.mirror("/b", whole())]
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DownloadError, match=sentence):
        fetch(urls, target)
    assert server.asked("/b") == []  # another mirror does not help
    assert not target.exists()


def test_two_runs_at_once_download_once(server, target, caplog):
    caplog.set_level("INFO", "loopback")

    def once_the_other_waits(handler):
        deadline = time.monotonic() + 5
        while "Another run is downloading" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        answer(handler, 200, BODY)

    url, got = server.mirror("/a", once_the_other_waits), []
    runs = [threading.Thread(target=lambda: got.append(fetch([url], target).read_bytes())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert got == [BODY, BODY]
    assert server.asked("/a") == [None]
