//! The body of a request, read within bounds and at a pace.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::{Request, Version};
use tokio::time::{Instant, timeout_at};

use crate::answer::Refusal;
use crate::door::{Door, Held};

/// A body that keeps this pace is never cut off, however large it is.
const PACE_BYTES_PER_S: u64 = 64 << 10;
/// Space that is made at once for a body that says how long it will be.
const RESERVE: usize = 1 << 20;

/// A body being read. One that comes in one piece is not copied.
pub struct Reading<'a> {
    body: &'a mut Incoming,
    first: Bytes,
    rest: Vec<u8>,
    held: Held,
    read_s: f64,
    started: Instant,
}

impl<'a> Reading<'a> {
    pub fn new(door: &Arc<Door>, body: &'a mut Incoming) -> Self {
        let read_s = door.limits.read_s;
        Self { body, first: Bytes::new(), rest: Vec::new(), held: door.hold(), read_s, started: Instant::now() }
    }

    pub fn size(&self) -> usize {
        if self.rest.is_empty() { self.first.len() } else { self.rest.len() }
    }

    /// The first five bytes, which are there.
    pub fn prefix(&self) -> [u8; 5] {
        let bytes: &[u8] = if self.rest.is_empty() { &self.first } else { &self.rest };
        std::array::from_fn(|index| bytes[index])
    }

    /// Makes room for a body that is said to be `total` bytes long.
    pub fn expect(&mut self, total: usize) {
        if total > self.size() {
            if self.rest.is_empty() {
                self.rest.reserve(total.min(RESERVE));
                self.rest.extend_from_slice(&self.first);
                self.first = Bytes::new();
            } else {
                self.rest.reserve(total.min(RESERVE).saturating_sub(self.rest.len()));
            }
        }
    }

    /// Reads on; false at the end of the body. Refuses a peer that is slower than the pace, and more than `limit` bytes.
    pub async fn more(&mut self, limit: usize) -> Result<bool, Refusal> {
        let paced = Duration::from_secs(self.size() as u64 / PACE_BYTES_PER_S);
        let deadline = self.started + Duration::from_secs_f64(self.read_s) + paced;
        let mut body = Pin::new(&mut *self.body);
        let frame = timeout_at(deadline, std::future::poll_fn(|context| body.as_mut().poll_frame(context))).await;
        let data = match frame {
            Err(_) => return Err(Refusal::Bad("the body did not arrive in time".into())),
            Ok(None) => return Ok(false),
            Ok(Some(Err(error))) => return Err(Refusal::Bad(format!("the body cannot be read: {error}"))),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        if self.size() + data.len() > limit {
            return Err(Refusal::TooLarge(format!("the body is larger than {limit} bytes")));
        }
        self.held.grow(data.len())?;
        if self.size() == 0 && self.rest.capacity() == 0 {
            self.first = data;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&self.first);
                self.first = Bytes::new();
            }
            self.rest.extend_from_slice(&data);
        }
        Ok(true)
    }

    pub fn finish(self) -> (Bytes, Held) {
        let body = if self.rest.is_empty() { self.first } else { Bytes::from(self.rest) };
        (body, self.held)
    }
}

/// Reads on after an answer, so that a client that sends first and listens then sees the answer. HTTP/2 needs no help.
pub fn drain(door: &Arc<Door>, request: Request<Incoming>) {
    if request.version() == Version::HTTP_2 || request.body().is_end_stream() {
        return;
    }
    let (most, within) = (2 * door.limits.request_bytes, Duration::from_secs_f64(door.limits.read_s));
    tokio::spawn(async move {
        let (mut body, mut read) = (request.into_body(), 0);
        let deadline = Instant::now() + within;
        while read <= most {
            let frame = timeout_at(deadline, std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)));
            let Ok(Some(Ok(frame))) = frame.await else { return };
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    });
}
