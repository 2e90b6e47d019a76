//! `stromatekt store unmount`: lets go of the store's own filesystem, so that its directory can be removed or moved.

use std::path::Path;

use stromatekt_engine::Engine;

use crate::error::Result;

/// The options: none.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Unmounts; what is not mounted is fine.
///
/// # Errors
/// When the filesystem is in use.
pub fn run(root: &Path, _: &Args) -> Result<()> {
    Ok(Engine::unmount(root)?)
}
