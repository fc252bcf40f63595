//! The fuzz targets on stable Rust: the corpus, mutated by a seeded generator, for a bounded time.
//!
//! `EIGENSPAN_FUZZ_SECONDS` (for each target) and `EIGENSPAN_FUZZ_SEED` set how long, and which.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// xorshift64*: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }
}

/// Bytes that readers of protobuf, gzip and zstd trip over.
const TELLING: [u8; 16] = [0, 1, 2, 7, 8, 10, 18, 31, 0x2a, 0x4a, 0x7f, 0x80, 0x8b, 0xb5, 0xfd, 0xff];

fn mutate(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut data = corpus[dice.below(corpus.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(data.len() + 1);
        let to = (at + dice.below(24)).min(data.len());
        match dice.below(7) {
            0 if at < data.len() => data[at] ^= 1 << dice.below(8),
            1 if at < data.len() => data[at] = TELLING[dice.below(TELLING.len())],
            2 => data.insert(at, TELLING[dice.below(TELLING.len())]),
            3 => drop(data.drain(at..to)),
            4 => data.truncate(at),
            5 => {
                let other = &corpus[dice.below(corpus.len())];
                let start = dice.below(other.len());
                let end = (start + dice.below(32)).min(other.len());
                data.splice(at..at, other[start..end].iter().copied());
            }
            _ => data.extend_from_within(at..to),
        }
    }
    data
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

fn fuzz(name: &str, target: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(directory).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).expect("a readable file")).collect();
    corpus.iter().for_each(|data| target(data));
    let until = Instant::now() + Duration::from_secs(number("EIGENSPAN_FUZZ_SECONDS", 2));
    let mut dice = Dice(number("EIGENSPAN_FUZZ_SEED", 1).max(1));
    let mut runs = 0_u64;
    while Instant::now() < until {
        let data = mutate(&corpus, &mut dice);
        if std::panic::catch_unwind(|| target(&data)).is_err() {
            panic!("{name} fails after {runs} runs on {data:?}");
        }
        runs += 1;
    }
    println!("{name}: {} in the corpus, {runs} mutated", corpus.len());
}

#[test]
fn scan() {
    fuzz("scan", targets::scan);
}

#[test]
fn splice() {
    fuzz("splice", targets::splice);
}

#[test]
fn body() {
    fuzz("body", targets::body);
}
