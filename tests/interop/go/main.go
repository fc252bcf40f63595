// Sends spans with OpenTelemetry's Go exporters: interop grpc|http none|gzip ADDRESS SPANS [TOKEN].
package main

import (
	"context"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

func exporter(ctx context.Context, protocol, compression, address string, headers map[string]string) (*otlptrace.Exporter, error) {
	if protocol == "grpc" {
		options := []otlptracegrpc.Option{
			otlptracegrpc.WithEndpoint(address), otlptracegrpc.WithInsecure(), otlptracegrpc.WithHeaders(headers),
		}
		if compression == "gzip" {
			options = append(options, otlptracegrpc.WithCompressor("gzip"))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpoint(address), otlptracehttp.WithInsecure(), otlptracehttp.WithHeaders(headers),
	}
	if compression == "gzip" {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	return otlptracehttp.New(ctx, options...)
}

// failing remembers what an exporter could not send, which the SDK's processor keeps to itself.
type failing struct {
	*otlptrace.Exporter
	err error
}

func (f *failing) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := f.Exporter.ExportSpans(ctx, spans)
	if err != nil {
		f.err = err
	}
	return err
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	headers := map[string]string{}
	if len(os.Args) > 5 {
		headers["authorization"] = "Bearer " + os.Args[5]
	}
	spans, err := strconv.Atoi(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	otlp, err := exporter(ctx, os.Args[1], os.Args[2], os.Args[3], headers)
	if err != nil {
		log.Fatal(err)
	}
	watched := &failing{Exporter: otlp}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(watched))
	tracer := provider.Tracer("interop")
	for i := range spans {
		_, span := tracer.Start(ctx, "from go "+strings.Repeat("x", i%50))
		span.End()
	}
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	if watched.err != nil {
		log.Fatal(watched.err)
	}
}
