//! `stromatekt image pull`: an image of a registry into the store.

use std::path::Path;

use stromatekt_engine::Engine;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::environment;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::print;
use crate::progress::{Mode, watch::Watch};
use crate::unsupported::{Foreign, OFF, ON, Unsupported, Verb, switch};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Name of the image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    name: ImageReference,
    /// Platform of the image [default: this machine's, or $DOCKER_DEFAULT_PLATFORM]
    #[arg(
        long,
        value_name = "OS/ARCH",
        env = "DOCKER_DEFAULT_PLATFORM",
        hide_env = true
    )]
    platform: Option<Platform>,
    /// Show no progress, and print the name alone
    #[arg(short, long)]
    quiet: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Pull>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Pull;

impl Verb for Pull {
    const FOREIGN: &'static [Foreign] = &[
        Foreign {
            letter: Some('a'),
            ..switch("all-tags", OFF, "pull the tags one by one")
        },
        switch(
            "disable-content-trust",
            ON,
            "signatures of images are not checked: name the image by its digest",
        ),
    ];
}

/// Pulls.
///
/// # Errors
/// When the registry does not have the image for the platform.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    args.unsupported.refuse()?;
    environment::check_trust(|name| std::env::var(name).ok())?;
    let engine = Engine::open(root)?;
    let cancel = interrupt::on_signal()?;
    let mode = match args.quiet {
        true => Mode::Quiet,
        false => Mode::unobtrusive(),
    };
    let watch = Watch::start(mode)?;
    let platform = args.platform.unwrap_or_else(Platform::host);
    let pulled = engine
        .pull(&args.name, &platform, &watch.events, &cancel)
        .await;
    watch.finish();
    let pulled = match pulled {
        Ok(pulled) => pulled,
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        Err(source) => return Err(Error::Transfer { source }),
    };
    let mut text = String::new();
    if !args.quiet {
        if let Some(digest) = pulled.digest {
            text += &format!("Digest: {digest}\n");
        }
        let status = match pulled.was_there {
            true => "Image is up to date for",
            false => "Downloaded newer image for",
        };
        text += &format!("Status: {status} {}\n", args.name.familiar());
    }
    print(&format!("{text}{}\n", args.name))
}
