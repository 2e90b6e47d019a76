//! Which backend keeps the snapshots of a store.

use std::path::PathBuf;

/// Where snapshots are to be kept: the part of a store's `config.json` that is about them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A directory on a btrfs file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btrfs_root: Option<PathBuf>,
}
