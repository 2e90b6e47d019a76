//! Events for the pictures of a build.

use stromatekt_engine::events::{self, Event};
use stromatekt_view::timeline::{Outcome, Recorder};

/// Takes in an event.
pub fn record(recorder: &mut Recorder, event: &Event) {
    match event {
        Event::Vertex {
            id,
            name,
            inputs,
            origin,
        } => {
            let inputs = inputs.iter().map(|input| input.0).collect();
            recorder.announce(id.0, name, inputs, origin.clone());
        }
        Event::Started { id, at } => recorder.start(id.0, *at),
        Event::Status {
            id,
            name,
            current,
            started,
            completed,
            ..
        } => recorder.part(id.0, name, *current, *started, *completed),
        Event::Completed { id, at, outcome } => {
            let outcome = match outcome {
                events::Outcome::Done => Outcome::Done,
                events::Outcome::Cached => Outcome::Cached,
                events::Outcome::Failed(message) => Outcome::Failed(message.clone()),
                events::Outcome::Canceled => Outcome::Canceled,
            };
            recorder.end(id.0, *at, outcome);
        }
        Event::Log { .. } | Event::Warning(_) => {}
    }
}
