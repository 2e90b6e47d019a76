//! `stromatekt image tag`: one more name for an image.

use std::path::Path;

use stromatekt_engine::Engine;
use stromatekt_oci::reference::ImageReference;

use crate::error::Result;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Name or id of an image
    image: String,
    /// The new name; an image that has it loses it
    #[arg(value_name = "NAME[:TAG]")]
    name: ImageReference,
}

/// Names.
///
/// # Errors
/// When there is no such image.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    Ok(Engine::open(root)?.tag(&args.image, &args.name)?)
}
