//! See the design notes.
