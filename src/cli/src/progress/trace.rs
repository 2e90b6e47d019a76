//! What is known of every vertex, from the events up to now.

use std::collections::BTreeMap;
use std::time::SystemTime;

use stromatekt_engine::events::{Event, Outcome, VertexId, Warning};

use super::log::Log;
use crate::error::FailedStep;
use crate::numbers::seconds_between;

/// The life of a vertex: it moves forward only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// It waits for others.
    Announced,
    /// It works.
    Running {
        /// Since when.
        since: SystemTime,
    },
    /// It is over.
    Ended {
        /// When it started to work.
        since: SystemTime,
        /// When it ended.
        at: SystemTime,
        /// How.
        outcome: Outcome,
    },
    /// The build ended before it started.
    Dropped,
}

/// A vertex.
#[derive(Debug)]
pub struct Vertex {
    /// Its name, in one line.
    pub name: String,
    /// The vertices that it waits for.
    pub inputs: Vec<VertexId>,
    /// What it does.
    pub life: Life,
    /// The parts of its work, in the order in which they started.
    pub statuses: Vec<Status>,
    /// What its process wrote.
    pub log: Log,
}

/// A part of a vertex's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub name: String,
    /// Bytes done.
    pub current: u64,
    /// Bytes to do, where known.
    pub total: Option<u64>,
    /// When it started.
    pub started: SystemTime,
    /// When it was completed.
    pub completed: Option<SystemTime>,
}

/// A warning in one line, as BuildKit has it: with the line that it is about.
pub fn line(warning: &Warning) -> String {
    match &warning.origin {
        Some(origin) => format!("{} (line {})", warning.message, origin.first_line),
        None => warning.message.clone(),
    }
}

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A vertex is known.
    Announced,
    /// A vertex works.
    Started(VertexId),
    /// A vertex wrote these lines.
    Lines(VertexId, Vec<String>),
    /// A part of a vertex's work, by its place in the list, got on.
    Status(VertexId, usize),
    /// A vertex ended; the last thing it wrote had no line end.
    Ended(VertexId, Option<String>),
    /// A vertex that never started will not.
    Dropped,
    /// There is a warning.
    Warned,
    /// An event about a vertex that is not known.
    Nothing,
}

/// All vertices.
#[derive(Debug, Default)]
pub struct Trace {
    vertices: BTreeMap<VertexId, Vertex>,
    /// Those that started, in that order.
    started: Vec<VertexId>,
    /// In the order in which they came.
    pub warnings: Vec<Warning>,
}

impl Trace {
    /// Takes in an event.
    pub fn apply(&mut self, event: &Event) -> Change {
        match event {
            Event::Vertex {
                id, name, inputs, ..
            } => {
                let vertex = Vertex {
                    name: stromatekt_view::line(name),
                    inputs: inputs.clone(),
                    life: Life::Announced,
                    statuses: Vec::new(),
                    log: Log::default(),
                };
                self.vertices.insert(*id, vertex);
                Change::Announced
            }
            Event::Started { id, at } => match self.vertices.get_mut(id) {
                Some(vertex) if vertex.life == Life::Announced => {
                    vertex.life = Life::Running { since: *at };
                    self.started.push(*id);
                    Change::Started(*id)
                }
                _ => Change::Nothing,
            },
            Event::Log { id, data, at, .. } => match self.vertices.get_mut(id) {
                Some(vertex) => {
                    let seconds = seconds_between(vertex.since().unwrap_or(*at), *at);
                    Change::Lines(*id, vertex.log.add(seconds, data))
                }
                None => Change::Nothing,
            },
            Event::Status {
                id,
                name,
                current,
                total,
                started,
                completed,
            } => {
                let status = Status {
                    name: name.clone(),
                    current: *current,
                    total: *total,
                    started: *started,
                    completed: *completed,
                };
                match self.vertices.get_mut(id) {
                    Some(vertex) => Change::Status(*id, vertex.update(status)),
                    None => Change::Nothing,
                }
            }
            Event::Completed { id, at, outcome } => self.end(*id, *at, outcome),
            Event::Warning(warning) => {
                self.warnings.push(warning.clone());
                Change::Warned
            }
        }
    }

    fn end(&mut self, id: VertexId, at: SystemTime, outcome: &Outcome) -> Change {
        let Some(vertex) = self.vertices.get_mut(&id) else {
            return Change::Nothing;
        };
        let since = match (vertex.since(), outcome) {
            (Some(since), _) => since,
            // What never started has nothing to show but its failure.
            (None, Outcome::Canceled) => {
                vertex.life = Life::Dropped;
                return Change::Dropped;
            }
            (None, _) => {
                self.started.push(id);
                at
            }
        };
        vertex.life = Life::Ended {
            since,
            at,
            outcome: outcome.clone(),
        };
        Change::Ended(id, vertex.log.end())
    }

    /// A vertex that an event named.
    pub fn get(&self, id: VertexId) -> Option<&Vertex> {
        self.vertices.get(&id)
    }

    /// The vertices that started, in that order.
    pub fn started(&self) -> impl Iterator<Item = (VertexId, &Vertex)> {
        self.started
            .iter()
            .filter_map(|id| Some((*id, self.vertices.get(id)?)))
    }

    /// The vertex that warnings belong to: the one that read the Dockerfile came first.
    pub fn first(&self) -> Option<VertexId> {
        self.started.first().copied()
    }

    /// How many vertices there are that start or will.
    pub fn count(&self) -> usize {
        let vertices = self.vertices.values();
        vertices
            .filter(|vertex| vertex.life != Life::Dropped)
            .count()
    }

    /// The steps that failed, with at most so many of the lines that they wrote last.
    pub fn failed(&self, lines: usize) -> Vec<FailedStep> {
        self.started()
            .filter(|(_, vertex)| matches!(vertex.outcome(), Some(Outcome::Failed(_))))
            .map(|(_, vertex)| FailedStep {
                name: vertex.name.clone(),
                log: vertex.log.last(lines).map(str::to_owned).collect(),
            })
            .collect()
    }
}

impl Vertex {
    /// When it started.
    pub fn since(&self) -> Option<SystemTime> {
        match self.life {
            Life::Running { since } | Life::Ended { since, .. } => Some(since),
            Life::Announced | Life::Dropped => None,
        }
    }

    /// How it ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.life {
            Life::Ended { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// How long it has worked up to now, in seconds.
    pub fn seconds(&self, now: SystemTime) -> f64 {
        match self.life {
            Life::Running { since } => seconds_between(since, now),
            Life::Ended { since, at, .. } => seconds_between(since, at),
            Life::Announced | Life::Dropped => 0.0,
        }
    }

    /// Takes the newest state of a part; returns its place.
    fn update(&mut self, status: Status) -> usize {
        let known = self
            .statuses
            .iter()
            .position(|known| known.name == status.name);
        match known {
            Some(place) => {
                let total = status.total.or(self.statuses[place].total);
                self.statuses[place] = Status { total, ..status };
                place
            }
            None => {
                self.statuses.push(status);
                self.statuses.len() - 1
            }
        }
    }
}

impl Status {
    /// `1.00kB / 2.00kB`, `1.00kB`, or nothing.
    pub fn amount(&self) -> String {
        use crate::numbers::bytes;
        match (self.current, self.total) {
            (current, Some(total)) if total > 0 => format!("{} / {}", bytes(current), bytes(total)),
            (0, _) => String::new(),
            (current, _) => bytes(current),
        }
    }
}
