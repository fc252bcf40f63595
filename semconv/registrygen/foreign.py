"""Attributes of the conventions that the registry depends on and refers to, as release 1.44.0 defines them."""

from __future__ import annotations

from typing import Any

FOREIGN: dict[str, dict[str, Any]] = {
    "cloud.region": {
        "type": "string",
        "stability": "development",
        "brief": "The geographical region within a cloud provider.",
        "examples": ["us-central1", "us-east-1"],
    },
    "error.type": {
        "type": "string",
        "stability": "stable",
        "brief": "Describes a class of error the operation ended with.",
        "examples": ["timeout", "java.net.UnknownHostException", "server_certificate_invalid", "500"],
    },
    "service.name": {
        "type": "string",
        "stability": "stable",
        "brief": "Logical name of the service.",
        "examples": ["shoppingcart"],
    },
}
