//! Executes a graph: resolves images, schedules steps, keeps their results, exports images.
//!
//! - [`events`]: what a build tells those who watch it

pub mod events;
