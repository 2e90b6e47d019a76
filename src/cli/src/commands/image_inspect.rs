//! `stromatekt image inspect`: everything about images, as a JSON array.

use std::path::Path;

use stromatekt_engine::Engine;

use crate::error::{Error, Result};
use crate::output::print;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Shows what is there, and fails for what is not.
///
/// # Errors
/// When one of the images is not there.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    let engine = Engine::open(root)?;
    let mut found = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    for image in &args.images {
        match engine.inspect(image) {
            Ok(details) => found.push(details),
            Err(error) => errors.push(error.into()),
        }
    }
    let text = serde_json::to_string_pretty(&found)
        .map_err(|error| Error::file("write to", "standard output")(error.into()))?;
    print(&format!("{text}\n"))?;
    Error::all(errors)
}
