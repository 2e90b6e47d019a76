//! Keeps trees as snapshots: forks, seals and compares them at the cost of what changed, not of what they hold.

mod btrfs;
mod compare;
mod config;
pub mod embedded;

mod error;
mod name;
mod nested;
mod open;
mod replay;
mod snapshotter;

pub use btrfs::Btrfs;
pub use config::Config;
pub use embedded::Embedded;
pub use error::{Error, Result};
pub use name::{InvalidName, SnapshotName};
pub use open::open;
pub use snapshotter::Snapshotter;
