//! What is too much for a text that a person or a program wrote, so that hostile ones end in an error.

/// How deep values may lie in each other.
pub const DEPTH: usize = 100;

/// How many values a YAML text may have, those that aliases repeat counted each time; and how many anchors may have.
pub const VALUES: usize = 1_000_000;

/// How many bytes of text anchors may keep and aliases repeat.
pub const REPEATED: usize = 64 << 20;
