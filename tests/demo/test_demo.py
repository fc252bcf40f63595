"""The demo tells of its own collector and of no other."""

from __future__ import annotations

import socket

import pytest

from eigenspan.demo import __main__ as demo


@pytest.mark.parametrize("flag", ["--page", "--grpc"])
def test_a_port_in_use_is_said_before_anything_runs(monkeypatch, capsys, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        other = {"--page": "--grpc", "--grpc": "--page"}[flag]
        monkeypatch.setattr("sys.argv", ["demo", flag, place, other, "127.0.0.1:0"])
        assert demo.main() == 1
    said = capsys.readouterr().err
    assert said == f"demo: something listens on {place} already: stop it, or name another place with {flag}\n"
