//! `stromatekt store prune`: removes what builds left for later builds, and keeps the images.

use std::path::Path;

use stromatekt_engine::Engine;

use crate::error::Result;
use crate::output::print;

/// The options: none.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {}

/// Removes it, and tells how much that was.
///
/// # Errors
/// When a build runs, or something cannot be removed.
pub fn run(root: &Path, _: &Args) -> Result<()> {
    let removed = Engine::open(root)?.prune()?;
    print(&format!("Removed snapshots: {removed}\n"))
}
