// Sends spans with OpenTelemetry's JavaScript exporters: node send.js grpc|proto|json none|gzip ADDRESS SPANS
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [kind, compression, address, spans] = process.argv.slice(2);
const name = { grpc: "grpc", proto: "proto", json: "http" }[kind];
const { OTLPTraceExporter } = (await import(`@opentelemetry/exporter-trace-otlp-${name}`)).default;
const url = kind === "grpc" ? `http://${address}` : `http://${address}/v1/traces`;
const exporter = new OTLPTraceExporter({ url, compression });
const send = exporter.export.bind(exporter);
exporter.export = (batch, done) =>
  send(batch, (result) => {
    if (result.code !== 0) {
      console.error(result.error);
      process.exitCode = 1;
    }
    done(result);
  });
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
for (let i = 0; i < Number(spans); i++) provider.getTracer("interop").startSpan(`from js ${i}`).end();
await provider.shutdown();
