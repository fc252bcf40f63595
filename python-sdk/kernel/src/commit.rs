//! Group commit: whatever arrived while the last sync ran is scanned, logged and synced together, then answered.
//!
//! The twin of `eigenspan/collector/commit.py`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use blake2b_simd::many::update_many;
use blake2b_simd::{Params, State};
use tokio::sync::mpsc;

use crate::answer::Refusal;
use crate::columns::{Names, Watch};
use crate::door::{Answer, Answered, Door, Signal, Waiting, locked};
use crate::log::{Disk, Record, Writer};
use crate::rows::Rows;
use crate::scan::{self, Scan};

/// Requests of one group.
const GROUP: usize = 256;
/// Digests remembered at most; with more than this in ten minutes the oldest go early.
const REMEMBERED: usize = 500_000;
const REMEMBER_NS: u64 = 600_000_000_000;

type Digest = [u8; 16];

/// What was committed of one segment: position, offset and length of each body.
#[derive(Debug, Default)]
pub struct Part {
    pub segment: u64,
    pub positions: Vec<u64>,
    pub offsets: Vec<u64>,
    pub lengths: Vec<u64>,
    pub last_received_ns: u64,
    pub end: u64,
}

/// What was committed since somebody last took it.
#[derive(Debug)]
pub struct Committed {
    pub rows: Rows,
    pub parts: Vec<Part>,
    /// Payloads that are not traces.
    pub others: Vec<(u64, Signal)>,
    pub through: u64,
    pub log_ns: u64,
    pub payloads: u64,
    pub bytes: u64,
    /// Values that Python took out, by key.
    pub cut: HashMap<String, u64>,
}

impl Committed {
    #[must_use]
    pub fn new(watch: &Watch) -> Self {
        Self {
            rows: Rows::new(watch),
            parts: Vec::new(),
            others: Vec::new(),
            through: 0,
            log_ns: 0,
            payloads: 0,
            bytes: 0,
            cut: HashMap::new(),
        }
    }
}

/// Log time: nanoseconds that the collector has run, over all its runs.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub base_ns: u64,
    pub started: Instant,
}

impl Clock {
    fn log_ns(&self) -> u64 {
        self.base_ns + self.started.elapsed().as_nanos() as u64
    }
}

/// What becomes of a payload of a group.
enum Fate {
    Fresh,
    /// The log holds it.
    Repeat,
    /// It is the same as an earlier one of the group.
    Same(usize),
    Aside,
    Refused(Refusal),
}

/// Owns the log's write side.
pub struct Committer<D: Disk> {
    pub door: Arc<Door>,
    pub watch: Arc<Watch>,
    pub sensitive: Arc<Names>,
    pub clock: Clock,
    pub writer: Writer<D>,
    pub remembered: Remembered,
    pub out: Arc<Mutex<Committed>>,
    pub answered: mpsc::UnboundedSender<Answered>,
}

impl<D: Disk> Committer<D> {
    /// Works until the door is closed and nothing waits.
    pub fn run(mut self) {
        let mut group = Vec::new();
        while self.door.clone().next(&mut group, GROUP) {
            // Whoever is not answered because of a panic sees the answer's other end go, and says so.
            if catch_unwind(AssertUnwindSafe(|| self.commit(&mut group))).is_err() {
                self.door.count("refused", "internal", group.len() as u64);
            }
            group.clear();
        }
    }

    fn commit(&mut self, group: &mut Vec<Waiting>) {
        let log_ns = self.clock.log_ns();
        let digests = digests_of(group);
        let watch = Arc::clone(&self.watch);
        let names = Arc::clone(&self.sensitive);
        let mut scan = Scan::new(&watch, &names);
        let mut scanned = Vec::with_capacity(group.len());
        let mut fates = Vec::with_capacity(group.len());
        let mut first: HashMap<Digest, usize> = HashMap::new();
        for (number, (waiting, digest)) in group.iter().zip(&digests).enumerate() {
            let fate = if !waiting.body.is_empty() && self.remembered.has(digest) {
                self.door.count("repeated", waiting.signal.name(), 1);
                Fate::Repeat
            } else if let (false, Some(&earlier)) = (waiting.body.is_empty(), first.get(digest)) {
                self.door.count("repeated", waiting.signal.name(), 1);
                Fate::Same(earlier)
            } else if waiting.json || (waiting.signal != Signal::Traces && waiting.seen.is_none()) {
                Fate::Aside
            } else if waiting.signal == Signal::Traces {
                scanned.push(number);
                match scan.add(&waiting.body, waiting.seen.is_some()) {
                    Ok(()) => Fate::Fresh,
                    Err(scan::Refusal::Named) => Fate::Aside,
                    Err(scan::Refusal::Malformed(error)) => {
                        self.door.count("malformed", "traces", 1);
                        Fate::Refused(Refusal::Bad(format!("{} at byte {}", error.reason, error.offset)))
                    }
                }
            } else {
                Fate::Fresh
            };
            if matches!(fate, Fate::Fresh | Fate::Refused(_)) {
                first.insert(*digest, number);
            }
            fates.push(fate);
        }
        let fresh: Vec<usize> = (0..group.len()).filter(|&number| matches!(fates[number], Fate::Fresh)).collect();
        if !fresh.is_empty()
            && let Err(refusal) = self.write(group, &digests, &fresh, &scan, &scanned, log_ns)
        {
            self.door.count("refused", "disk", fresh.len() as u64);
            for &number in &fresh {
                fates[number] = Fate::Refused(refusal.clone());
            }
        }
        drop(scan);
        self.answer(group, fates);
        self.remembered.forget(log_ns);
    }

