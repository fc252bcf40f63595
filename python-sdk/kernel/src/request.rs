//! One request: its head is judged, its body read within bounds, its payload submitted, and its answer worded.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use crate::answer::{Refusal, base64, knows};
use crate::body::{Reading, drain};
use crate::door::{Answer, Door, Held, Signal, Waiting};
use crate::inflate::{Encoding, inflate};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// Compressed bodies over this do not hold up the other connections.
const INFLATE_ASIDE: usize = 16 << 10;

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
}

/// A connection as its requests see it.
#[derive(Debug)]
pub struct Peer {
    pub protocol: Protocol,
    pub name: Arc<str>,
    pub active: AtomicUsize,
    /// Requests so far, finished or not.
    pub requests: AtomicU64,
}

/// The body of an answer.
#[derive(Debug, Default)]
pub struct Reply {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// Counts a request as active until it is dropped.
struct Active<'a>(&'a Peer);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers one request.
pub async fn answer(door: Arc<Door>, peer: Arc<Peer>, request: Request<Incoming>) -> Response<Reply> {
    peer.active.fetch_add(1, Ordering::Relaxed);
    peer.requests.fetch_add(1, Ordering::Relaxed);
    let _active = Active(&peer);
    match peer.protocol {
        Protocol::Grpc => grpc(&door, &peer, request).await,
        Protocol::Http => http(&door, &peer, request).await,
    }
}

fn admitted(door: &Door, headers: &HeaderMap) -> Answer {
    if !door.tokens.is_empty() {
        let given = headers.get(AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
        let token = match given.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
            _ => b"",
        };
        if !knows(&door.tokens, token) {
            door.count("refused", "unauthenticated", 1);
            return Err(Refusal::Unauthenticated("send a bearer token that this collector knows".into()));
        }
    }
    door.check()
}

async fn grpc(door: &Arc<Door>, peer: &Peer, request: Request<Incoming>) -> Response<Reply> {
    let content_type = request.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if request.method() != Method::POST || !content_type.starts_with(b"application/grpc") {
        let text = "this port speaks OTLP/gRPC; OTLP/HTTP has a port of its own, 4318 by default\n";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    }
    let mut response = Response::new(Reply::default());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let outcome = grpc_outcome(door, peer, request).await;
    if let Err(refusal) = outcome {
        // Headers and trailers are one: nothing comes between.
        let headers = response.headers_mut();
        headers.insert("grpc-status", HeaderValue::from(u16::from(refusal.grpc_code())));
        if let Ok(message) = HeaderValue::try_from(refusal.grpc_message()) {
            headers.insert("grpc-message", message);
        }
        if let Ok(details) = HeaderValue::try_from(base64(&refusal.status())) {
            headers.insert("grpc-status-details-bin", details);
        }
        if matches!(refusal, Refusal::Unimplemented(_)) {
            headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd"));
        }
    } else {
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        // An empty message, not compressed: the request succeeded as a whole.
        *response.body_mut() = Reply { data: Some(Bytes::from_static(&[0; 5])), trailers: Some(trailers) };
    }
    response
}

async fn grpc_outcome(door: &Arc<Door>, peer: &Peer, request: Request<Incoming>) -> Answer {
    let signal = match request.uri().path() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Signal::Traces,
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Signal::Metrics,
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Signal::Logs,
        other => {
            door.count("refused", "no_such_method", 1);
            return Err(Refusal::Unimplemented(format!("there is no method {other}")));
        }
    };
    let arrived = grpc_arrived(door, request).await;
    take(door, peer, signal, counted(door, signal, arrived)?).await
}

/// A request that is there as a whole and within bounds.
struct Arrived {
    json: bool,
    body: Bytes,
    held: Held,
}

/// Counts what is refused before it reaches the commit, which counts its own; whoever turned it away has counted it then.
fn counted<T>(door: &Door, signal: Signal, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
    match &outcome {
        Err(Refusal::Bad(_)) => door.count("malformed", signal.name(), 1),
        Err(Refusal::TooLarge(_)) => door.count("refused", "too_large", 1),
        Err(Refusal::Media(_) | Refusal::Unimplemented(_)) => door.count("refused", "unsupported_media", 1),
        Ok(_) | Err(Refusal::Unauthenticated(_) | Refusal::Unavailable { .. }) => {}
    }
    outcome
}

async fn grpc_arrived(door: &Arc<Door>, request: Request<Incoming>) -> Result<Arrived, Refusal> {
    admitted(door, request.headers())?;
    let (head, mut body) = request.into_parts();
    let limit = door.limits.request_bytes;
    let mut reading = Reading::new(door, &mut body);
    while reading.size() < 5 {
        if !reading.more(limit + 5).await? {
            return Err(Refusal::Bad("the request ends before its message".into()));
        }
    }
    let prefix = reading.prefix();
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if length > limit {
        return Err(Refusal::TooLarge(format!("the request is larger than {limit} bytes")));
    }
    reading.expect(5 + length);
    while reading.more(5 + length).await.map_err(|refusal| match refusal {
        Refusal::TooLarge(_) => Refusal::Bad("more than one message in the request".into()),
        other => other,
    })? {}
    let (mut message, held) = reading.finish();
    if message.len() != 5 + length {
        return Err(Refusal::Bad("the message is cut short".into()));
    }
    message.advance(5);
    let encoding = match prefix[0] {
        0 => Encoding::Identity,
        1 => {
            let name = head.headers.get("grpc-encoding").map_or(&b""[..], HeaderValue::as_bytes);
            match Encoding::of(name) {
                Some(Encoding::Identity) => {
                    return Err(Refusal::Bad("the message is compressed, and grpc-encoding does not say how".into()));
                }
                Some(encoding) => encoding,
                None => {
                    let name = String::from_utf8_lossy(name);
                    return Err(Refusal::Unimplemented(format!("grpc-encoding {name:?} is not supported")));
                }
            }
        }
        other => return Err(Refusal::Bad(format!("a message's compressed flag is {other}"))),
    };
    inflated(door, false, encoding, message, held).await
}

