//! Showing what a build does: one trace of all events, and the displays that read it.
//!
//! - [`trace`]: what is known of every vertex
//! - [`record`](mod@record): events for the pictures of a build
//! - [`watch`](mod@watch): the thread that takes events and drives a display
//! - [`plain`], [`tty`], [`rawjson`], [`quiet`]: the displays

mod log;
pub mod plain;
pub mod quiet;
pub mod rawjson;
mod record;
pub mod trace;
pub mod tty;
pub mod watch;

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime};

use stromatekt_engine::events::Event;

use self::trace::{Change, Trace};

/// Shows events. An error says that nobody sees the display any more; then it is not called again.
pub trait Display: Send {
    /// An event came; `trace` has it already, and `change` says what it changed.
    ///
    /// # Errors
    /// When it cannot write.
    fn show(&mut self, trace: &Trace, event: &Event, change: &Change) -> io::Result<()>;

    /// Some time passed: called every [`Display::interval`].
    ///
    /// # Errors
    /// When it cannot write.
    fn tick(&mut self, _trace: &Trace, _now: SystemTime) -> io::Result<()> {
        Ok(())
    }

    /// No event will come any more.
    ///
    /// # Errors
    /// When it cannot write.
    fn finish(&mut self, _trace: &Trace, _now: SystemTime) -> io::Result<()> {
        Ok(())
    }

    /// How often it wants to be called when nothing happens.
    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }

    /// How many lines of a failed step's output the display has not shown, or so long ago that the report should repeat them.
    fn last_words(&self) -> usize {
        usize::MAX
    }
}

/// How progress is shown (`--progress`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// tty on a terminal, else plain. An empty variable means it, too.
    #[value(alias = "")]
    Auto,
    /// A live display; plain where standard error is no terminal.
    Tty,
    /// Lines of text.
    Plain,
    /// JSON as BuildKit's clients write it, one object a line.
    Rawjson,
    /// Nothing, but the image's id in the end.
    Quiet,
    /// Nothing at all.
    None,
}

impl Mode {
    /// The display, on standard error.
    pub fn display(self) -> Box<dyn Display> {
        let stderr = io::stderr();
        match self {
            Self::Auto | Self::Tty if is_live(&stderr) => Box::new(tty::Tty::new(stderr)),
            Self::Auto | Self::Tty | Self::Plain => Box::new(plain::Plain::new(stderr)),
            Self::Rawjson => Box::new(rawjson::RawJson::new(stderr)),
            Self::Quiet | Self::None => Box::new(quiet::Quiet),
        }
    }

    /// The display for work that says little: nothing but on a terminal.
    pub fn unobtrusive() -> Self {
        if is_live(&io::stderr()) {
            Self::Tty
        } else {
            Self::Quiet
        }
    }
}

/// Whether lines that were written can be written anew.
fn is_live(stderr: &io::Stderr) -> bool {
    stderr.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
