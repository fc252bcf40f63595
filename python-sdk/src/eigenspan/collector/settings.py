"""Every setting of the collector: its type, default, bounds and meaning, in one place.

The file's shape is the OpenTelemetry Collector's: receivers, processors, exporters, extensions, service. The reference
page, the full example and the JSON Schema are generated from these records.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from eigenspan.collector.settings_traces import HeaderValue, ServiceTelemetry
from eigenspan.semconv import tables


class _Settings(msgspec.Struct, forbid_unknown_fields=True):
    pass


Endpoint = Annotated[
    str,
    Meta(
        pattern=r"^.*:(6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})$(?!\n)",
        description="host:port; port 0 picks a free one",
    ),
]


class ListenerTls(_Settings, kw_only=True):
    """PEM files; they are read again when they change."""

    cert_file: Annotated[str, Meta(min_length=1, description="The certificate and those that lead to its authority.")]
    key_file: Annotated[str, Meta(min_length=1, description="The certificate's private key.")]
    client_ca_file: Annotated[
        str, Meta(description="Authorities of clients: with it a client must show a certificate of theirs (mTLS).")
    ] = ""


class Listener(_Settings):
    """Where a protocol listens."""

    endpoint: Endpoint
    tls: Annotated[ListenerTls | None, Meta(description="Transport security; without it, plain text.")] = None


class Protocols(_Settings):
    """The protocols that are served; null for one that is not wanted."""

    grpc: Listener | None = msgspec.field(default_factory=lambda: Listener(endpoint="127.0.0.1:4317"))
    http: Listener | None = msgspec.field(default_factory=lambda: Listener(endpoint="127.0.0.1:4318"))


class Auth(_Settings):
    """Who may send."""

    tokens: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(
            description="Bearer tokens, one of which every request must carry; none asks for none. Write ${env:NAME}."
        ),
    ] = []


class OtlpReceiver(_Settings):
    """The OTLP receiver."""

    protocols: Protocols = msgspec.field(default_factory=Protocols)
    engine: Annotated[
        Literal["auto", "native", "portable"],
        Meta(description="Which engine listens: the compiled kernel (native) or Python (portable)."),
    ] = "auto"
    auth: Auth = msgspec.field(default_factory=Auth)
    max_request_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="The largest request, before and after decompression.")
    ] = 64 << 20
    max_in_flight_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            description="Bytes that may wait to be written (portable: or taken in); past it clients are told to come back.",
        ),
    ] = 256 << 20
    max_connections: Annotated[int, Meta(ge=1, description="Connections held at once; more are closed at once.")] = 4096
    read_timeout: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds that a peer may take over a request's head or stay behind in a body.",
        ),
    ] = 20.0
    idle_timeout: Annotated[float, Meta(gt=0, description="Seconds that a connection may be without requests.")] = 600.0


class Receivers(_Settings):
    """What comes in."""

    otlp: OtlpReceiver = msgspec.field(default_factory=OtlpReceiver)


class RedactProcessor(_Settings):
    """Values that never reach the disk."""

    keys: Annotated[
        list[str],
        Meta(description="Attribute keys whose values are replaced by [redacted] before anything is written."),
    ] = msgspec.field(default_factory=lambda: sorted(tables.SENSITIVE_KEYS))


class RuleSettings(_Settings, kw_only=True, omit_defaults=True):
    """One sampling rule."""

    name: Annotated[
        str, Meta(pattern=r"^[a-z][a-z0-9_.-]{0,63}$(?!\n)", description="Its name, written on kept traces.")
    ]
    when: Annotated[str, Meta(description="SQL boolean expression over the trace's columns; empty: every trace.")] = ""
    keep: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)?\s*%)?$(?!\n)",
            description="The share kept, as a percentage. This or `target`.",
        ),
    ] = ""
    target: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)?\s+traces/(s|min|h))?$(?!\n)",
            description="A rate to keep of each key, as in `50 traces/s`; the share follows the traffic.",
        ),
    ] = ""
    by: Annotated[
        Literal["ema", "window"],
        Meta(description="How a key's rate is measured: moving average (10 s) or counted over 30 s."),
    ] = "ema"
    per: Annotated[
        list[str], Meta(description="The key of `target` and `at_least`: columns or expressions; none: all are one.")
    ] = []
    at_least: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,8}\s+per\s+[1-9][0-9]{0,8}(s|m|h|d))?$(?!\n)",
            description="The first so many of each key in every window are kept for certain, as in `1 per 15m`.",
        ),
    ] = ""
    at_most: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]+(\.[0-9]+)?\s+(traces|spans|B|kB|MB|KiB|MiB)/(s|min|h))?$(?!\n)",
            description="A cap on what the rule keeps, as in `500 spans/s` or `5 MB/s`.",
        ),
    ] = ""
    otherwise: Annotated[
        Literal["drop", "next"],
        Meta(description="What becomes of what it does not keep: dropped, or tried by the next."),
    ] = "drop"
    max_keys: Annotated[int, Meta(ge=1, le=1_000_000, description="Keys told apart; those past it share one.")] = 10_000


class TypicalSettings(_Settings):
    """What `typical_duration_s` is: a quantile of recent durations."""

    per: Annotated[list[str], Meta(description="The key: columns or expressions.")] = msgspec.field(
        default_factory=lambda: ["service", "root"]
    )
    quantile: Annotated[float, Meta(gt=0, lt=1, description="0.5 is the median.")] = 0.5


def _default_rules() -> list[RuleSettings]:
    return [
        RuleSettings(name="errors", when="errors > 0", keep="100%"),
        RuleSettings(name="slow", when="duration_s > 300", keep="100%"),
        RuleSettings(name="baseline", keep="10%"),
    ]


class SamplingProcessor(_Settings):
    """When a trace is decided, and by which rules."""

    settle: Annotated[float, Meta(ge=0, description="Seconds after a trace's root has ended until it is decided.")] = (
        6.0
    )
    idle: Annotated[
        float, Meta(ge=0, description="Seconds without a new span until a trace without root is decided.")
    ] = 30.0
    max_traces: Annotated[int, Meta(ge=1, description="Undecided traces held; past it the longest idle go early.")] = (
        1_000_000
    )
    job_ttl: Annotated[
        float, Meta(ge=0, description="Seconds that a trace waits for the end of a job that it submitted, at the most.")
    ] = 259_200.0
    max_spans: Annotated[
        int, Meta(ge=1, description="A trace with more spans is decided at once and marked; the rest of it follows.")
    ] = 1_000_000
    window: Annotated[float, Meta(ge=0, description="Seconds for which decisions are remembered for late spans.")] = (
        86400.0
    )
    watch: Annotated[list[str], Meta(description="More attributes to watch than those that rules name.")] = []
    typical: TypicalSettings = msgspec.field(default_factory=TypicalSettings)
    rules: Annotated[list[RuleSettings], Meta(description="The first whose condition holds decides.")] = msgspec.field(
        default_factory=_default_rules
    )


class PollSettings(_Settings, kw_only=True):
    """One live service that is asked. Credentials are those that the provider's own SDK finds; none is written here."""

    provider: Annotated[
        Literal["ibm", "google", "braket", "ionq", "iqm", "azure"],
        Meta(description="Whose service: ibm, google and braket by their SDKs, ionq, iqm and azure over HTTP."),
    ]
    backends: Annotated[
        list[str], Meta(description="Which to ask for (device ARNs for braket); none: all there are.")
    ] = []
    endpoint: Annotated[str, Meta(description="The service's URL, for iqm and azure, or another one for ionq.")] = ""
    interval: Annotated[float, Meta(ge=1, description="Seconds between two questions for a calibration.")] = 3600.0
    status_interval: Annotated[float, Meta(ge=1, description="Seconds between two questions for status and queue.")] = (
        300.0
    )
    history_days: Annotated[
        float, Meta(ge=0, le=3660, description="Days of the past to fetch once, where the provider keeps them.")
    ] = 0.0


