"""Amazon Braket by its SDK's session, with the credentials that boto3 finds. Braket keeps no history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from eigenspan.calibration import status
from eigenspan.calibration.attributes import StatusSample
from eigenspan.calibration.pullers.source import Document


class BraketSource:
    """`session` is a braket.aws.AwsSession; None opens one in the configured region. Backends are device ARNs."""

    provider = "braket"

    def __init__(self, session: Any = None) -> None:
        if session is None:
            from braket.aws import AwsSession

            session = AwsSession()
        self._session = session

    def backends(self) -> list[str]:
        """The QPUs of the session's region that are not retired."""
        return [str(device["deviceArn"]) for device in self._session.search_devices(types=["QPU"])]

    def document(self, backend: str) -> Document | None:
        """The answer of GetDevice."""
        answer = self._session.get_device(arn=backend)
        kept = {key: answer[key] for key in ("deviceArn", "deviceName", "deviceStatus", "deviceCapabilities")}
        return Document(msgspec.json.encode(kept))

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """Status, queue and window from the same answer."""
        answer = self._session.get_device(arn=backend)
        windows = json.loads(answer["deviceCapabilities"]).get("service", {}).get("executionWindows") or ()
        return [status.from_braket(answer, now_ns, windows)]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Nothing: what was not collected is lost."""
        return iter(())
