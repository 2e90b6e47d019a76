//! Chrome's trace format ("Trace Event Format", JSON object form): loads in `chrome://tracing` and in Perfetto.
//!
//! A step is a complete event (`X`) on the first lane that is free, its parts are asynchronous events (`b`, `e`), an input is a flow
//! (`s`, `f`) from the end of one step to the start of the other. The critical path is a lane of its own.
//!
//! Slices of a lane do not overlap, and none is shorter than a microsecond: a viewer binds the ends of a flow to the slices that are open
//! then, which one without a length never is.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Outcome, Span, Step, Timeline};

/// The lane of the critical path.
const CRITICAL: usize = 0;

/// How long a slice is at least.
const SHORTEST: Duration = Duration::from_micros(1);

/// The trace, as the text of a JSON file.
pub fn render(timeline: &Timeline) -> String {
    let slices = slices(timeline);
    let mut events = vec![about(
        "process_name",
        CRITICAL,
        "name",
        timeline.title.as_str(),
    )];
    let count = slices.iter().flatten().map(|slice| slice.lane + 1).max();
    for lane in 0..count.unwrap_or(CRITICAL + 1) {
        let name = match lane {
            CRITICAL => "critical path".to_owned(),
            lane => format!("lane {lane}"),
        };
        events.push(about("thread_name", lane, "name", name));
        events.push(about("thread_sort_index", lane, "sort_index", lane));
    }
    let path = timeline.critical_path();
    let mut free = Duration::ZERO;
    for link in &path {
        let step = &timeline.steps[link.step];
        let Some(span) = step.span else { continue };
        // What is told at the same time comes in any order: a step may start a moment before the one that it waited for ends.
        let span = at_least(Span {
            start: span.start.max(free),
            ..span
        });
        free = span.end;
        let lane = CRITICAL;
        events.push(Slice { lane, span }.event(step, true));
    }
    let mut flow = 0;
    for (id, step) in timeline.steps.iter().enumerate() {
        let Some(slice) = &slices[id] else { continue };
        let is_critical = path.iter().any(|link| link.step == id);
        events.push(slice.event(step, is_critical));
        for (number, part) in step.parts.iter().enumerate() {
            let mark = |phase: &str, at: Duration| {
                json!({
                    "ph": phase, "cat": "part", "name": part.name, "id": format!("{id}.{number}"),
                    "pid": 1, "tid": slice.lane, "ts": micros(at), "args": { "bytes": part.bytes },
                })
            };
            events.push(mark("b", part.span.start));
            events.push(mark("e", part.span.end));
        }
        for input in step
            .inputs
            .iter()
            .filter_map(|input| slices[*input].as_ref())
        {
            // While both are open: at its end a slice is not, and the next one of its lane may be.
            let left = input.span.end.saturating_sub(SHORTEST / 2);
            let reached = slice.span.start.max(left);
            if reached >= slice.span.end {
                continue;
            }
            flow += 1;
            let arrow = |phase: &str, lane: usize, at: Duration| {
                json!({
                    "ph": phase, "cat": "input", "name": "input", "id": flow,
                    "pid": 1, "tid": lane, "ts": micros(at),
                })
            };
            events.push(arrow("s", input.lane, left));
            let mut end = arrow("f", slice.lane, reached);
            // To the slice that is open, not to the next one.
            end["bp"] = json!("e");
            events.push(end);
        }
    }
    let trace = json!({ "displayTimeUnit": "ms", "traceEvents": events });
    format!("{trace}\n")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A metadata event.
fn about(what: &str, lane: usize, field: &str, value: impl Into<Value>) -> Value {
    let args = Map::from_iter([(field.to_owned(), value.into())]);
    json!({ "ph": "M", "name": what, "pid": 1, "tid": lane, "args": args })
}

/// A step on a lane.
struct Slice {
    lane: usize,
    span: Span,
}

impl Slice {
    fn event(&self, step: &Step, is_critical: bool) -> Value {
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
        json!({
            "ph": "X", "cat": step.outcome.word(), "name": step.name, "pid": 1, "tid": self.lane,
            "ts": micros(self.span.start), "dur": micros(self.span.took()), "args": args,
        })
    }
}

fn at_least(span: Span) -> Span {
    Span {
        end: span.end.max(span.start + SHORTEST),
        ..span
    }
}

/// Each step on the first lane that is free when it starts; nothing for one that never did.
fn slices(timeline: &Timeline) -> Vec<Option<Slice>> {
    let mut free: Vec<Duration> = Vec::new();
    let place = |step: &Step| {
        let span = at_least(step.span?);
        let found = free.iter().position(|end| *end <= span.start);
        let lane = found.unwrap_or(free.len());
        match free.get_mut(lane) {
            Some(free) => *free = span.end,
            None => free.push(span.end),
        }
        let lane = CRITICAL + 1 + lane;
        Some(Slice { lane, span })
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

    /// What the rules of the format ask: slices of a lane follow each other, and each end of a flow is within a slice of its step.
    #[test]
    fn slices_follow_each_other_and_flows_begin_and_end_in_them() {
        let at = |millis: f64| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(millis / 1e3);
        let mut recorder = Recorder::new(at(0.0));
        for (id, start, end, inputs) in [
            // What took no time, and steps that start with it, as its lane is free, or a moment before it ends.
            (0, 0.0, 0.0, vec![]),
            (1, 0.0, 10.0, vec![0]),
            (2, 10.0, 20.0, vec![1]),
            (3, 19.9, 30.0, vec![2]),
            (4, 29.0, 29.5, vec![3]),
            (5, 29.2, 40.0, vec![4, 3]),
        ] {
            recorder.announce(id, &format!("step {id}"), inputs, None);
            recorder.start(id, at(start));
            recorder.end(id, at(end), Outcome::Done);
        }
        let trace = render(&recorder.finish("app".into(), at(40.0)));
        let trace: Value = serde_json::from_str(&trace).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let number = |event: &Value, name: &str| event[name].as_f64().unwrap();
        let slices: Vec<(f64, f64, f64, String)> = events
            .iter()
            .filter(|event| event["ph"] == "X")
            .map(|event| {
                let (start, took) = (number(event, "ts"), number(event, "dur"));
                let name = event["name"].as_str().unwrap().to_owned();
                (number(event, "tid"), start, start + took, name)
            })
            .collect();
        for (index, one) in slices.iter().enumerate() {
            assert!(one.2 - one.1 > 0.9, "{one:?} is too short");
            for other in &slices[..index] {
                let is_apart =
                    one.0 != other.0 || one.1 >= other.2 - 1e-6 || one.2 <= other.1 + 1e-6;
                assert!(is_apart, "{one:?} overlaps {other:?}");
            }
        }
        let open = |event: &Value| {
            let (lane, time) = (number(event, "tid"), number(event, "ts"));
            let found = slices
                .iter()
                .find(|slice| slice.0 == lane && slice.1 <= time && time < slice.2);
            found.map(|slice| slice.3.clone())
        };
        let flows: Vec<_> = events
            .iter()
            .filter(|event| event["ph"] == "s")
            .map(|start| {
                let end = events
                    .iter()
                    .find(|event| event["ph"] == "f" && event["id"] == start["id"]);
                let end = end.unwrap();
                assert!(number(start, "ts") <= number(end, "ts"), "{start} {end}");
                (open(start).unwrap(), open(end).unwrap())
            })
            .collect();
        let flow = |one: u32, other: u32| (format!("step {one}"), format!("step {other}"));
        assert_eq!(
            flows,
            [flow(0, 1), flow(1, 2), flow(2, 3), flow(3, 5), flow(4, 5)]
        );
    }
}
