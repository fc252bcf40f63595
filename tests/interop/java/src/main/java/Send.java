import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.concurrent.TimeUnit;

/** Sends spans with the OTLP exporters of the Java SDK: Send grpc|http none|gzip HOST:PORT COUNT; exits with 1 where they fail. */
public final class Send {
  public static void main(String[] arguments) {
    String protocol = arguments[0];
    String compression = arguments[1];
    String url = "http://" + arguments[2];
    int count = Integer.parseInt(arguments[3]);
    SpanExporter exporter =
        protocol.equals("grpc")
            ? OtlpGrpcSpanExporter.builder().setEndpoint(url).setCompression(compression).build()
            : OtlpHttpSpanExporter.builder().setEndpoint(url + "/v1/traces").setCompression(compression).build();
    BatchSpanProcessor processor = BatchSpanProcessor.builder(exporter).build();
    SdkTracerProvider provider = SdkTracerProvider.builder().addSpanProcessor(processor).build();
    for (int number = 0; number < count; number++) {
      Span span = provider.get("interop").spanBuilder("quantum.job.execute").startSpan();
      span.setAttribute("quantum.backend.name", "aer").setAttribute("quantum.job.shots", 1000L + number);
      if (number == 0) {
        span.setStatus(StatusCode.ERROR, "the first one fails");
      }
      span.end();
    }
    CompletableResultCode flushed = provider.forceFlush().join(20, TimeUnit.SECONDS);
    CompletableResultCode ended = provider.shutdown().join(20, TimeUnit.SECONDS);
    System.exit(flushed.isSuccess() && ended.isSuccess() ? 0 : 1);
  }
}
