//! A fixed amount of work for an instruction counter: `measured scan|splice|nothing`, on 100 requests of 100 spans.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use eigenspan_kernel::columns::{Level, Names, Type, Watch, Watched};
use eigenspan_kernel::scan::scan;
use eigenspan_kernel::splice::{Changes, Edit, splice};

const REQUESTS: usize = 100;
const SPANS: usize = 100;
/// Columns and keys as a collector has them: many more than any one span has attributes for.
const WATCHED: [(Type, &[&str]); 24] = [
    (Type::String, &["quantum.provider.name", "quantum.provider", "provider_name"]),
    (Type::String, &["quantum.backend.name", "quantum.device", "backend_name", "job.backend.name"]),
    (Type::String, &["error.type", "quantum.error.message", "quantum.error.type"]),
    (Type::Boolean, &["quantum.execution.success"]),
    (Type::String, &["quantum.job.id", "provider_job_id", "quantumTaskArn"]),
    (Type::String, &["quantum.job.status", "job_status"]),
    (Type::Int, &["quantum.job.shots", "quantum.shots", "shot_count", "quantum.circuit.shots"]),
    (Type::Double, &["quantum.job.queue.duration", "quantum.execution.queue_time", "queue_wait", "job.wait_time"]),
    (Type::String, &["quantum.job.execution.start_time"]),
    (Type::String, &["quantum.job.execution.end_time"]),
    (Type::Boolean, &["quantum.backend.simulator", "simulator_flag"]),
    (Type::String, &["quantum.backend.calibration.id", "calibration_id"]),
    (Type::Double, &["quantum.cost.amount", "quantum.execution.cost"]),
    (Type::String, &["quantum.cost.currency"]),
    (Type::String, &["quantum.stage.name"]),
    (Type::Int, &["quantum.circuit.gate_count"]),
    (Type::Double, &["quantum.result.fidelity", "quantum.fidelity"]),
    (Type::Boolean, &["quantum.outcome.degraded", "degraded"]),
    (Type::String, &["quantum.workload.class", "workload_class"]),
    (Type::String, &["quantum.workflow.name", "workflow_name"]),
    (Type::String, &["quantum.request.correlation_id", "correlation_id"]),
    (Type::Int, &["quantum.circuit.depth"]),
    (Type::String, &["gen_ai.request.model"]),
    (Type::Int, &["gen_ai.usage.input_tokens"]),
];
const SENSITIVE: [&str; 10] = [
    "api_key",
    "authorization",
    "client_secret",
    "gen_ai.prompt",
    "http.request.header.cookie",
    "llm.prompts",
    "password",
    "private_key",
    "refresh_token",
    "token",
];

fn field(out: &mut Vec<u8>, number: u8, body: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = body.len();
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
}

fn attribute(out: &mut Vec<u8>, key: &str, value: &str) {
    let (mut any, mut pair) = (Vec::new(), Vec::new());
    field(&mut any, 1, value.as_bytes());
    field(&mut pair, 1, key.as_bytes());
    field(&mut pair, 2, &any);
    field(out, 9, &pair);
}

fn span(number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    field(&mut out, 1, &(number as u128 + 1).to_be_bytes());
    field(&mut out, 2, &(number as u64 + 1).to_be_bytes());
    field(&mut out, 5, b"quantum.job.execute");
    out.extend_from_slice(&[0x30, 1]);
    for (tag, time) in [(0x39, 1_000_u64), (0x41, 2_000)] {
        out.push(tag);
        out.extend_from_slice(&(time + number as u64).to_le_bytes());
    }
    attribute(&mut out, "quantum.provider.name", "ibm");
    attribute(&mut out, "quantum.backend.name", "fake_torino");
    for key in ["request.id", "user.segment", "http.route", "server.address", "rpc.method", "rpc.system"] {
        attribute(&mut out, key, "research-and-development");
    }
    out
}

fn request(number: usize) -> Vec<u8> {
    let (mut scope_spans, mut resource_spans, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..SPANS {
        field(&mut scope_spans, 2, &span(number * SPANS + index));
    }
    field(&mut resource_spans, 2, &scope_spans);
    field(&mut out, 1, &resource_spans);
    out
}

fn main() {
    let watched = |(kind, keys): (Type, &[&str])| {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Watched { column: keys[0].clone(), kind, keys, level: Level::Span }
    };
    let watch = Watch::new(WATCHED.map(watched).into()).expect("distinct");
    let names = Names::new(&SENSITIVE);
    let payloads: Vec<Vec<u8>> = (0..REQUESTS).map(request).collect();
    let mut edits = Vec::with_capacity(REQUESTS * SPANS);
    for (part, payload) in (0..).zip(&payloads) {
        let batch = scan(&[payload], &watch, &names).expect("a batch").batch;
        let [offsets, lengths] = ["offset", "length"].map(|name| batch[name].as_primitive::<UInt32Type>());
        let places = offsets.values().iter().zip(lengths.values());
        edits.extend(places.map(|(&offset, &length)| Edit { part, offset, length, add: 0, state: 0 }));
    }
    let changes = Changes { fields: vec![("k", &b"\x4a\x03\x0a\x01k"[..])], adds: vec![vec![0]], states: vec!["a=1"] };
    match std::env::args().nth(1).as_deref() {
        Some("scan") => {
            assert_eq!(scan(&payloads, &watch, &names).expect("a batch").batch.num_rows(), REQUESTS * SPANS);
        }
        Some("splice") => assert!(splice(&payloads, &edits, &changes, &[]).expect("places").len() > REQUESTS * SPANS),
        Some("nothing") => {}
        _ => panic!("measured scan|splice|nothing"),
    }
}
