//! Makes a timeline of what a build tells, in whatever order that comes.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use stromatekt_graph::Origin;

use super::{Outcome, Part, Span, Step, Timeline};

/// Collects what a build tells. Steps are known by the numbers that the build gives them.
#[derive(Debug)]
pub struct Recorder {
    began: SystemTime,
    steps: BTreeMap<u32, Recorded>,
}

#[derive(Debug)]
struct Recorded {
    name: String,
    origin: Option<Origin>,
    inputs: Vec<u32>,
    started: Option<SystemTime>,
    ended: Option<(SystemTime, Outcome)>,
    parts: Vec<RecordedPart>,
}

#[derive(Debug)]
struct RecordedPart {
    name: String,
    bytes: u64,
    started: SystemTime,
    completed: Option<SystemTime>,
}

impl Recorder {
    /// A build begins.
    pub fn new(began: SystemTime) -> Self {
        Self {
            began,
            steps: BTreeMap::new(),
        }
    }

    /// There is a step, which waits for others.
    pub fn announce(&mut self, id: u32, name: &str, inputs: Vec<u32>, origin: Option<Origin>) {
        let recorded = Recorded {
            name: name.to_owned(),
            origin,
            inputs,
            started: None,
            ended: None,
            parts: Vec::new(),
        };
        self.steps.insert(id, recorded);
    }

    /// A step starts to work.
    pub fn start(&mut self, id: u32, at: SystemTime) {
        if let Some(step) = self.steps.get_mut(&id) {
            step.started.get_or_insert(at);
        }
    }

    /// A part of a step's work got on; it is known by its name.
    pub fn part(
        &mut self,
        id: u32,
        name: &str,
        bytes: u64,
        started: SystemTime,
        completed: Option<SystemTime>,
    ) {
        let Some(step) = self.steps.get_mut(&id) else {
            return;
        };
        let known = step.parts.iter_mut().find(|part| part.name == name);
        match known {
            Some(part) => {
                part.bytes = bytes;
                part.completed = completed;
            }
            None => step.parts.push(RecordedPart {
                name: name.to_owned(),
                bytes,
                started,
                completed,
            }),
        }
    }

    /// A step ended.
    pub fn end(&mut self, id: u32, at: SystemTime, outcome: Outcome) {
        if let Some(step) = self.steps.get_mut(&id) {
            step.ended = Some((at, outcome));
        }
    }

    /// The build ended.
    pub fn finish(self, title: String, ended: SystemTime) -> Timeline {
        // The clock may have been set back.
        let since = |at: SystemTime| at.duration_since(self.began).unwrap_or_default();
        let took = since(ended);
        let span = |start: SystemTime, end: Option<SystemTime>| {
            let start = since(start);
            let end = end.map_or(took, since).max(start);
            Span { start, end }
        };
        let mut order: Vec<(Option<Duration>, u32)> = Vec::new();
        for (&id, step) in &self.steps {
            let start = step.started.or(match &step.ended {
                // What failed before it started has its failure to show.
                Some((at, Outcome::Failed(_))) => Some(*at),
                _ => None,
            });
            order.push((start.map(since), id));
        }
        order.sort_by_key(|(start, id)| (start.unwrap_or(Duration::MAX), *id));
        let places: HashMap<u32, usize> = order
            .iter()
            .enumerate()
            .map(|(place, (_, id))| (*id, place))
            .collect();
        let mut found = self.steps;
        let mut steps = Vec::new();
        for (start, id) in order {
            let Some(step) = found.remove(&id) else {
                continue;
            };
            let (end, outcome) = match step.ended {
                Some((at, outcome)) => (Some(at), outcome),
                None => (None, Outcome::Canceled),
            };
            let mut inputs: Vec<usize> = step
                .inputs
                .iter()
                .filter_map(|input| places.get(input).copied())
                .collect();
            inputs.sort_unstable();
            inputs.dedup();
            let parts = step.parts.into_iter().map(|part| Part {
                name: part.name,
                bytes: part.bytes,
                span: span(part.started, part.completed.or(end)),
            });
            steps.push(Step {
                name: step.name,
                origin: step.origin,
                inputs,
                span: start.map(|start| Span {
                    start,
                    end: end.map_or(took, since).max(start),
                }),
                outcome,
                parts: parts.collect(),
            });
        }
        let mut timeline = Timeline {
            title,
            began: self.began,
            took,
            steps,
        };
        timeline.move_what_was_there();
        timeline
    }
}

