"""Transport security at the door: certificates, certificates of clients, and renewal without a restart."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
import time

import grpc
import pytest

from tests.e2e.harness import RECEIVERS, running
from tests.e2e.test_door import GOOD, PROTOBUF

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
pytestmark = [
    pytest.mark.parametrize("receiver", RECEIVERS),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed"),
]


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def certificate(directory, name: str):
    """A self-signed certificate for 127.0.0.1 and its key."""
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
        "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert,
    )  # fmt: skip
    return cert, key


def signed_by(authority, directory, name: str):
    """A client's certificate and its key."""
    key, cert = directory / f"{name}.key", directory / f"{name}.pem"
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
        "-CA", authority[0], "-CAkey", authority[1], "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "extendedKeyUsage=clientAuth", "-keyout", key, "-out", cert,
    )  # fmt: skip
    return cert, key


def secured(tmp_path, receiver: str, cert, key, client_ca=""):
    tls = f"{{cert_file: '{cert}', key_file: '{key}', client_ca_file: '{client_ca}'}}"
    more = {f"receivers.otlp.protocols.{p}.tls": tls for p in ("grpc", "http")}
    return running(tmp_path / "data", receivers__otlp__engine=receiver, **more)


def post(r, trusted, own=None) -> int:
    context = ssl.create_default_context(cafile=trusted)
    if own:
        context.load_cert_chain(*own)
    connection = http.client.HTTPSConnection("127.0.0.1", r.ports["http"], timeout=10, context=context)
    try:
        connection.request("POST", "/v1/traces", GOOD, {"Content-Type": PROTOBUF})
        return connection.getresponse().status
    finally:
        connection.close()


def call(r, trusted, own=None) -> bytes:
    pair = (own[1].read_bytes(), own[0].read_bytes()) if own else (None, None)
    credentials = grpc.ssl_channel_credentials(trusted.read_bytes(), *pair)
    with grpc.secure_channel(f"127.0.0.1:{r.ports['grpc']}", credentials) as channel:
        return channel.unary_unary(EXPORT)(GOOD, timeout=5)


def test_a_certificate_is_renewed_without_a_restart(tmp_path, receiver):
    cert, key = certificate(tmp_path, "server")
    first = shutil.copy(cert, tmp_path / "first.pem")
    with secured(tmp_path, receiver, cert, key) as r:
        assert post(r, first) == 200
        assert call(r, cert) == b""
        new_cert, new_key = certificate(tmp_path, "renewed")
        shutil.copy(new_cert, cert)
        time.sleep(1.2)
        assert post(r, first) == 200
        shutil.copy(new_key, key)
        time.sleep(1.2)
        assert post(r, new_cert) == 200
        assert call(r, new_cert) == b""
        with pytest.raises(ssl.SSLError):
            post(r, first)


def test_a_client_shows_a_certificate_where_one_is_asked_for(tmp_path, receiver):
    cert, key = certificate(tmp_path, "server")
    authority = certificate(tmp_path, "authority")
    client = signed_by(authority, tmp_path, "client")
    with secured(tmp_path, receiver, cert, key, authority[0]) as r:
        assert post(r, cert, client) == 200
        assert call(r, cert, client) == b""
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            post(r, cert)
        with pytest.raises(grpc.RpcError) as caught:
            call(r, cert)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_that_is_missing_is_said_at_the_start(tmp_path, receiver):
    cert, _ = certificate(tmp_path, "server")
    with pytest.raises(OSError, match="No such file"), secured(tmp_path, receiver, cert, tmp_path / "none.key"):
        pass
