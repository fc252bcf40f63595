//! What the threads of the receiver share: admission, bounds, what waits to be written, and what was.
//!
//! Tasks of the network thread `submit` payloads and await their answer; the commit thread takes whatever waits; a
//! thread of Python's takes what needs Python, and gives it back; the pipeline takes what was committed.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::answer::Refusal;

/// How long, after the last group and again after a pause, a group waits for as many as came together last time: a sync
/// costs as much for one as for all.
const GATHER: Duration = Duration::from_micros(600);

/// What a payload carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// Bounds, all set from outside.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest request, before and after decompression.
    pub request_bytes: usize,
    /// Bytes of all requests that are being read or wait to be written.
    pub in_flight_bytes: usize,
    /// Committed spans that nobody has taken yet.
    pub untaken_spans: usize,
    pub connections: usize,
    /// How long a peer may take over a request's head, or stay silent in the middle of a body.
    pub read_s: f64,
    /// How long a connection may be without requests.
    pub idle_s: f64,
}

/// Whether the door is open, and what a client is told when it is not.
#[derive(Clone, Debug)]
pub struct Admission {
    pub open: bool,
    pub reason: String,
    pub retry_ms: u64,
}

pub type Answer = Result<(), Refusal>;

/// Payloads of one group and what their clients are told. The network thread is woken once for all of them.
pub type Answered = Vec<(Waiting, Answer)>;

/// Tells every client what became of its payload, on the thread that its task runs on.
pub async fn tell(mut answered: mpsc::UnboundedReceiver<Answered>) {
    while let Some(group) = answered.recv().await {
        for (waiting, answer) in group {
            drop(waiting.answer.send(answer));
        }
    }
}

/// A payload on its way to the disk.
#[derive(Debug)]
pub struct Waiting {
    pub signal: Signal,
    pub body: Bytes,
    pub json: bool,
    pub received_ns: u64,
    pub peer: Arc<str>,
    /// Python has seen it: `digest` names it, and what `cut` counts was taken out of it.
    pub seen: Option<Seen>,
    pub answer: oneshot::Sender<Answer>,
    pub held: Held,
}

#[derive(Debug)]
pub struct Seen {
    pub digest: [u8; 16],
    pub cut: Vec<(String, u64)>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many the last group was.
    taken: usize,
    /// At how many the commit thread wants to be woken; 0 while it works.
    enough: usize,
    closed: bool,
}

#[derive(Default)]
struct Aside {
    next: u64,
    fresh: VecDeque<u64>,
    held: HashMap<u64, Waiting>,
    closed: bool,
}

/// A payload for Python: its number, whether it is JSON, its signal and its bytes.
pub type ForPython = (u64, bool, Signal, Bytes);

/// See the module.
pub struct Door {
    pub limits: Limits,
    pub tokens: Vec<String>,
    admission: Mutex<Admission>,
    stopping: AtomicBool,
    in_flight: AtomicUsize,
    /// Committed spans that nobody has taken yet.
    pub untaken: AtomicUsize,
    counts: Mutex<HashMap<(&'static str, String), u64>>,
    queue: Mutex<Queue>,
    queued: Condvar,
    aside: Mutex<Aside>,
    set_aside: Condvar,
}

/// A thread that panicked left nothing half done that the others cannot go on with.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    #[must_use]
    pub fn new(limits: Limits, tokens: Vec<String>) -> Self {
        Self {
            limits,
            tokens,
            admission: Mutex::new(Admission { open: true, reason: String::new(), retry_ms: 1000 }),
            stopping: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            untaken: AtomicUsize::new(0),
            counts: Mutex::default(),
            queue: Mutex::default(),
            queued: Condvar::new(),
            aside: Mutex::default(),
            set_aside: Condvar::new(),
        }
    }

    pub fn admit(&self, admission: Admission) {
        *locked(&self.admission) = admission;
    }

    pub fn count(&self, what: &'static str, which: &str, by: u64) {
        *locked(&self.counts).entry((what, which.to_owned())).or_default() += by;
    }

    pub fn counts(&self) -> Vec<(&'static str, String, u64)> {
        locked(&self.counts).iter().map(|((what, which), &count)| (*what, which.clone(), count)).collect()
    }

    fn refused(&self, reason: &str, message: String, retry_ms: u64) -> Refusal {
        self.count("refused", reason, 1);
        Refusal::Unavailable { message, retry_ms }
    }

