//! Executes a graph: sources, processes, file operations, cache, layers, images.

pub mod files;
pub mod run;
pub mod sources;
