//! Progress as JSON, one object a line: BuildKit's `SolveStatus`, for programs that read what `--progress rawjson` of buildx writes.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use stromatekt_engine::events::{Event, Outcome, Stream, VertexId, Warning};
use stromatekt_oci::Digest;
use stromatekt_oci::time::rfc3339;

use super::Display;
use super::trace::{Change, Life, Trace, line};

/// The display.
pub struct RawJson<W> {
    out: W,
}

#[derive(Default, Serialize)]
struct SolveStatus<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vertexes: Vec<Vertex<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<VertexStatus<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<VertexLog>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<VertexWarning>,
}

#[derive(Serialize)]
struct Vertex<'a> {
    digest: Digest,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Digest>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
}

#[derive(Serialize)]
struct VertexStatus<'a> {
    id: &'a str,
    vertex: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    current: u64,
    timestamp: String,
    started: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

#[derive(Serialize)]
struct VertexLog {
    vertex: Digest,
    stream: u8,
    data: String,
    timestamp: String,
}

#[derive(Serialize)]
struct VertexWarning {
    #[serde(skip_serializing_if = "Option::is_none")]
    vertex: Option<Digest>,
    level: u8,
    short: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detail: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(rename = "sourceInfo", skip_serializing_if = "Option::is_none")]
    source_info: Option<SourceInfo>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    range: Vec<Range>,
}

#[derive(Serialize)]
struct SourceInfo {
    filename: String,
    language: &'static str,
}

/// A line of a source (BuildKit's `solver/pb/ops.proto`, `Range`).
#[derive(Serialize)]
pub struct Range {
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
}

impl Range {
    /// BuildKit has a range for each line.
    pub fn of_lines(first: u32, last: u32) -> Vec<Self> {
        let of_line = |line| Self {
            start: Position { line },
            end: Position { line },
        };
        (first..=last).map(of_line).collect()
    }
}

impl<W: Write + Send> RawJson<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Display for RawJson<W> {
    fn show(&mut self, trace: &Trace, event: &Event, change: &Change) -> io::Result<()> {
        let mut status = SolveStatus::default();
        match event {
            Event::Vertex { id, .. } | Event::Started { id, .. } | Event::Completed { id, .. } => {
                status.vertexes.extend(vertex(trace, *id));
            }
            Event::Log {
                id,
                stream,
                data,
                at,
            } => status.logs.push(VertexLog {
                vertex: digest(trace, *id),
                stream: match stream {
                    Stream::Stdout => 1,
                    Stream::Stderr => 2,
                },
                data: STANDARD.encode(data),
                timestamp: rfc3339(*at),
            }),
            Event::Status {
                id,
                name,
                current,
                total,
                started,
                completed,
            } => status.statuses.push(VertexStatus {
                id: name,
                vertex: digest(trace, *id),
                total: *total,
                current: *current,
                timestamp: rfc3339(completed.unwrap_or_else(std::time::SystemTime::now)),
                started: rfc3339(*started),
                completed: completed.map(rfc3339),
            }),
            Event::Warning(told) => status.warnings.push(warning(trace, told)),
        }
        if *change == Change::Nothing {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&status)?;
        line.push(b'\n');
        self.out.write_all(&line)
    }
}

/// A vertex as it is now.
fn vertex(trace: &Trace, id: VertexId) -> Option<Vertex<'_>> {
    let vertex = trace.get(id)?;
    let completed = match vertex.life {
        Life::Ended { at, .. } => Some(at),
        _ => None,
    };
    Some(Vertex {
        digest: digest(trace, id),
        inputs: vertex.inputs.iter().map(|id| digest(trace, *id)).collect(),
        name: &vertex.name,
        started: vertex.since().map(rfc3339),
        completed: completed.map(rfc3339),
        cached: vertex.outcome() == Some(&Outcome::Cached),
        error: match vertex.outcome() {
            Some(Outcome::Failed(message)) => message,
            Some(Outcome::Canceled) => "context canceled",
            _ => "",
        },
    })
}

/// What BuildKit's clients know a vertex by. Only equality means something to them.
fn digest(trace: &Trace, id: VertexId) -> Digest {
    let name = trace.get(id).map_or("", |vertex| &vertex.name);
    Digest::of(format!("{} {name}", id.0))
}

fn warning(trace: &Trace, warning: &Warning) -> VertexWarning {
    let origin = warning.origin.as_ref();
    let detail = (!warning.detail.is_empty()).then(|| STANDARD.encode(&warning.detail));
    VertexWarning {
        vertex: trace.first().map(|id| digest(trace, id)),
        level: 1,
        short: STANDARD.encode(line(warning)),
        detail: detail.into_iter().collect(),
        url: warning.url.clone(),
        source_info: origin.map(|origin| SourceInfo {
            filename: origin.file.to_string(),
            language: "Dockerfile",
        }),
        range: origin.map_or_else(Vec::new, |origin| {
            Range::of_lines(origin.first_line, origin.last_line)
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn each_event_is_a_solve_status() {
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let id = VertexId(0);
        let events = [
            Event::Vertex {
                id,
                name: "[1/1] RUN x".into(),
                inputs: Vec::new(),
                origin: None,
            },
            Event::Started { id, at },
            Event::Log {
                id,
                stream: Stream::Stderr,
                data: b"hi\n".to_vec(),
                at,
            },
            Event::Status {
                id,
                name: "part".into(),
                current: 1,
                total: Some(2),
                started: at,
                completed: Some(at),
            },
            Event::Completed {
                id,
                at,
                outcome: Outcome::Failed("no".into()),
            },
            Event::Warning(Warning {
                message: "w".into(),
                detail: "why".into(),
                url: Some("https://example.org/".into()),
                origin: Some(stromatekt_graph::Origin {
                    file: "Dockerfile".into(),
                    first_line: 1,
                    last_line: 2,
                }),
            }),
        ];
        let (mut display, mut trace) = (RawJson::new(Vec::new()), Trace::default());
        for event in &events {
            let change = trace.apply(event);
            display.show(&trace, event, &change).unwrap();
        }
        let digest = Digest::of("0 [1/1] RUN x").to_string();
        let text = String::from_utf8(display.out)
            .unwrap()
            .replace(&digest, "DIGEST");
        insta::assert_snapshot!(text, @r#"
        {"vertexes":[{"digest":"DIGEST","name":"[1/1] RUN x"}]}
        {"vertexes":[{"digest":"DIGEST","name":"[1/1] RUN x","started":"2023-11-14T22:13:20Z"}]}
        {"logs":[{"vertex":"DIGEST","stream":2,"data":"aGkK","timestamp":"2023-11-14T22:13:20Z"}]}
        {"statuses":[{"id":"part","vertex":"DIGEST","total":2,"current":1,"timestamp":"2023-11-14T22:13:20Z","started":"2023-11-14T22:13:20Z","completed":"2023-11-14T22:13:20Z"}]}
        {"vertexes":[{"digest":"DIGEST","name":"[1/1] RUN x","started":"2023-11-14T22:13:20Z","completed":"2023-11-14T22:13:20Z","error":"no"}]}
        {"warnings":[{"vertex":"DIGEST","level":1,"short":"dyAobGluZSAxKQ==","detail":["d2h5"],"url":"https://example.org/","sourceInfo":{"filename":"Dockerfile","language":"Dockerfile"},"range":[{"start":{"line":1},"end":{"line":1}},{"start":{"line":2},"end":{"line":2}}]}]}
        "#);
    }
}