class CalibrationProcessor(_Settings):
    """Where calibration snapshots come from."""

    shipped: Annotated[bool, Meta(description="Import what installed SDKs ship (fake backends, virtual engines).")] = (
        True
    )
    files: Annotated[list[str], Meta(description="Calibration files to import at start.")] = []
    aliases: Annotated[
        dict[str, Annotated[str, Meta(pattern=r"^[^/]+/.+$(?!\n)")]],
        Meta(description="Other names of backends: what spans say → PROVIDER/BACKEND as calibrations name it."),
    ] = {}
    tokens: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(description="Bearer tokens, one of which a POST of a snapshot must carry; none: nothing can be posted."),
    ] = []
    poll: Annotated[
        list[PollSettings], Meta(description="Live services that are asked for calibrations and status.")
    ] = []
    wait_for_snapshot: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="Seconds that a decision may wait, from a trace's last span, for the poll that confirms its snapshot.",
        ),
    ] = 0.0


class ConventionsProcessor(_Settings):
    """Names of older schema versions and of vendors on kept spans."""

    normalise: Annotated[
        bool, Meta(description="Bring them to the registry's names; false: leave them as they came.")
    ] = True
    keep_original: Annotated[bool, Meta(description="Leave the old name beside the new one.")] = False


class Processors(_Settings):
    """What happens on the way."""

    redact: RedactProcessor = msgspec.field(default_factory=RedactProcessor)
    sampling: SamplingProcessor = msgspec.field(default_factory=SamplingProcessor)
    calibration: CalibrationProcessor = msgspec.field(default_factory=CalibrationProcessor)
    conventions: ConventionsProcessor = msgspec.field(default_factory=ConventionsProcessor)


class Tls(_Settings):
    """Transport security towards an exporter's far end."""

    insecure: Annotated[bool, Meta(description="Speak plain text.")] = True
    ca_file: Annotated[str, Meta(description="A file of certificates to trust instead of the system's.")] = ""


