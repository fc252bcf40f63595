"""The page as a person meets it: a real Chromium in front of a real collector fed by a real SDK."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from eigenspan.web import words
from tests.e2e.harness import running
from tests.partners.programs import eventually
from tests.web.browser import EVIL, LARGE, RULES, Sender, collecting, fill, median_of, send_logs, shot, workflow

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with collecting(tmp_path_factory.mktemp("page")) as (collector, document, taken):
        ids = fill(collector.ports["http"], taken)
        collector.wait_until_decided(60)
        url = f"http://127.0.0.1:{collector.ports['page']}"

        def started_ns(trace: str, span: str) -> int:
            (node,) = [n for n in collector.collector.store.trace(trace).tree() if n.span_id == span]
            return node.start_ns

        yield SimpleNamespace(
            url=url, ids=ids, document=document, taken=taken, ports=collector.ports, started_ns=started_ns
        )


def names(page) -> list[str]:
    return page.locator("a.open").all_inner_texts()


def test_the_list_shows_what_was_kept(page, filled):
    page.goto(filled.url + "/traces")
    shown = names(page)
    assert len(shown) == len(filled.ids)
    assert shown.count("vqe iteration") == 14
    row = page.locator(f'tr[data-trace="{filled.ids["error"]}"]')
    assert "portfolio-qaoa" in row.inner_text()
    assert row.locator(".chip").inner_text() == "errors"
    strip = page.locator(".strip").inner_text()
    assert "baseline" in strip
    assert "slow 1 kept" in strip.replace("\n", " ")
    starts = page.locator("tr time").evaluate_all("all => all.map(e => e.dateTime)")
    assert starts == sorted(starts, reverse=True)
    shot(page, "list")


def test_each_filter_is_in_the_address(page, filled):
    page.goto(filled.url + "/traces")
    page.get_by_label("Errors only").check()
    page.wait_for_url("**/traces?errors=1")
    assert set(names(page)) == {"qaoa portfolio", EVIL}
    page.get_by_label("Errors only").uncheck()
    page.wait_for_url(filled.url + "/traces")
    page.get_by_label("Service").select_option("portfolio-qaoa")
    page.wait_for_url("**/traces?service=portfolio-qaoa")
    assert set(names(page)) == {"qaoa portfolio", "qaoa overnight"}
    page.get_by_label("Backend").select_option("ibm_brisk")
    page.wait_for_url("**/traces?service=portfolio-qaoa&backend=ibm_brisk")
    assert names(page) == ["qaoa overnight"]
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url(filled.url + "/traces")
    page.get_by_label("Slower than, in seconds").fill("300")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces?slower=300")
    assert names(page) == ["qaoa overnight"]
    page.goto(f"{filled.url}/traces?limit=3")
    assert len(names(page)) == 3
    page.goto(f"{filled.url}/traces?service=nobody")
    assert page.get_by_role("heading", name="No trace passes these filters").is_visible()
    shot(page, "filters-nothing")


def test_a_trace_opens_on_what_failed_and_spans_expand(page, filled):
    page.goto(filled.url + "/traces")
    page.locator(f'tr[data-trace="{filled.ids["error"]}"] a.open').click()
    page.wait_for_url(f"**/trace/{filled.ids['error']}")
    assert page.get_by_role("treeitem").count() == 6
    details = page.get_by_role("complementary", name="Span details")
    assert details.get_by_role("heading", level=2).inner_text() == "execute on backend"
    assert "20001 shots exceed" in details.inner_text()
    assert "exception.stacktrace" in details.inner_text()
    shot(page, "trace-error")
    page.get_by_role("treeitem", name="post-process").click()
    details.get_by_role("heading", name="post-process").wait_for()
    assert "job-93" not in details.inner_text()
    assert details.get_by_text("Links 1").is_visible()
    assert "?span=" in page.url
    page.reload()
    assert details.get_by_role("heading", level=2).inner_text() == "post-process"
    details.get_by_text("Resource").click()
    assert "service.name" in details.inner_text()
    rule = page.locator(".strip").inner_text()
    assert "errors" in rule
    assert "Stands for" in rule
    assert "1 trace" in rule


def test_logs_stand_at_their_time_in_the_waterfall_and_in_the_panel(page, filled):
    page.goto(f"{filled.url}/trace/{filled.ids['error']}")
    row = page.get_by_role("treeitem", name="execute on backend")
    span_id, begins = (
        row.get_attribute("data-key"),
        filled.started_ns(filled.ids["error"], row.get_attribute("data-key")),
    )
    lines = [
        ("INFO", 9, 1_000_000, "sent to the queue"),
        ("WARN", 13, 2_000_000, EVIL),
        ("boom", 17, 3_000_000, "shots exceed the limit"),
    ]
    send_logs(
        filled.ports["http"],
        filled.ids["error"],
        span_id,
        [(text, n, begins + ns, body) for text, n, ns, body in lines],
    )
    send_logs(filled.ports["http"], filled.ids["error"], "ab" * 8, [("INFO", 9, begins, "of a span that never came")])
    eventually(lambda: page.reload() and page.locator("circle.log").count() == 3 and page.locator("#logs").count())
    dots = row.locator("circle.log")
    assert dots.evaluate_all("all => all.map(e => e.getAttribute('class'))") == ["log info", "log warn", "log error"]
    assert "3 logs" in row.get_attribute("aria-label")
    at = dots.evaluate_all("all => all.map(e => Number.parseFloat(e.getAttribute('cx')))")
    assert at == sorted(at)
    details = page.get_by_role("complementary", name="Span details")
    said = details.locator(".logs li")
    assert said.locator(".chip").all_inner_texts() == ["INFO", "WARN", "boom"]
    assert EVIL in said.nth(1).inner_text()
    assert "2.00 ms" in said.nth(1).inner_text() or "2 ms" in said.nth(1).inner_text()
    assert "of a span that never came" in page.get_by_role("region", name="Logs of no span here").inner_text()
    shot(page, "trace-logs")


@pytest.mark.parametrize(("which", "share"), [("first", 1.0), ("second", 0.5)])
def test_the_calibration_panel_shows_the_snapshot_in_force(page, filled, which, share):
    page.goto(f"{filled.url}/trace/{filled.ids[which]}")
    panel = page.get_by_role("region", name="Calibration")
    shown = dict(zip(panel.locator("dt").all_inner_texts(), panel.locator("dd").all_inner_texts(), strict=True))
    exact = panel.locator("data").evaluate_all("all => all.map(e => Number(e.value))")
    t1, t2 = share * median_of(filled.document, "T1"), share * median_of(filled.document, "T2")
    readout = median_of(filled.document, "readout_error")
    assert exact[:3] == pytest.approx([t1, t2, readout])
    assert shown["T1 median"] == words.micros(t1)
    assert shown["Readout error"] == words.percent(readout)
    assert shown["Qubits in use"] == "7"
    assert shown["Pairs in use"] == "6"
    assert shown["Age at execution"] == ("3 d 0 h" if which == "first" else "0")
    assert shown["Match"].startswith("as_of")
    assert len(shown["Version"]) == len("sha256:") + 16
    shot(page, f"calibration-{which}")
    panel.get_by_role("link", name="ibm_lagos").click()
    page.wait_for_url("**/backends/ibm/lagos")
    assert page.get_by_role("table", name="2 snapshots").get_by_role("row").count() == 3
    shot(page, "backend")


def test_a_job_before_the_first_snapshot_gets_none(page, filled):
    page.goto(f"{filled.url}/trace/{filled.ids['early']}")
    page.get_by_role("treeitem", name="execute on backend").click()
    panel = page.get_by_role("region", name="Calibration")
    panel.wait_for()
    assert "No snapshot was in force" in panel.inner_text()


def test_backends_count_the_traces_that_ran_on_them(page, filled):
    page.goto(filled.url + "/traces")
    page.get_by_role("link", name="Backends").click()
    row = page.get_by_role("row").filter(has_text="lagos")
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells[:4] == ["lagos", "ibm", "18", "2"]
    assert page.get_by_role("row").filter(has_text="ibm_brisk").get_by_role("cell").all_inner_texts() == [
        "ibm_brisk",
        "1",
    ]
    shot(page, "backends")


def test_the_keyboard_reaches_everything(page, filled):
    page.goto(f"{filled.url}/traces?service=portfolio-qaoa")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.textContent") == "qaoa portfolio"
    page.keyboard.press("Enter")
    page.wait_for_url("**/trace/*")
    page.get_by_role("treeitem", name="execute on backend").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("compile circuit")
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("treeitem", name="layout").count() == 0
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused).startswith("execute on backend")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("treeitem", name="layout").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused).startswith("layout")
    page.keyboard.press("Enter")
    page.get_by_role("complementary").get_by_role("heading", name="layout").wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused).startswith("compile circuit")
    page.keyboard.press("End")
    assert page.evaluate(focused).startswith("post-process")
    page.goto(filled.url + "/traces")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "errors"


def test_everything_has_an_accessible_name(page, filled):
    compared = f"/compare?a={filled.ids['first']}&b={filled.ids['second']}"
    for path in (
        "/", "/traces", "/releases", f"/trace/{filled.ids['first']}", "/backends", "/backends/ibm/lagos", compared,
    ):  # fmt: skip
        page.goto(filled.url + path)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('a, button, input, select, [role=tree], [role=treeitem]')].filter(e =>
              !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label')?.textContent.trim())
            ).map(e => e.outerHTML)"""
        )
        assert unnamed == []
        assert page.locator("h1").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.evaluate("document.querySelectorAll('[style]').length") == 0
        assert page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size == document.querySelectorAll('[id]').length"
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(page, filled, scheme):
    """WCAG AA for every text on the page: 4.5 to 1 against what is painted behind it."""
    page.emulate_media(color_scheme=scheme)
    for path, name in (
        ("/", "overview-mixed"),
        ("/releases", "releases-none"),
        (f"/compare?a={filled.ids['first']}&b={filled.ids['second']}", "compare-calibrations"),
        (f"/compare?a={filled.ids['first']}", "compare-choice"),
        ("/backends/ibm/lagos", "backend"),
        ("/traces", "list"),
        (f"/trace/{filled.ids['first']}", "trace"),
        (f"/trace/{filled.ids['error']}", "trace-error"),
        ("/backends", "backends"),
    ):
        page.goto(filled.url + path)
        if scheme == "dark":
            shot(page, f"{name}-dark")
        faint = page.evaluate(
            """() => {
              const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
              const lum = (c) => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
                return .2126 * r + .7152 * g + .0722 * b; };
              const behind = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
              const out = new Set();
              for (const e of document.querySelectorAll('body *')) {
                if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
                const style = getComputedStyle(e), svg = e instanceof SVGElement;
                const a = lum(numbers(svg ? style.fill : style.color)), b = lum(behind(e));
                const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
                if (ratio < 4.5) out.add(`${ratio.toFixed(2)} ${e.tagName}.${e.getAttribute('class')} ${e.textContent.slice(0, 20)}`);
              }
              return [...out];
            }"""
        )
        assert faint == [], path


