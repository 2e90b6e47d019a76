//! How much memory a module may take: its own, and what is kept for it here.

use wasmi::ResourceLimiter;
use wasmi::errors::{MemoryError, TableError};
use wasmi_core::LimiterError;

/// What a module may take unless its step says otherwise. A container would be bounded by what the machine has, and killed alone;
/// a module's memory is this program's.
pub const DEFAULT: u64 = 1 << 30;

/// What the interpreter keeps for an element of a table.
const ELEMENT: u64 = 8;

/// How many memories, and how many tables, a module may have.
const MOST: usize = 100;

/// Counts what a module takes of its limit: all its memories and tables together, and the listings of the directories that it reads.
#[derive(Debug)]
pub struct Limiter {
    limit: u64,
    taken: u64,
    was_refused: bool,
}

impl Limiter {
    /// Up to as many bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: 0,
            was_refused: false,
        }
    }

    /// How many bytes there are.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the module wanted more than it may have.
    pub fn was_refused(&self) -> bool {
        self.was_refused
    }

    /// Takes so many bytes; whether there are as many left.
    pub fn take(&mut self, bytes: u64) -> bool {
        let taken = self.taken.saturating_add(bytes);
        if taken > self.limit {
            self.was_refused = true;
            return false;
        }
        self.taken = taken;
        true
    }

    /// Gives back what was taken.
    pub fn give_back(&mut self, bytes: u64) {
        self.taken = self.taken.saturating_sub(bytes);
    }
}

/// How much larger something gets; a maximum that the module itself declares is not this limit.
fn growth(current: usize, desired: usize, maximum: Option<usize>) -> Option<u64> {
    let is_allowed = maximum.is_none_or(|maximum| desired <= maximum);
    is_allowed.then(|| desired.saturating_sub(current) as u64)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        Ok(growth(current, desired, maximum).is_some_and(|bytes| self.take(bytes)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let growth = growth(current, desired, maximum);
        Ok(growth.is_some_and(|elements| self.take(elements.saturating_mul(ELEMENT))))
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        // The machine had less to give.
        self.was_refused |= matches!(error, MemoryError::OutOfSystemMemory);
        Ok(())
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        self.was_refused |= matches!(error, TableError::OutOfSystemMemory);
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        MOST
    }

    fn memories(&self) -> usize {
        MOST
    }
}
