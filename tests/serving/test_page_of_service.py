"""The page in a real browser over the real service."""

import shutil
import socket
import threading
import time

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from loopback_core.serving.api.app import ServeOptions, create_app

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="No browser is installed: the page is not tested. Install Debian's chromium, or Google Chrome.",
)


@pytest.fixture(scope="module")
def address(shared_home):
    """Where the service answers."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(ServeOptions(shared_home)), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(address):
    """A page without errors in its console."""
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.set_default_timeout(15_000)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        tab.goto(address)
        yield tab
        browser.close()
    assert wrong == []


def test_from_a_typed_name_to_a_list_and_to_the_model_that_made_it(page, address):
    page.locator("#search").fill("group 0 artist 3")
    page.get_by_role("option").first.click()
    expect(page.locator(".item")).to_have_count(10, timeout=15_000)
    titles = page.locator(".item .track").all_inner_texts()
    assert "group 0 artist 3" in page.locator(".item").first.inner_text()
    assert "Also by group 0 artist 3" in page.locator(".item").first.inner_text()

    page.get_by_role("button", name="Not this").first.click()
    expect(page.locator(".item .track").first).not_to_have_text(titles[0], timeout=15_000)
    shared = page.url
    assert shared.startswith(address + "#artist=group+0+artist+3")

    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_text("knows 200 tracks")).to_be_visible(timeout=15_000)


def test_the_address_of_a_list_shows_the_list_again(page, address):
    page.goto(address + "#artist=group+1+artist+2&task=next_listen")
    page.reload()
    expect(page.locator(".item")).to_have_count(10, timeout=15_000)
    assert "group 1 artist 2" in page.locator(".item").first.inner_text()