impl Timeline {
    /// A base image that nobody had to unpack is told of when the build ends. It was there all the time: it stands before those who need it.
    fn move_what_was_there(&mut self) {
        let users = self.users();
        for (place, users) in users.iter().enumerate() {
            let first = users
                .iter()
                .filter_map(|user| Some(self.steps[*user].span?.start))
                .min();
            let step = &mut self.steps[place];
            if let (Some(first), Some(span), Outcome::Cached) = (first, step.span, &step.outcome)
                && span.start > first
            {
                step.span = Some(Span {
                    start: first,
                    end: first,
                });
            }
        }
        let mut order: Vec<usize> = (0..self.steps.len()).collect();
        // An input that took no time comes before its user.
        order.sort_by_key(|&place| {
            let start = self.steps[place].span.map(|span| (span.start, span.end));
            start.unwrap_or((Duration::MAX, Duration::MAX))
        });
        let mut places = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            places[old] = new;
        }
        let mut steps: Vec<Option<Step>> = std::mem::take(&mut self.steps)
            .into_iter()
            .map(Some)
            .collect();
        self.steps = order
            .iter()
            .filter_map(|&old| steps[old].take())
            .map(|mut step| {
                for input in &mut step.inputs {
                    *input = places[*input];
                }
                step
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn steps_are_in_the_order_of_their_starts() {
        let mut recorder = Recorder::new(at(0));
        recorder.announce(7, "late", vec![3, 99], None);
        recorder.announce(3, "early", Vec::new(), None);
        recorder.announce(4, "never", vec![7], None);
        recorder.start(3, at(1));
        recorder.part(3, "layer", 5, at(1), None);
        recorder.part(3, "layer", 9, at(1), Some(at(2)));
        recorder.end(3, at(2), Outcome::Done);
        recorder.start(7, at(3));
        let timeline = recorder.finish("app".into(), at(6));
        let names: Vec<&str> = timeline
            .steps
            .iter()
            .map(|step| step.name.as_str())
            .collect();
        assert_eq!(names, ["early", "late", "never"]);
        assert_eq!(timeline.steps[0].parts[0].bytes, 9);
        let late = &timeline.steps[1];
        assert_eq!(
            late.inputs,
            [0],
            "an input that nobody announced is left out"
        );
        assert_eq!(
            late.outcome,
            Outcome::Canceled,
            "it was at work when the build ended"
        );
        assert_eq!(late.span.unwrap().took(), Duration::from_secs(3));
        assert_eq!(timeline.steps[2].span, None);
        assert_eq!(timeline.awaited(1), Some((0, Duration::from_secs(1))));
    }

    #[test]
    fn a_base_that_was_there_stands_before_those_who_need_it() {
        let mut recorder = Recorder::new(at(0));
        recorder.announce(1, "RUN", vec![0], None);
        recorder.announce(0, "FROM", Vec::new(), None);
        recorder.start(1, at(2));
        recorder.end(1, at(4), Outcome::Done);
        recorder.start(0, at(5));
        recorder.end(0, at(5), Outcome::Cached);
        let timeline = recorder.finish(String::new(), at(5));
        assert_eq!(timeline.steps[0].name, "FROM");
        assert_eq!(
            timeline.steps[0].span.unwrap().start,
            Duration::from_secs(2)
        );
        assert_eq!(timeline.steps[1].inputs, [0]);
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let mut recorder = Recorder::new(at(10));
        recorder.announce(0, "a", Vec::new(), None);
        recorder.start(0, at(12));
        recorder.end(0, at(5), Outcome::Done);
        let timeline = recorder.finish(String::new(), at(3));
        assert_eq!(timeline.steps[0].span.unwrap().took(), Duration::ZERO);
    }
}
