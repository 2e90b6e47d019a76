//! Chrome's trace format ("Trace Event Format", JSON object form): loads in `chrome://tracing` and in Perfetto.
//!
//! A step is a complete event (`X`) on the first lane that is free, its parts are asynchronous events (`b`, `e`), an input is a flow
//! (`s`, `f`) from the end of one step to the start of the other. The critical path is a lane of its own.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Outcome, Step, Timeline};

/// The lane of the critical path.
const CRITICAL: usize = 0;

/// The trace, as the text of a JSON file.
pub fn render(timeline: &Timeline) -> String {
    let mut events = vec![
        named("process_name", CRITICAL, &timeline.title),
        named("thread_name", CRITICAL, "critical path"),
    ];
    let lanes = lanes(timeline);
    let count = lanes.iter().flatten().max().map_or(0, |last| last + 1);
    for lane in CRITICAL + 1..count {
        events.push(named("thread_name", lane, &format!("lane {lane}")));
    }
    let path = timeline.critical_path();
    for link in &path {
        events.extend(slice(&timeline.steps[link.step], CRITICAL, true));
    }
    let mut flow = 0;
    for (id, step) in timeline.steps.iter().enumerate() {
        let Some(lane) = lanes[id] else {
            continue;
        };
        let is_critical = path.iter().any(|link| link.step == id);
        events.extend(slice(step, lane, is_critical));
        for (part, name) in step.parts.iter().enumerate() {
            let mark = |phase: &str, at: Duration| {
                json!({
                    "ph": phase, "cat": "part", "name": name.name, "id": format!("{id}.{part}"),
                    "pid": 1, "tid": lane, "ts": micros(at), "args": { "bytes": name.bytes },
                })
            };
            events.push(mark("b", name.span.start));
            events.push(mark("e", name.span.end));
        }
        for &input in &step.inputs {
            let (Some(from), Some(span), Some(start)) =
                (lanes[input], timeline.steps[input].span, step.span)
            else {
                continue;
            };
            flow += 1;
            let arrow = |phase: &str, lane: usize, at: Duration| {
                json!({
                    "ph": phase, "cat": "input", "name": "input", "id": flow,
                    "pid": 1, "tid": lane, "ts": micros(at), "bp": "e",
                })
            };
            events.push(arrow("s", from, span.end));
            events.push(arrow("f", lane, start.start));
        }
    }
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    format!("{trace}\n")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn named(what: &str, lane: usize, name: &str) -> Value {
    json!({ "ph": "M", "name": what, "pid": 1, "tid": lane, "args": { "name": name } })
}

fn slice(step: &Step, lane: usize, is_critical: bool) -> Option<Value> {
    let span = step.span?;
    let mut args = Map::new();
    args.insert("outcome".into(), json!(step.outcome.word()));
    args.insert("critical".into(), json!(is_critical));
    if let Outcome::Failed(message) = &step.outcome {
        args.insert("error".into(), json!(message));
    }
    if let Some(origin) = &step.origin {
        args.insert("file".into(), json!(*origin.file));
        args.insert("line".into(), json!(origin.first_line));
    }
    Some(json!({
        "ph": "X", "cat": step.outcome.word(), "name": step.name, "pid": 1, "tid": lane,
        "ts": micros(span.start), "dur": micros(span.took()), "args": args,
    }))
}

/// The first lane that is free when a step starts; none for one that never did. Slices of a lane must not overlap.
fn lanes(timeline: &Timeline) -> Vec<Option<usize>> {
    let mut free: Vec<Duration> = Vec::new();
    let place = |step: &Step| {
        let span = step.span?;
        // So that what took no time is a slice of its own.
        let end = span.end.max(span.start + Duration::from_micros(1));
        let found = free.iter().position(|end| *end <= span.start);
        let lane = found.unwrap_or(free.len());
        match free.get_mut(lane) {
            Some(free) => *free = end,
            None => free.push(end),
        }
        Some(CRITICAL + 1 + lane)
    };
    timeline.steps.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::timeline::Recorder;

    #[test]
    fn steps_at_the_same_time_are_on_lanes_of_their_own() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let mut recorder = Recorder::new(at(0));
        for (id, start, end, inputs) in [
            (0, 0, 20, vec![]),
            (1, 10, 30, vec![]),
            (2, 30, 40, vec![0, 1]),
        ] {
            recorder.announce(id, &format!("step {id}"), inputs, None);
            recorder.start(id, at(start));
            recorder.end(id, at(end), Outcome::Done);
        }
        let trace: Value =
            serde_json::from_str(&render(&recorder.finish("app".into(), at(40)))).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |phase: &str| {
            events
                .iter()
                .filter(|event| event["ph"] == phase)
                .collect::<Vec<_>>()
        };
        let slices: Vec<(u64, f64, f64)> = of("X")
            .iter()
            .map(|event| {
                let number = |name: &str| event[name].as_f64().unwrap();
                (event["tid"].as_u64().unwrap(), number("ts"), number("dur"))
            })
            .collect();
        assert_eq!(
            slices,
            [
                (0, 10_000.0, 20_000.0),
                (0, 30_000.0, 10_000.0),
                (1, 0.0, 20_000.0),
                (2, 10_000.0, 20_000.0),
                (1, 30_000.0, 10_000.0),
            ]
        );
        assert_eq!(
            (of("s").len(), of("f").len()),
            (2, 2),
            "a flow has two ends"
        );
    }
}
