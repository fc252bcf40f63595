"""Other people's clients against both receive engines: the OTLP exporters of Go, JavaScript and Java, and curl.

The exporters are fetched with `go build`, `npm install` and `mvn package`; where that cannot be done the tests say so.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.cases.door import GOOD
from tests.e2e.harness import RECEIVERS, running

HERE = Path(__file__).parent
SPANS = 700
"""More than one batch of an SDK's processor."""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on the PATH")
    return path


def prepared(*command: object, cwd: Path) -> None:
    """Run what fetches a client's packages, or skip with what it said."""
    try:
        done = subprocess.run([*map(str, command)], check=False, cwd=cwd, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took too long to fetch the client's packages")
    if done.returncode:
        pytest.skip(f"the client's packages cannot be fetched: {(done.stderr or done.stdout)[-300:]}")


@pytest.fixture(scope="session")
def go_client(tmp_path_factory) -> list[str]:
    program = tmp_path_factory.mktemp("go") / "interop"
    prepared(tool("go"), "build", "-o", program, ".", cwd=HERE / "go")
    return [str(program)]


@pytest.fixture(scope="session")
def js_client(tmp_path_factory) -> list[str]:
    node, npm = tool("node"), tool("npm")
    directory = shutil.copytree(HERE / "js", tmp_path_factory.mktemp("js") / "js")
    prepared(npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", cwd=directory)
    return [node, str(directory / "send.js")]


@pytest.fixture(scope="session")
def java_client(tmp_path_factory) -> list[str]:
    java, mvn = tool("java"), tool("mvn")
    directory = shutil.copytree(HERE / "java", tmp_path_factory.mktemp("java") / "java")
    prepared(mvn, "-q", "-B", "package", cwd=directory)
    return [java, "-cp", f"{directory}/target/classes:{directory}/target/dependency/*", "Send"]


@pytest.fixture(scope="module", params=RECEIVERS)
def door(request, tmp_path_factory):
    with running(tmp_path_factory.mktemp("data"), receivers__otlp__engine=request.param) as r:
        yield r


@pytest.fixture(scope="module", autouse=True)
def _no_thread_survives():
    """The collector of this module outlives each test on purpose."""
    return


def received(door) -> int:
    return door.summary()["spans"]["received"]


def sends(door, command: list[str], spans: int) -> None:
    """The client succeeds, and every span it made arrives."""
    before = received(door)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 10
    while received(door) < before + spans and time.monotonic() < deadline:
        time.sleep(0.05)
    assert received(door) == before + spans


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_go(door, go_client, protocol, compression):
    address = f"127.0.0.1:{door.ports[protocol]}"
    sends(door, [*go_client, protocol, compression, address, str(SPANS)], SPANS)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("kind", ["grpc", "proto", "json"])
def test_javascript(door, js_client, kind, compression):
    address = f"127.0.0.1:{door.ports['grpc' if kind == 'grpc' else 'http']}"
    sends(door, [*js_client, kind, compression, address, "20"], 20)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_java(door, java_client, protocol, compression):
    sends(door, [*java_client, protocol, compression, f"127.0.0.1:{door.ports[protocol]}", str(SPANS)], SPANS)


@pytest.mark.slow
def test_go_says_that_a_token_is_missing(tmp_path, go_client):
    with running(tmp_path, receivers__otlp__auth__tokens='["known"]') as r:
        address = f"127.0.0.1:{r.ports['grpc']}"
        refused = subprocess.run(
            [*go_client, "grpc", "none", address, "1"], check=False, capture_output=True, text=True, timeout=60
        )
        assert refused.returncode
        assert "bearer token" in refused.stderr
        sends(r, [*go_client, "grpc", "none", address, "1", "known"], 1)


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["--http1.1"], GOOD),
        (["--http1.0"], GOOD),
        (["--http1.1", "-H", "Transfer-Encoding: chunked"], GOOD),
        (["--http1.1", "-H", "Expect: 100-continue"], GOOD),
        (["--http1.1", "-H", "Content-Encoding: gzip"], gzip.compress(GOOD)),
        (["--http2"], GOOD),
        (["--http2-prior-knowledge"], GOOD),
    ],
    ids=str,
)
def test_curl(door, arguments, body, tmp_path):
    if "--http2-prior-knowledge" in arguments and door.collector.receiver.name == "portable":
        pytest.skip("uvicorn speaks HTTP/1.1 alone")
    (tmp_path / "body").write_bytes(body)
    url = f"http://127.0.0.1:{door.ports['http']}/v1/traces"
    kind = ["-H", "Content-Type: application/x-protobuf", "--data-binary", f"@{tmp_path / 'body'}"]
    command = [tool("curl"), "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "10", *arguments, *kind, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("200", "")
