//! `stromatekt image rm`: takes names away, and removes images with their last name.

use std::path::Path;

use stromatekt_engine::Engine;
use stromatekt_engine::catalog::Removed;

use crate::error::{Error, Result};
use crate::output::print;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Removes what is there, and fails for what is not.
///
/// # Errors
/// When one of the images is not there.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    let engine = Engine::open(root)?;
    let mut errors: Vec<Error> = Vec::new();
    for image in &args.images {
        match engine.remove(image) {
            Ok(removed) => print(&removed.iter().map(told).collect::<String>())?,
            Err(error) => errors.push(error.into()),
        }
    }
    Error::all(errors)
}

fn told(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {}\n", name.familiar()),
        Removed::Deleted(id) => format!("Deleted: {id}\n"),
    }
}