class Exporter(_Settings):
    """Where kept traces go."""

    type: Annotated[
        Literal["store", "otlp", "otlphttp", "jaeger", "tempo"],
        Meta(
            description="store: the embedded one, traces and their logs. otlp, otlphttp: all signals. jaeger, tempo: traces."
        ),
    ]
    endpoint: Annotated[str, Meta(description="host:port, or a URL for otlphttp.")] = ""
    headers: Annotated[dict[str, HeaderValue], Meta(description="Sent with every request; never logged.")] = {}
    tls: Tls = msgspec.field(default_factory=Tls)
    timeout: Annotated[float, Meta(gt=0, description="Seconds to wait for an answer.")] = 10.0


class Archive(_Settings):
    """Where finished days of the embedded store go; needs the extra `archive`."""

    to: Annotated[
        str,
        Meta(
            description="A directory, or an object store such as s3://bucket/prefix with the credentials of the environment. "
            "Empty: there is no archive."
        ),
    ] = ""
    every: Annotated[float, Meta(ge=1, description="Seconds between two looks for days that are due.")] = 3600.0
    older_than_days: Annotated[
        int,
        Meta(ge=1, description="Days ago that a day must be; fewer than `max_age_days`, which removes it unarchived."),
    ] = 7


class StoreLimits(_Settings):
    """The embedded store's caps, and its archive."""

    max_age_days: Annotated[int, Meta(ge=1, description="Days that traces are kept.")] = 14
    max_bytes: Annotated[int, Meta(ge=1 << 20, description="Bytes that the store may use.")] = 4 << 30
    archive: Archive = msgspec.field(default_factory=Archive)


class Page(_Settings):
    """The page and its API."""

    endpoint: Endpoint = "127.0.0.1:8080"
    tokens: Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(
            description="Tokens that open the page where it does not listen on a loopback address: a bearer token, or the "
            "password that a browser asks for, under any name. Without one it then answers nobody. Write ${env:NAME}."
        ),
    ] = []


class Push(_Settings):
    """Span metrics sent over OTLP to every exporter of type otlp or otlphttp, as exponential histograms."""

    interval: Annotated[float, Meta(gt=0, description="Seconds between two requests.")] = 60.0
    temporality: Annotated[
        Literal["cumulative", "delta"], Meta(description="Since the start, or what came in each interval.")
    ] = "cumulative"


class Telemetry(_Settings):
    """The collector's own metrics."""

    endpoint: Endpoint = "127.0.0.1:8888"
    push: Annotated[
        Push | None, Meta(description="Also send them on over OTLP; null: they are only there to be fetched.")
    ] = None


class Health(_Settings):
    """The health check."""

    endpoint: Endpoint = "127.0.0.1:13133"


class Extensions(_Settings):
    """What is served besides; null for one that is not wanted."""

    page: Page | None = msgspec.field(default_factory=Page)
    telemetry: Telemetry | None = msgspec.field(default_factory=Telemetry)
    health: Health | None = msgspec.field(default_factory=Health)


class LogSettings(_Settings):
    """The log on disk."""

    segment_bytes: Annotated[
        int, Meta(ge=4096, description="Sealed past this, max_bytes / 8 or a 64th of the disk.")
    ] = 64 << 20
    max_bytes: Annotated[int, Meta(ge=1 << 20, description="Past this size clients are told to come back.")] = 8 << 30
    keep_for: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds for which dropped traces stay, so that a late error, or `traces recall`, brings them back.",
        ),
    ] = 3600.0
    keep_bytes: Annotated[
        int, Meta(ge=0, description="Bytes that the log may have on their account; the oldest go first.")
    ] = 2 << 30
    reserve_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes of the disk, at the most a tenth, left for decisions; short of it clients come back.",
        ),
    ] = 256 << 20


class Service(_Settings):
    """The process."""

    data: Annotated[str, Meta(description="The directory for everything that is kept.")] = "~/.local/share/eigenspan"
    engine: Annotated[
        Literal["auto", "kernel", "python"], Meta(description="What scans and splices: the compiled kernel or Python.")
    ] = "auto"
    tick_interval: Annotated[
        float,
        Meta(
            gt=0,
            le=10,
            description="Seconds between two turns of the pipeline; up to eight times as many, two at the most, while little comes.",
        ),
    ] = 0.25
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    store: StoreLimits = msgspec.field(default_factory=StoreLimits)
    telemetry: ServiceTelemetry = msgspec.field(default_factory=ServiceTelemetry)


class Settings(_Settings):
    """The whole configuration."""

    receivers: Receivers = msgspec.field(default_factory=Receivers)
    processors: Processors = msgspec.field(default_factory=Processors)
    exporters: Annotated[
        dict[str, Exporter],
        Meta(description="By name; the part before a slash may stand for the type, as in otlp/backup."),
    ] = msgspec.field(default_factory=lambda: {"store": Exporter(type="store")})
    extensions: Extensions = msgspec.field(default_factory=Extensions)
    service: Service = msgspec.field(default_factory=Service)
