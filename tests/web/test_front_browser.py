"""The overview in a real Chromium: a release that fails, a queue that grows and a drift, from spans to advice."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace

import pytest

from eigenspan.calibration import changes
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.importers import detect
from eigenspan.web.demo_traces import TRACES
from tests.e2e.harness import running
from tests.web.browser import NS, RULES, Sender, collecting, shot, workflow

pytestmark = pytest.mark.browser
HOUR_NS = 3600 * NS


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """Two days of a service: version 1.4 works, 1.5 fails a third of the time, jobs wait, calibration moves."""
    random, now, ids = Random(4), time.time_ns(), []
    directory = tmp_path_factory.mktemp("busy")
    with collecting(directory) as (collector, _, taken):
        calibrations = collector.collector.calibrations
        for hours, length, status in (
            (30, 2, "busy"),
            (6, 5, "busy"),
            (2, 41, "busy"),
            (1, 130, "busy"),
            (0.1, 210, "busy"),
        ):
            calibrations.put_status(StatusSample("ibm", "lagos", now - int(hours * HOUR_NS), status, length))
        for number, hours in enumerate((40, 3)):
            told = json.loads((directory / f"lagos_{number}.json").read_text())
            told["last_update_date"] = datetime.fromtimestamp(now / NS - hours * 3600, UTC).isoformat()
            document = detect.import_bytes(json.dumps(told).encode(), "lagos")
            calibrations.put(document)
            changes.record(calibrations, document)
        for version, first, last, length in (("1.4", 47, 10, 1), ("1.5", 10, 0.2, 200)):
            with Sender(collector.ports["http"], "portfolio", **{"service.version": version}) as sender:
                for i in range(60):
                    ago = first - (first - last) * i / 60
                    broken = version == "1.5" and i % 3 == 0
                    wobble = random.uniform(0.8, 1.2)
                    ids.append(
                        workflow(sender, "rebalance", now - int(ago * HOUR_NS), "ibm_lagos", taken + timedelta(days=1), i,
                                 error="result has no counts" if broken else "", length=length * wobble)
                    )  # fmt: skip
        collector.wait_until_decided(60)
        yield SimpleNamespace(url=f"http://127.0.0.1:{collector.ports['page']}", ids=ids)


def test_four_questions_are_answered_with_evidence(page, busy):
    page.goto(busy.url)
    assert page.locator("h2").all_inner_texts() == [
        "Healthy?", "What changed?", "Where is the bottleneck?", "What next?", "Counted exactly",
    ]  # fmt: skip
    assert page.locator(".verdict").inner_text().startswith("No: ")
    rules = page.locator(".advice .rule-name").all_inner_texts()
    assert rules == ["bad_release", "queue_backlog", "drift"]
    assert "portfolio 1.5" in page.get_by_role("region", name="What changed?").inner_text()
    shot(page, "overview", whole=True)
    page.emulate_media(color_scheme="dark")
    shot(page, "overview-dark", whole=True)


def test_each_evidence_is_one_click_away(page, busy):
    page.goto(busy.url)
    links = page.locator("main a[href^='/']").evaluate_all("all => [...new Set(all.map(a => a.getAttribute('href')))]")
    assert len(links) > 12
    for link in links:
        answer = page.goto(busy.url + link)
        assert answer.status == 200, link
    page.goto(busy.url)
    page.get_by_role("link", name="Traces after it").click()
    page.wait_for_url("**/traces?since=*")
    assert page.locator("tr.failed").count() == 20
    page.get_by_label("Backend").select_option("ibm_lagos")
    page.wait_for_url("**/traces?*backend=ibm_lagos*")
    assert "since=" in page.url


def test_releases_show_before_and_after(page, busy):
    page.goto(busy.url + "/releases")
    row = page.get_by_role("row").filter(has_text="portfolio")
    cells = row.get_by_role("cell").all_inner_texts()
    assert cells[1:5] == ["service", "portfolio", "1.5", "1.4"]
    assert cells[5] == "0 % → 33 %"
    shot(page, "releases")


def test_a_window_is_chosen_in_the_address(page, busy):
    page.goto(busy.url)
    page.get_by_role("link", name="1h", exact=True).click()
    page.wait_for_url("**/?window=1h")
    assert page.locator(".windows [aria-current]").inner_text() == "1h"


def test_two_traces_are_compared(page, busy):
    page.goto(f"{busy.url}/trace/{busy.ids[0]}")
    split = page.get_by_role("group", name="Time by phase")
    assert [part.split()[0] for part in split.locator("figcaption > span").all_inner_texts()] == [
        "queue", "compile", "execute", "post-process", "other",
    ]  # fmt: skip
    shot(page, "trace-phases")
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("heading", name="Compare rebalance with").wait_for()
    page.get_by_label("Id of the other trace").fill(busy.ids[60])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Two traces compared").wait_for()
    times = page.get_by_role("region", name="Time by stage").get_by_role("row").all_inner_texts()
    assert [row.split()[0] for row in times[1:]] == ["whole", "execute", "queue", "transpile", "post", "other"]
    differ = page.get_by_role("region", name="Attributes that differ").inner_text()
    assert "resource · service.version\n1.4\n1.5" in differ.replace("\t", "\n")
    assert "service.name" not in differ
    shot(page, "compare", whole=True)
    page.emulate_media(color_scheme="dark")
    shot(page, "compare-dark", whole=True)


def test_a_backend_shows_status_queue_drift_and_what_ran_on_it(page, busy):
    page.goto(f"{busy.url}/backends")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="lagos"))
    assert "busy" in row.inner_text()
    assert "210" in row.inner_text()
    compared = page.get_by_role("region", name="Providers compared").get_by_role("row").nth(1).get_by_role("cell")
    assert compared.all_inner_texts()[:4] == ["vqe", "2,048 to 4,095", "unknown", "ibm"]
    assert compared.last.inner_text() == "0.42 USD"  # 0.35 for each of 120, of which 100 succeeded
    shot(page, "backends-status", whole=True)
    page.get_by_role("link", name="lagos").first.click()
    page.wait_for_url("**/backends/ibm/lagos")
    charts = page.get_by_role("region", name="Over time")
    assert charts.get_by_role("img").count() == 6
    assert charts.get_by_role("img", name="Queue: from 2 jobs to 210 jobs in 5 values").is_visible()
    assert page.get_by_role("table", name="Newest traces on it").get_by_role("row").count() == 11
    shot(page, "backend-charts", whole=True)
    page.emulate_media(color_scheme="dark")
    shot(page, "backend-charts-dark", whole=True)


def test_an_empty_page_sends_demo_traces_through_the_otlp_port(page, tmp_path):
    with running(tmp_path / "data", processors__sampling__rules=RULES) as collector:
        page.goto(f"http://127.0.0.1:{collector.ports['page']}")
        page.get_by_role("heading", name="Nothing has arrived yet").wait_for()
        shot(page, "overview-empty", whole=True)
        page.get_by_role("button", name="Send demo traces").click()
        page.get_by_role("heading", name="Where is the bottleneck?").wait_for()
        collector.wait_until_decided()
        assert collector.collector.metrics.spans == 6 * TRACES
        page.goto(f"http://127.0.0.1:{collector.ports['page']}/traces?errors=1")
        assert page.locator("a.open").all_inner_texts() == ["demo request"] * (TRACES // 6)
        answer = page.request.post(
            f"http://127.0.0.1:{collector.ports['page']}/demo", headers={"origin": "http://evil.example"}
        )
        assert answer.status == 403