    /// Logs the fresh payloads of a group and puts their columns out.
    fn write(
        &mut self,
        group: &[Waiting],
        digests: &[Digest],
        fresh: &[usize],
        scan: &Scan<'_>,
        scanned: &[usize],
        log_ns: u64,
    ) -> Answer {
        let record = |&number: &usize| {
            let waiting = &group[number];
            Record {
                signal: waiting.signal as u8,
                received_ns: waiting.received_ns,
                digest: &digests[number],
                tenant: "",
                peer: &waiting.peer,
                body: &waiting.body,
            }
        };
        let records: Vec<Record<'_>> = fresh.iter().map(record).collect();
        let placed = self.writer.append(&records, log_ns).map_err(|error| Refusal::Unavailable {
            message: format!("the log cannot be written: {error}"),
            retry_ms: 5000,
        })?;
        let mut position_of = vec![0; group.len()];
        let mut out = locked(&self.out);
        if out.parts.last().is_none_or(|part| part.segment != placed.segment) {
            out.parts.push(Part { segment: placed.segment, ..Part::default() });
        }
        for ((position, &number), record) in (placed.position..).zip(fresh).zip(&records) {
            position_of[number] = position;
            self.remembered.add(digests[number], log_ns);
            out.payloads += 1;
            out.bytes += record.body.len() as u64;
            if group[number].signal != Signal::Traces {
                out.others.push((position, group[number].signal));
            }
            for (key, count) in group[number].seen.iter().flat_map(|seen| &seen.cut) {
                *out.cut.entry(key.clone()).or_default() += count;
            }
            out.through = position;
        }
        out.log_ns = log_ns;
        let positions: Vec<u64> = scanned.iter().map(|&number| position_of[number]).collect();
        out.rows.append_logged(&scan.columns, &positions, log_ns as i64);
        self.door.untaken.store(out.rows.len(), Ordering::Relaxed);
        if let Some(part) = out.parts.last_mut() {
            part.positions.extend((placed.position..).take(fresh.len()));
            part.offsets.extend(placed.offsets);
            part.lengths.extend(records.iter().map(|record| record.body.len() as u64));
            let received = records.iter().map(|record| record.received_ns).max().unwrap_or_default();
            part.last_received_ns = part.last_received_ns.max(received);
            part.end = placed.end;
        }
        Ok(())
    }

    /// Has the clients of a group told, and passes on to Python what is Python's.
    fn answer(&self, group: &mut Vec<Waiting>, fates: Vec<Fate>) {
        let told = |fate: &Fate| match fate {
            Fate::Refused(refusal) => Err(refusal.clone()),
            _ => Ok(()),
        };
        let answers: Vec<Answer> = fates
            .iter()
            .map(|fate| match fate {
                Fate::Same(earlier) => told(&fates[*earlier]),
                other => told(other),
            })
            .collect();
        let mut answered = Vec::with_capacity(group.len());
        for ((waiting, fate), answer) in group.drain(..).zip(fates).zip(answers) {
            match fate {
                Fate::Aside => self.door.put_aside(waiting),
                _ => answered.push((waiting, answer)),
            }
        }
        if !answered.is_empty() {
            // Where the network thread is gone, so are the clients.
            drop(self.answered.send(answered));
        }
    }
}

/// 128 bits that name a payload: its tenant, signal and bytes as received. Those of a group are worked out side by side.
fn digests_of(group: &[Waiting]) -> Vec<Digest> {
    let mut states: Vec<_> = group.iter().map(|waiting| hasher(waiting.signal)).collect();
    let fresh = group.iter().zip(&mut states).filter(|(waiting, _)| waiting.seen.is_none());
    update_many(fresh.map(|(waiting, state)| (state, &waiting.body)));
    let known = |(waiting, state): (&Waiting, &mut State)| match &waiting.seen {
        Some(seen) => seen.digest,
        None => finish(state),
    };
    group.iter().zip(&mut states).map(known).collect()
}

fn hasher(signal: Signal) -> State {
    Params::new().hash_length(16).personal(signal.name().as_bytes()).to_state()
}

fn finish(state: &mut State) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(state.update(b"\0").finalize().as_bytes());
    digest
}

/// The digests of what was logged in the last ten minutes.
#[derive(Debug, Default)]
pub struct Remembered {
    held: HashSet<Digest>,
    order: VecDeque<(u64, Digest)>,
}

impl Remembered {
    fn has(&self, digest: &Digest) -> bool {
        self.held.contains(digest)
    }

    pub fn add(&mut self, digest: Digest, log_ns: u64) {
        if self.held.insert(digest) {
            self.order.push_back((log_ns, digest));
        }
    }

    fn forget(&mut self, log_ns: u64) {
        while let Some(&(at, digest)) = self.order.front() {
            if at + REMEMBER_NS >= log_ns && self.order.len() <= REMEMBERED {
                break;
            }
            self.order.pop_front();
            self.held.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_python() {
        let expected = 0xf1f0_c8a8_1084_f403_3be9_51eb_5858_38b7_u128.to_be_bytes();
        assert_eq!(finish(hasher(Signal::Traces).update(b"abc")), expected);
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut remembered = Remembered::default();
        remembered.add([1; 16], 5);
        remembered.add([2; 16], 10);
        remembered.forget(REMEMBER_NS + 6);
        assert!(!remembered.has(&[1; 16]) && remembered.has(&[2; 16]));
    }
}
