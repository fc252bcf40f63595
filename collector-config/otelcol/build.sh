#!/usr/bin/env bash
# Build the peer Collector into .peer/otelcol from public modules by name. Needs Go; touches nothing outside the clone.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
peer="$here/../../.peer"
command -v go >/dev/null || { echo "bench-peer needs Go (https://go.dev); the benchmark and tests run without the peer"; exit 1; }
mkdir -p "$peer"
GOBIN="$peer/bin" go install go.opentelemetry.io/collector/cmd/builder@v0.160.0
cp "$here/builder.yaml" "$peer/builder.yaml"
(cd "$peer" && ./bin/builder --config builder.yaml)
cp "$peer/build/otelcol-peer" "$peer/otelcol"
"$peer/otelcol" --version
