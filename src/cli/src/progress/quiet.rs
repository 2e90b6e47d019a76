//! The display that shows nothing.

use std::io;

use stromatekt_engine::events::Event;

use super::trace::{Change, Trace};

/// Shows nothing.
pub struct Quiet;

impl super::Display for Quiet {
    fn show(&mut self, _: &Trace, _: &Event, _: &Change) -> io::Result<()> {
        Ok(())
    }
}
