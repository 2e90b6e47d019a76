//! What is too much for a text that a person or a program wrote, so that hostile ones end in an error.

/// How deep values may lie in each other.
pub const DEPTH: usize = 100;

/// How many values a text may have, those that aliases repeat counted each time.
pub const VALUES: usize = 1_000_000;
