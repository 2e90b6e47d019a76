//! `stromatekt image push`: an image of the store to the registry of its name.

use std::path::Path;

use stromatekt_engine::Engine;
use stromatekt_oci::reference::ImageReference;

use crate::environment;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::print;
use crate::progress::{Mode, watch::Watch};
use crate::unsupported::{Foreign, ON, Unsupported, Verb, switch, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Name of the image, with the registry in front
    #[arg(value_name = "NAME[:TAG]")]
    name: ImageReference,
    /// All tags of the name
    #[arg(short, long)]
    all_tags: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Push>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Push;

impl Verb for Push {
    const FOREIGN: &'static [Foreign] = &[
        switch(
            "disable-content-trust",
            ON,
            "images are not signed: leave it out",
        ),
        valued(
            "platform",
            "an image is pushed whole: leave it out, or build it for that platform alone",
        ),
    ];
}

/// Pushes.
///
/// # Errors
/// When there is no image with the name, or the registry does not take it.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    args.unsupported.refuse()?;
    environment::check_trust(|name| std::env::var(name).ok())?;
    let engine = Engine::open(root)?;
    let names = match args.all_tags {
        true => all_tags(&engine, &args.name)?,
        false => vec![args.name],
    };
    let cancel = interrupt::on_signal()?;
    let mode = match args.quiet {
        true => Mode::Quiet,
        false => Mode::unobtrusive(),
    };
    let watch = Watch::start(mode)?;
    let mut told = String::new();
    let mut failure = None;
    for name in &names {
        match engine.push(name, &watch.events, &cancel).await {
            Ok(pushed) => {
                let (tag, digest) = (name.tag().unwrap_or_default(), pushed.digest);
                told += &match args.quiet {
                    true => format!("{name}\n"),
                    false => format!("{tag}: digest: {digest} size: {}\n", pushed.size),
                };
            }
            Err(source) => {
                failure = Some(Error::Transfer { source });
                break;
            }
        }
    }
    watch.finish();
    print(&told)?;
    match failure {
        Some(_) if cancel.is_cancelled() => Err(Error::Interrupted),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn all_tags(engine: &Engine, wanted: &ImageReference) -> Result<Vec<ImageReference>> {
    let images = engine.images()?;
    let mut names: Vec<ImageReference> = images
        .into_iter()
        .flat_map(|image| image.names)
        .filter(|name| name.familiar_name() == wanted.familiar_name())
        .collect();
    names.sort();
    match names.is_empty() {
        true => Err(stromatekt_engine::Error::NoSuchImage {
            name: wanted.familiar_name(),
        }
        .into()),
        false => Ok(names),
    }
}
