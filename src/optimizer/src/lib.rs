//! Makes a graph cheaper to execute without changing any image that it describes. No I/O.
//!
//! A list of small passes, each of which takes a graph and gives another one with the same results:
//!
//! - [`mod@dead`]: what nothing needs goes, differences that no image shows among it
//! - [`common`]: equal work is one node
//! - [`detach`]: a copy that does not look at its destination is made beside the steps before it
//! - [`split`]: `RUN a && b` becomes two steps, where nothing but files can pass from one to the other
//! - [`files`]: steps that only make directories are done in one go with their neighbours
//!
//! [`passes`] runs them; [`rewrite`] is how one graph becomes another; [`shell`] is what is understood of shell commands.

pub mod common;
pub mod dead;
pub mod detach;
pub mod files;
mod hazards;
pub mod passes;
pub mod rewrite;
pub mod shell;
pub mod split;

pub use passes::{Note, Optimized, Pass, Passes, optimize};
