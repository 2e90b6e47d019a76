//! The thread that takes events and drives a display: a slow terminal never holds up the build.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use stromatekt_engine::events::{Event, Events, channel};
use stromatekt_view::timeline::Recorder;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::record::record;
use super::trace::Trace;
use super::{Display, Mode};
use crate::error::{Error, FailedStep, Result};

/// A display at work.
pub struct Watch {
    /// Where the events go.
    pub events: Events,
    finished: CancellationToken,
    thread: JoinHandle<Shown>,
}

/// What a display showed.
pub struct Shown {
    /// The steps that failed, with the part of their output that a report should have.
    pub failed: Vec<FailedStep>,
    /// What recorded the events, if anything did.
    pub recorder: Option<Recorder>,
}

impl Watch {
    /// Starts the display.
    ///
    /// # Errors
    /// When there cannot be one more thread.
    pub fn start(mode: Mode) -> Result<Self> {
        Self::start_recording(mode, None)
    }

    /// Starts the display, beside something that records the events.
    ///
    /// # Errors
    /// When there cannot be one more thread.
    pub fn start_recording(mode: Mode, recorder: Option<Recorder>) -> Result<Self> {
        let (events, receiver) = channel();
        let finished = CancellationToken::new();
        let (handle, end) = (Handle::current(), finished.clone());
        let thread = thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || handle.block_on(follow(mode.display(), recorder, receiver, end)))
            .map_err(|source| Error::Runtime { source })?;
        Ok(Self {
            events,
            finished,
            thread,
        })
    }

    /// Shows what was sent up to now, and ends the display.
    pub fn finish(self) -> Shown {
        self.finished.cancel();
        match self.thread.join() {
            Ok(shown) => shown,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

async fn follow(
    mut display: Box<dyn Display>,
    mut recorder: Option<Recorder>,
    mut receiver: UnboundedReceiver<Event>,
    finished: CancellationToken,
) -> Shown {
    let mut trace = Trace::default();
    let period = display.interval();
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: io::Result<()> = Ok(());
    let mut take = |display: &mut dyn Display, trace: &mut Trace, event: &Event| {
        if let Some(recorder) = &mut recorder {
            record(recorder, event);
        }
        let change = trace.apply(event);
        // Whoever looked at it went away: the trace is still needed for the report.
        if seen.is_ok() {
            seen = display.show(trace, event, &change);
        }
    };
    loop {
        tokio::select! {
            biased;
            event = receiver.recv() => match event {
                Some(event) => take(&mut *display, &mut trace, &event),
                None => break,
            },
            () = finished.cancelled() => break,
            _ = ticks.tick() => {
                let _ = display.tick(&trace, SystemTime::now());
            }
        }
    }
    while let Ok(event) = receiver.try_recv() {
        take(&mut *display, &mut trace, &event);
    }
    let _ = display.finish(&trace, SystemTime::now());
    Shown {
        failed: trace.failed(display.last_words()),
        recorder,
    }
}
