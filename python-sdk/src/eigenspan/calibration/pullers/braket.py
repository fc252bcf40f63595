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
    """`session` is a braket.aws.AwsSession; None opens one in the configured region. Backends are device ARNs.

    A device is asked for in the region that its ARN names.
    """

    provider = "braket"

    def __init__(self, session: Any = None) -> None:
        if session is None:
            from braket.aws import AwsSession

            session = AwsSession()
        self._session = session
        self._sessions = {session.region: session}

    def backends(self) -> list[str]:
        """The QPUs of all regions that are not retired."""
        from braket.aws import AwsDevice

        listed = [self._in(region).search_devices(types=["QPU"]) for region in AwsDevice.REGIONS]
        return sorted({str(device["deviceArn"]) for devices in listed for device in devices})

    def _in(self, region: str) -> Any:
        if region not in self._sessions:
            self._sessions[region] = self._session.copy_session(region=region)
        return self._sessions[region]

    def _answer(self, arn: str) -> dict[str, Any]:
        region = arn.split(":")[3] or self._session.region
        answer: dict[str, Any] = self._in(region).get_device(arn=arn)
        return answer

    def document(self, backend: str) -> Document | None:
        """The answer of GetDevice."""
        answer = self._answer(backend)
        kept = {key: answer[key] for key in ("deviceArn", "deviceName", "deviceStatus", "deviceCapabilities")}
        return Document(msgspec.json.encode(kept))

    def status(self, backend: str, now_ns: int) -> list[StatusSample]:
        """Status, queue and window from the same answer."""
        answer = self._answer(backend)
        windows = json.loads(answer["deviceCapabilities"]).get("service", {}).get("executionWindows") or ()
        return [status.from_braket(answer, now_ns, windows)]

    def history(self, backend: str, since_ns: int, until_ns: int) -> Iterator[Document]:
        """Nothing: what was not collected is lost."""
        return iter(())