def test_foreign_input_is_text_wherever_it_is_shown(page, filled):
    page.goto(filled.url + "/traces")
    assert EVIL in names(page)
    shot(page, "list-xss")
    page.goto(f"{filled.url}/trace/{filled.ids['evil']}")
    details = page.get_by_role("complementary")
    for i in range(2):
        page.get_by_role("treeitem").nth(i).click()
        expect(details).not_to_have_attribute("aria-busy", "true")
        for closed in details.locator("details:not([open]) > summary").all():
            closed.click()
        text = details.text_content()
        assert text.count(EVIL) >= 6
        assert page.locator("img, iframe, object, body script, svg[onload]").count() == 0
    shot(page, "trace-xss")
    page.goto(f"{filled.url}/traces?service={EVIL.replace('&', '%26').replace('#', '%23')}")
    assert names(page) == [EVIL]
    for path in ("/", f"/compare?a={filled.ids['evil']}&b={filled.ids['first']}", "/backends"):
        page.goto(filled.url + path)
        assert page.locator("img, iframe, object, body script, svg[onload]").count() == 0
    assert EVIL in page.locator("main").inner_text()
    assert page.evaluate("window.pwned") is None
    assert page.title() == "Backends · eigenspan"


def test_ten_thousand_spans_stay_usable(page, filled):
    began = time.monotonic()
    page.goto(f"{filled.url}/trace/{filled.ids['large']}")
    page.get_by_role("treeitem").first.wait_for()
    assert time.monotonic() - began < 10
    assert page.locator(".row").count() == 500
    assert "500 of 10,000 spans shown" in page.locator(".more").inner_text()
    page.get_by_role("treeitem", name="group 1,").locator(".twist").click()
    for expected in range(1000, LARGE + 1, 500):
        page.locator("#more").click()
        expect(page.locator(".row")).to_have_count(expected)
    assert page.locator("#more").count() == 0
    assert page.locator(".row[hidden]").count() == 99
    began = time.monotonic()
    page.get_by_role("button", name="Collapse all").click()
    assert page.locator(".row:not([hidden])").count() == 101
    page.locator(".row").first.focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("group 99")
    page.keyboard.press("Enter")
    page.get_by_role("complementary").get_by_role("heading", name="group 99").wait_for()
    assert time.monotonic() - began < 10
    shot(page, "large")


