"""Published schemas are served as they are packaged, and nothing else is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eigenspan.schema import published
from eigenspan.web.app import Page


def get(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"host", b"127.0.0.1:8080")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8080)}  # fmt: skip
    page = Page(SimpleNamespace(directory=Path()), None, dict)  # type: ignore[arg-type]
    asyncio.run(page(scope, receive, send))
    headers = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


@pytest.mark.parametrize("name", sorted(published.files()))
def test_every_published_file_is_served(name: str) -> None:
    status, headers, body = get(f"/schemas/{name}")
    assert status == 200
    assert body == published.files()[name]
    assert headers["content-type"] in ("application/json", "application/yaml")


@pytest.mark.parametrize(
    "path", ["/schemas", "/schemas/", "/schemas/quantum/9.9.9", "/schemas/../app.py", "/schemas/v2"]
)
def test_nothing_else_is(path: str) -> None:
    assert get(path)[0] == 404
