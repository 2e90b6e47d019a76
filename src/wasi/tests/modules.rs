//! Real modules on real trees; a tree lies in a directory beside what they must not reach.
#![expect(clippy::print_stdout, reason = "a test that cannot run says why")]

#[path = "modules/lab.rs"]
mod lab;

#[path = "modules/ends.rs"]
mod ends;
#[path = "modules/files.rs"]
mod files;
#[path = "modules/limits.rs"]
mod limits;
#[path = "modules/surroundings.rs"]
mod surroundings;
