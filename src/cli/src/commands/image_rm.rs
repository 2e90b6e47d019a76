//! `stromatekt image rm`: takes names away, and removes images with their last name.

use std::path::Path;

use stromatekt_engine::Engine;
use stromatekt_engine::catalog::Removed;

use crate::error::{Error, Result};
use crate::output::print;
use crate::report;
use crate::unsupported::{BOTH, Foreign, Unsupported, Verb, switch, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// It is fine if one of them is not there
    #[arg(short, long)]
    force: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Rm>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Rm;

impl Verb for Rm {
    const FOREIGN: &'static [Foreign] = &[
        switch(
            "no-prune",
            BOTH,
            "an image has no parents that would go with it",
        ),
        valued(
            "platform",
            "an image is removed with all its platforms: leave it out",
        ),
    ];
}

/// Removes what is there, and fails for what is not.
///
/// # Errors
/// When one of the images is not there.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    args.unsupported.refuse()?;
    let engine = Engine::open(root)?;
    let mut errors: Vec<Error> = Vec::new();
    for image in &args.images {
        match engine.remove(image) {
            Ok(removed) => print(&removed.iter().map(told).collect::<String>())?,
            // As docker: said, but no failure.
            Err(error @ stromatekt_engine::Error::NoSuchImage { .. }) if args.force => {
                report::warn(&error.into());
            }
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
