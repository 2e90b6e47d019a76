//! Keeps trees as snapshots: forks, seals and compares them at the cost of what changed, not of what they hold.

mod config;
mod error;
mod name;
mod snapshotter;

pub use config::Config;
pub use error::{Error, Result};
pub use name::{InvalidName, SnapshotName};
pub use snapshotter::Snapshotter;
