"""A browser for the tests of the page, and pages that fail their test for whatever goes wrong in them."""

from __future__ import annotations

import pytest

from tests.web.browser import browsing


@pytest.fixture(scope="module")
def browser():
    with browsing() as found:
        yield found


@pytest.fixture
def page(browser):
    """A page that fails its test for any script error, console error, dialog, or request to elsewhere."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    opened.on("pageerror", lambda error: wrong.append(f"script error {error}"))
    opened.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    opened.on(
        "request", lambda request: None if request.url.startswith("http://127.0.0.1:") else wrong.append(request.url)
    )
    opened.set_default_timeout(15_000)
    yield opened
    context.close()
    assert wrong == []
