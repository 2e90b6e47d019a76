//! What a build tells those who watch it: a stream of typed events that every display consumes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use stromatekt_graph::Origin;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One thing that is done and shown as a line of its own (BuildKit's "vertex").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VertexId(pub u32);

/// Which of its outputs a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a vertex ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran, and succeeded.
    Done,
    /// Nothing had to be done: an earlier result was found.
    Cached,
    /// It failed with this message.
    Failed(String),
    /// It was stopped, because another one failed or the person who builds stopped the build.
    Canceled,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A vertex exists; it has not started.
    Vertex {
        /// Its id, by which later events name it.
        id: VertexId,
        /// What it is: `[build 2/5] RUN make`, `[internal] load build context`.
        name: String,
        /// The vertices that it waits for.
        inputs: Vec<VertexId>,
        /// The text that it came from.
        origin: Option<Origin>,
    },
    /// It starts to work.
    Started {
        /// Which vertex.
        id: VertexId,
        /// When.
        at: SystemTime,
    },
    /// Its process wrote something.
    Log {
        /// Which vertex.
        id: VertexId,
        /// Where the process wrote to.
        stream: Stream,
        /// What it wrote; not cut at line ends.
        data: Vec<u8>,
        /// When.
        at: SystemTime,
    },
    /// A part of its work got on: a transfer, a layer, a name.
    Status {
        /// Which vertex.
        id: VertexId,
        /// Which part; a later event with the same name replaces this one.
        name: String,
        /// Bytes done.
        current: u64,
        /// Bytes to do, where known.
        total: Option<u64>,
        /// When the part started.
        started: SystemTime,
        /// When it was completed; nothing while it goes on.
        completed: Option<SystemTime>,
    },
    /// It ended.
    Completed {
        /// Which vertex.
        id: VertexId,
        /// When.
        at: SystemTime,
        /// How.
        outcome: Outcome,
    },
    /// Something that the person who builds should know, and that does not stop the build.
    Warning(Warning),
}

/// Something that the person who builds should know, and that does not stop the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warning {
    /// One sentence.
    pub message: String,
    /// What is behind it; empty where there is no more to say.
    pub detail: String,
    /// A page about it.
    pub url: Option<String>,
    /// The text it is about.
    pub origin: Option<Origin>,
}

/// Where events go. Clones send to the same receiver; nobody listening is fine.
#[derive(Clone, Debug)]
pub struct Events {
    sender: UnboundedSender<Event>,
    next: Arc<AtomicU32>,
}

/// A channel of events.
pub fn channel() -> (Events, UnboundedReceiver<Event>) {
    let (sender, receiver) = unbounded_channel();
    let next = Arc::new(AtomicU32::new(0));
    (Events { sender, next }, receiver)
}

impl Events {
    /// Sends an event.
    pub fn send(&self, event: Event) {
        // A display that ended early is no reason to stop a build.
        let _ = self.sender.send(event);
    }

    /// Announces a vertex.
    pub fn vertex(&self, name: &str, inputs: Vec<VertexId>, origin: Option<Origin>) -> Vertex {
        let id = VertexId(self.next.fetch_add(1, Ordering::Relaxed));
        self.send(Event::Vertex {
            id,
            name: name.to_owned(),
            inputs,
            origin,
        });
        Vertex {
            id,
            events: self.clone(),
        }
    }

    /// Announces a vertex that starts at once.
    pub fn start(&self, name: &str) -> Vertex {
        let vertex = self.vertex(name, Vec::new(), None);
        vertex.start();
        vertex
    }

    /// Sends a warning.
    pub fn warn(&self, warning: Warning) {
        self.send(Event::Warning(warning));
    }
}

/// A vertex that was announced.
#[derive(Clone, Debug)]
pub struct Vertex {
    /// Its id.
    pub id: VertexId,
    events: Events,
}

impl Vertex {
    /// It starts to work.
    pub fn start(&self) {
        self.events.send(Event::Started {
            id: self.id,
            at: SystemTime::now(),
        });
    }

    /// Its process wrote something.
    pub fn log(&self, stream: Stream, data: Vec<u8>) {
        self.events.send(Event::Log {
            id: self.id,
            stream,
            data,
            at: SystemTime::now(),
        });
    }

    /// A part of its work starts.
    pub fn status(&self, name: impl Into<String>) -> Status {
        let status = Status {
            vertex: self.clone(),
            name: name.into(),
            started: SystemTime::now(),
        };
        status.send(0, None, None);
        status
    }

    /// It ended.
    pub fn complete(&self, outcome: Outcome) {
        self.events.send(Event::Completed {
            id: self.id,
            at: SystemTime::now(),
            outcome,
        });
    }
}

/// A part of a vertex's work that goes on.
#[derive(Clone, Debug)]
pub struct Status {
    vertex: Vertex,
    name: String,
    started: SystemTime,
}

impl Status {
    /// It got this far.
    pub fn progress(&self, current: u64, total: Option<u64>) {
        self.send(current, total, None);
    }

    /// It is complete, after this many bytes.
    pub fn done(&self, bytes: u64) {
        self.send(bytes, None, Some(SystemTime::now()));
    }

    fn send(&self, current: u64, total: Option<u64>, completed: Option<SystemTime>) {
        self.vertex.events.send(Event::Status {
            id: self.vertex.id,
            name: self.name.clone(),
            current,
            total,
            started: self.started,
            completed,
        });
    }
}