    /// Whether a request may come in at all, asked before its body is read.
    pub fn check(&self) -> Answer {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(self.refused("stopping", "the collector is stopping".into(), 1000));
        }
        let admission = locked(&self.admission);
        if !admission.open {
            let (reason, retry_ms) = (admission.reason.clone(), admission.retry_ms);
            drop(admission);
            return Err(self.refused(&reason, reason.clone(), retry_ms));
        }
        drop(admission);
        if self.untaken.load(Ordering::Relaxed) > self.limits.untaken_spans {
            return Err(self.refused("behind", "the pipeline has not caught up".into(), 1000));
        }
        Ok(())
    }

    /// Room for a request's bytes, given back when it is dropped.
    pub fn hold(self: &Arc<Self>) -> Held {
        Held { door: Arc::clone(self), bytes: 0 }
    }

    /// Queues a payload for the commit thread.
    pub fn submit(&self, waiting: Waiting) {
        let mut queue = locked(&self.queue);
        if queue.closed {
            drop(queue);
            let refusal = self.refused("stopping", "the collector is stopping".into(), 1000);
            return drop(waiting.answer.send(Err(refusal)));
        }
        queue.waiting.push_back(waiting);
        let wanted = queue.waiting.len() == queue.enough;
        // Whoever is woken finds the queue unlocked.
        drop(queue);
        if wanted {
            self.queued.notify_one();
        }
    }

    /// Waits for payloads and moves at most `most` into `group`; false once the queue is closed and empty.
    ///
    /// Clients that wait for their answers come again together: those of the last group, and those who came while it
    /// was written. One that is alone does not wait, because it was alone the last time.
    pub fn next(&self, group: &mut Vec<Waiting>, most: usize) -> bool {
        let mut queue = locked(&self.queue);
        let expected = most.min(queue.taken + queue.waiting.len());
        queue = self.gather(queue, expected);
        if queue.waiting.is_empty() && !queue.closed {
            queue.enough = 1;
            let idle = |queue: &mut Queue| queue.waiting.is_empty() && !queue.closed;
            queue = self.queued.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
            queue = self.gather(queue, expected);
        }
        queue.enough = 0;
        let count = queue.waiting.len().min(most);
        queue.taken = count;
        group.extend(queue.waiting.drain(..count));
        count > 0
    }

    /// Waits a while for as many payloads as are expected, unless that is one alone.
    fn gather<'a>(&self, mut queue: MutexGuard<'a, Queue>, expected: usize) -> MutexGuard<'a, Queue> {
        if expected <= 1 {
            return queue;
        }
        queue.enough = expected;
        let lacking = |queue: &mut Queue| queue.waiting.len() < expected && !queue.closed;
        self.queued.wait_timeout_while(queue, GATHER, lacking).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sets a payload aside for Python.
    pub fn put_aside(&self, waiting: Waiting) {
        let mut aside = locked(&self.aside);
        if aside.closed {
            drop(aside);
            let refusal = self.refused("stopping", "the collector is stopping".into(), 1000);
            return drop(waiting.answer.send(Err(refusal)));
        }
        let number = aside.next;
        aside.next += 1;
        aside.held.insert(number, waiting);
        aside.fresh.push_back(number);
        self.set_aside.notify_one();
    }

    /// Waits for a payload that was set aside; None once there will be no more.
    pub fn take_aside(&self) -> Option<ForPython> {
        let mut aside = locked(&self.aside);
        loop {
            if let Some(number) = aside.fresh.pop_front() {
                let waiting = &aside.held[&number];
                return Some((number, waiting.json, waiting.signal, waiting.body.clone()));
            }
            if aside.closed {
                return None;
            }
            aside = self.set_aside.wait(aside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a payload back from Python: its new bytes, or why there are none.
    pub fn give_back(&self, number: u64, outcome: Result<(Bytes, Seen), Refusal>) {
        let Some(mut waiting) = locked(&self.aside).held.remove(&number) else { return };
        match outcome {
            Ok((body, seen)) => {
                (waiting.body, waiting.json, waiting.seen) = (body, false, Some(seen));
                self.submit(waiting);
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::Bad(_)) {
                    self.count("malformed", waiting.signal.name(), 1);
                }
                drop(waiting.answer.send(Err(refusal)));
            }
        }
    }

    /// From now on whoever comes is refused.
    pub fn stop_admitting(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Nothing new is set aside or queued; what waits is still to be worked off.
    pub fn close(&self) {
        locked(&self.aside).closed = true;
        self.set_aside.notify_all();
        locked(&self.queue).closed = true;
        self.queued.notify_all();
    }
}

/// Bytes of one request that count as in flight until this is dropped.
pub struct Held {
    door: Arc<Door>,
    bytes: usize,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({})", self.bytes)
    }
}

impl Held {
    /// Counts `more` bytes in; a request that is alone always fits.
    pub fn grow(&mut self, more: usize) -> Answer {
        let before = self.door.in_flight.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        let limit = self.door.limits.in_flight_bytes;
        let of_others = before + more > self.bytes;
        if of_others && before + more > limit {
            let message = format!("more than {limit} bytes are waiting to be written");
            return Err(self.door.refused("in_flight", message, 1000));
        }
        Ok(())
    }

    /// Counts bytes out that are no longer there.
    pub fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        self.door.in_flight.fetch_sub(less, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.door.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
