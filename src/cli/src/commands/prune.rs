//! docker's prunes: `image prune`, `builder prune` and `system prune`, each of which asks before.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use stromatekt_engine::Engine;

use crate::commands::store_prune;
use crate::error::{Error, Result};
use crate::output::print;
use crate::unsupported::{BOTH, Foreign, Unsupported, Verb, switch, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Images with names, too
    #[arg(short, long)]
    all: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Prune>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Prune;

const ALL_OF_IT: &str = "all is removed that nothing needs: leave it out";

impl Verb for Prune {
    const FOREIGN: &'static [Foreign] = &[
        valued("filter", ALL_OF_IT),
        valued("max-used-space", ALL_OF_IT),
        valued("min-free-space", ALL_OF_IT),
        valued("reserved-space", ALL_OF_IT),
        valued("keep-storage", ALL_OF_IT),
        switch("verbose", BOTH, "it tells what it removed anyway"),
        Foreign {
            harmless: &["", "default"],
            ..valued("builder", "there is no builder to choose: leave it out")
        },
        switch("volumes", BOTH, "there are no volumes"),
    ];
}

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Images.
    Images,
    /// What builds left for later ones.
    Cache,
    /// Both.
    Both,
}

/// Asks, and removes.
///
/// # Errors
/// When nobody says yes, or something cannot be removed.
pub fn run(root: &Path, args: &Args, what: What) -> Result<()> {
    args.unsupported.refuse()?;
    let images = match args.all {
        true => "all images",
        false => "all images without a name",
    };
    let cache = "the cache of steps, cache mounts and downloads that no image needs";
    let doomed = match what {
        What::Images => images.to_owned(),
        What::Cache => cache.to_owned(),
        What::Both => format!("{images}, and {cache}"),
    };
    if !args.force {
        confirm(&doomed)?;
    }
    if what != What::Cache {
        remove_images(root, args.all)?;
    }
    if what != What::Images {
        store_prune::run(root, &store_prune::Args::default())?;
    }
    Ok(())
}

fn remove_images(root: &Path, all: bool) -> Result<()> {
    let engine = Engine::open(root)?;
    let mut errors: Vec<Error> = Vec::new();
    for image in engine.images()? {
        if !all && !image.names.is_empty() {
            continue;
        }
        match engine.remove(&image.id.to_string()) {
            Ok(_) => print(&format!("Deleted: {}\n", image.id))?,
            Err(error) => errors.push(error.into()),
        }
    }
    Error::all(errors)
}

fn confirm(doomed: &str) -> Result<()> {
    let no = || Error::Usage {
        what: format!("this would remove {doomed}, and nobody said yes"),
        hint: "give --force to remove it without a question".to_owned(),
    };
    if !io::stdin().is_terminal() {
        return Err(no());
    }
    let question = format!("This removes {doomed}.\nAre you sure you want to continue? [y/N] ");
    io::stderr()
        .write_all(question.as_bytes())
        .map_err(Error::file("write to", "standard error"))?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Error::file("read", "standard input"))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(no()),
    }
}