def test_the_list_refreshes_by_itself_until_it_is_paused(page, tmp_path):
    with running(tmp_path / "data", processors__sampling__rules=RULES) as collector:
        page.goto(f"http://127.0.0.1:{collector.ports['page']}/traces")
        page.get_by_role("heading", name="Nothing has arrived yet").wait_for()
        text = page.locator(".empty").inner_text()
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{collector.ports['grpc']}" in text
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{collector.ports['http']}" in text
        shot(page, "empty")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy environment variables for gRPC").click()
        assert page.evaluate("navigator.clipboard.readText()").startswith("export OTEL_EXPORTER_OTLP_ENDPOINT=")
        page.locator("h1").click()
        send(collector)
        page.get_by_role("link", name="live").first.wait_for()
        page.get_by_role("button", name="Live").click()
        page.get_by_role("button", name="Paused").wait_for()
        send(collector)
        collector.wait_until_decided()
        page.wait_for_timeout(4000)
        assert page.locator("a.open").count() == 1
        page.get_by_role("button", name="Paused").click()
        expect(page.locator("a.open")).to_have_count(2)


def send(collector) -> None:
    from datetime import UTC, datetime

    with Sender(collector.ports["http"], "live") as sender:
        workflow(sender, "live", time.time_ns(), "ibm_lagos", datetime.now(UTC), 1)


def test_a_narrow_window_keeps_everything_in_reach(page, filled):
    page.set_viewport_size({"width": 480, "height": 900})
    for path in ("/", "/traces", "/releases", f"/trace/{filled.ids['first']}"):
        page.goto(filled.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(page, "trace-narrow")


def test_without_scripts_traces_and_spans_still_open(browser, filled):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{filled.url}/trace/{filled.ids['first']}")
        page.get_by_role("treeitem", name="post-process").click()
        assert page.get_by_role("complementary").get_by_role("heading", level=2).inner_text() == "post-process"
    finally:
        context.close()
