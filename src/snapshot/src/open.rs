//! Chooses the backend of a store's snapshots.

use std::path::Path;

use stromatekt_kernel::btrfs::is_btrfs;

use crate::error::{Error, Result};
use crate::{Btrfs, Config, Embedded, Snapshotter, embedded};

/// The snapshots of the store in `state_dir`, which exists: on the btrfs that is configured; else in the state directory, if that is
/// on one; else in an image file there.
///
/// # Errors
/// When they cannot be used, among others by anybody but root.
pub fn open(state_dir: &Path, config: &Config) -> Result<Box<dyn Snapshotter>> {
    if !nix::unistd::geteuid().is_root() {
        let path = state_dir.to_owned();
        return Err(Error::NotRoot { path });
    }
    if let Some(root) = &config.btrfs_root {
        return Ok(Box::new(Btrfs::open_for(root, state_dir)?));
    }
    if is_btrfs(state_dir)? {
        return Ok(Box::new(Btrfs::open(state_dir)?));
    }
    let options = embedded::Options::default();
    Ok(Box::new(Embedded::open(state_dir, options)?))
}
