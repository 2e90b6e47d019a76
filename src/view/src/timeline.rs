//! A build that ended, as it went: which steps there were, when each ran, what it waited for.
//!
//! - `recorder`: makes a timeline of what a build tells
//! - `critical`: the critical path
//! - [`trace`]: Chrome's trace format
//! - [`page`]: one page to look at

mod critical;
pub mod page;
mod recorder;
pub mod trace;

use std::time::{Duration, SystemTime};

use stromatekt_graph::Origin;

pub use self::critical::Link;
pub use self::recorder::Recorder;

/// A build that ended.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// What was built, for the title.
    pub title: String,
    /// When the build began; the times of steps count from here.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The steps, in the order in which they started; those that never did come last.
    pub steps: Vec<Step>,
}

/// A step of a build: its place in [`Timeline::steps`] is its id.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is: `[build 2/5] RUN make`.
    pub name: String,
    /// The text that it came from.
    pub origin: Option<Origin>,
    /// The steps that it waited for.
    pub inputs: Vec<usize>,
    /// When it worked; nothing for one that never started.
    pub span: Option<Span>,
    /// How it ended.
    pub outcome: Outcome,
    /// The parts of its work that told how far they are, in the order in which they started.
    pub parts: Vec<Part>,
}

/// When something went on, since the build began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The start.
    pub start: Duration,
    /// The end, not before the start.
    pub end: Duration,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran, and succeeded.
    Done,
    /// An earlier result was found.
    Cached,
    /// It failed with this message.
    Failed(String),
    /// It was stopped, or never ran, because another one failed or the person who builds stopped the build.
    Canceled,
}

/// A part of a step's work: a transfer, a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// How many bytes were done.
    pub bytes: u64,
    /// When it went on.
    pub span: Span,
}

impl Span {
    /// How long it went on.
    pub fn took(self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

impl Outcome {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Failed(_) => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl Timeline {
    /// The input of a step that ended last, and how long after that the step started: it waited for its turn, or its tree was made.
    pub fn awaited(&self, step: usize) -> Option<(usize, Duration)> {
        let start = self.steps[step].span?.start;
        let ends = self.steps[step]
            .inputs
            .iter()
            .filter_map(|input| Some((self.steps[*input].span?.end, *input)));
        let (end, input) = ends.max()?;
        Some((input, start.saturating_sub(end)))
    }

    /// The steps that waited for each step.
    pub fn users(&self) -> Vec<Vec<usize>> {
        let mut users = vec![Vec::new(); self.steps.len()];
        for (user, step) in self.steps.iter().enumerate() {
            for &input in &step.inputs {
                users[input].push(user);
            }
        }
        users
    }
}

/// A time for people: `0.12 s`, `3.4 s`, `2 min 05 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let all = time.as_secs_f64();
    match all {
        all if all < 0.0005 => "0 s".to_owned(),
        all if all < 0.1 => format!("{:.0} ms", all * 1000.0),
        all if all < 9.995 => format!("{all:.2} s"),
        all if all < 99.95 => format!("{all:.1} s"),
        _ => format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}

/// Bytes for people, in decimal units.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.2} GB", count as f64 / 1e9),
    }
}
