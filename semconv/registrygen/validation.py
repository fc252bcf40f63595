"""The page on validation: findings, contracts, names of vendors."""

from __future__ import annotations

from registrygen.docs import NOTICE, anchor

INTRO = """# Validation

`eigenspan validate FILE` holds telemetry against this registry: each attribute, then each whole span, then each trace.
`eigenspan.schema.validate.validate(message)` does the same in a program, and the pytest fixture `conformance` in a test.

A span is matched to its definition by its type (`Span.type`, field 17 of the protocol, or `otel.span.type`), else by an
attribute that states it: `gen_ai.operation.name` for a call of a language model, and `quantum.operation.name`. Then
follow kind, name, requirement levels, conditions, types, known values, links, and the rules across the spans of a trace.
Conventions of others pass untouched.

Findings have the ids, the levels and the report of Weaver's live check where it has them; ours begin with `eigenspan.`.
What is absent and only recommended, and that conventions in development are not stable, is said with `--advice`.

An execution on a simulator that ran in the process that called it needs no link to a submission, since there is none.
A condition that no program can tell from the telemetry, such as "if there is not exactly one circuit", is not executed.
A trace is judged when the input ends, or when fifty thousand spans wait for the rest of theirs; then as far as it was seen.

"""
CONTRACT = """## Contracts

A contract narrows the registry for one team or workflow and is checked the same way: `--contract FILE`. Without one the
eight mandatory fields of a job are held, on a span of the job or on one above it.

```yaml
contract: portfolio
extends: default                       # the eight fields; leave out to begin with none
match: {quantum.workflow.name: portfolio-optimisation}
job:
  required: [quantum.cost.amount]
spans:
  quantum.internal.execute:
    required: [quantum.backend.calibration.version]
    values: {quantum.backend.name: [ibm_torino, ibm_fez]}
    maximum: {quantum.job.shots: 10000}
    forbidden: [quantum.circuit.qasm]
```

"""
VENDORS = """## Names of vendors

Read as the attribute on the right by `eigenspan.schema.normalise`, besides the synonyms on [the page on migration](migration.md).
Names marked with * are used by other programs for other things, and are only read beside something quantum.

| Vendor | Found | Read as |
|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    from eigenspan.schema.findings import IDS
    from eigenspan.schema.normalise import GENERIC
    from eigenspan.schema.normalise import VENDORS as RULES

    rows = [f"| `{id_}` | {level} | {text} |\n" for id_, (level, text) in IDS.items()]
    out = NOTICE + INTRO + "## Findings\n\n| Id | Level | Meaning |\n|---|---|---|\n" + "".join(rows) + "\n" + CONTRACT
    vendors = sorted((rule.vendor, name, rule.to) for name, rule in RULES.items())
    named = [
        f"| {vendor} | `{name}`{'*' if name in GENERIC else ''} | [`{to}`](attributes.md#{anchor(to)}) |\n"
        for vendor, name, to in vendors
    ]
    return out + VENDORS + "".join(named)