async fn http(door: &Arc<Door>, peer: &Peer, mut request: Request<Incoming>) -> Response<Reply> {
    let signal = match request.uri().path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        _ => {
            door.count("refused", "no_such_path", 1);
            drain(door, request);
            let text = "no such path; OTLP/HTTP has /v1/traces, /v1/metrics and /v1/logs\n";
            return plain(StatusCode::NOT_FOUND, text);
        }
    };
    if request.method() != Method::POST {
        door.count("refused", "no_such_method", 1);
        drain(door, request);
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "OTLP/HTTP requests are POST\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = content_type == JSON;
    let answer_type = HeaderValue::from_static(if json { JSON } else { PROTOBUF });
    let arrived = counted(door, signal, http_arrived(door, &content_type, &mut request).await);
    let outcome = match arrived {
        Ok(arrived) => take(door, peer, signal, arrived).await,
        Err(refusal) => {
            drain(door, request);
            Err(refusal)
        }
    };
    let mut response = Response::new(Reply::default());
    match outcome {
        Ok(()) if json => response.body_mut().data = Some(Bytes::from_static(b"{}")),
        Ok(()) => {}
        Err(refusal) => {
            *response.status_mut() = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            let body = if json { refusal.json().into_bytes() } else { refusal.status() };
            response.body_mut().data = Some(Bytes::from(body));
            if let Some(seconds) = refusal.retry_after_s() {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            if matches!(refusal, Refusal::Unauthenticated(_)) {
                response.headers_mut().insert("www-authenticate", HeaderValue::from_static("Bearer"));
            }
        }
    }
    response.headers_mut().insert(CONTENT_TYPE, answer_type);
    response
}

async fn http_arrived(
    door: &Arc<Door>,
    content_type: &str,
    request: &mut Request<Incoming>,
) -> Result<Arrived, Refusal> {
    if content_type != JSON && content_type != PROTOBUF {
        let message = format!("Content-Type {content_type:?} is not OTLP's; send {PROTOBUF} or {JSON}");
        return Err(Refusal::Media(message));
    }
    let headers = request.headers();
    let encodings: Vec<&[u8]> = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    let encodings = encodings.join(&b", "[..]);
    let Some(encoding) = Encoding::of(&encodings) else {
        let name = String::from_utf8_lossy(&encodings);
        return Err(Refusal::Media(format!("Content-Encoding {name:?} is not supported; send gzip, zstd or none")));
    };
    admitted(door, headers)?;
    let limit = door.limits.request_bytes;
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let mut reading = Reading::new(door, request.body_mut());
    if let Some(length) = declared {
        if length > limit {
            return Err(Refusal::TooLarge(format!("the body is larger than {limit} bytes")));
        }
        reading.expect(length);
    }
    while reading.more(limit).await? {}
    let (body, held) = reading.finish();
    inflated(door, content_type == JSON, encoding, body, held).await
}

/// The body without its compression.
async fn inflated(
    door: &Arc<Door>,
    json: bool,
    encoding: Encoding,
    body: Bytes,
    mut held: Held,
) -> Result<Arrived, Refusal> {
    if encoding == Encoding::Identity {
        return Ok(Arrived { json, body, held });
    }
    let packed = body.len();
    let limit = door.limits.request_bytes;
    let inflate = move || inflate(encoding, &body, limit);
    let inflated = if packed <= INFLATE_ASIDE {
        inflate()?
    } else {
        let worked = tokio::task::spawn_blocking(inflate).await;
        worked.map_err(|_| Refusal::Bad("the body cannot be decompressed".into()))??
    };
    held.shrink(packed);
    held.grow(inflated.len())?;
    Ok(Arrived { json, body: Bytes::from(inflated), held })
}

/// Submits a request and waits for what becomes of it.
async fn take(door: &Arc<Door>, peer: &Peer, signal: Signal, arrived: Arrived) -> Answer {
    let Arrived { json, body, held } = arrived;
    let (sender, receiver) = oneshot::channel();
    let received_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let waiting =
        Waiting { signal, body, json, received_ns, peer: Arc::clone(&peer.name), seen: None, answer: sender, held };
    if json {
        door.put_aside(waiting);
    } else {
        door.submit(waiting);
    }
    receiver.await.unwrap_or_else(|_| {
        Err(Refusal::Unavailable { message: "an internal error; see the collector's log".into(), retry_ms: 1000 })
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Reply> {
    let mut response = Response::new(Reply { data: Some(Bytes::from_static(text.as_bytes())), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}
