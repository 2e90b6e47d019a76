//! `stromatekt image diff`: in what two images from anywhere differ.

use std::path::Path;

use stromatekt_compare::{Comparison, Detail, Rules, compare, render};
use stromatekt_oci::Platform;

use crate::compat::images::{Reading, Spelling};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::print;

/// The options.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "IMAGE is a name or id of the store, a path (OCI layout, its tar, docker archive), or as skopeo spells it: \
docker://NAME (in its registry), docker-daemon:NAME, docker-archive:PATH, oci:DIRECTORY[:TAG], oci-archive:PATH[:TAG], \
containers-storage:NAME.\n\nExits with 0 if the images are the same, 1 if they differ, 2 if they could not be compared."
)]
pub struct Args {
    /// The image at the left
    #[arg(value_name = "IMAGE")]
    left: String,
    /// The image at the right
    #[arg(value_name = "IMAGE")]
    right: String,
    /// Platform, where an image is there for several [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// How it is told.
    #[command(flatten)]
    pub telling: Telling,
}

/// How differences are told.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Telling {
    /// Tell it as JSON
    #[arg(long)]
    pub json: bool,
    /// Show in what each layer differs
    #[arg(long)]
    pub layers: bool,
    /// Show in what the histories differ
    #[arg(long)]
    pub history: bool,
    /// Count as well what is expected to differ: times, caches, logs …
    #[arg(long)]
    pub strict: bool,
}

impl Telling {
    /// The rules, as strict as they are to be.
    pub fn rules(self, rules: Rules) -> Rules {
        match self.strict {
            true => rules.strict(),
            false => rules,
        }
    }

    /// Tells what differs.
    ///
    /// # Errors
    /// [`Error::Different`] when something does.
    pub fn tell(self, comparison: &Comparison) -> Result<()> {
        let text = match self.json {
            true => pretty(&comparison.to_json()),
            false => render(
                comparison,
                Detail {
                    layers: self.layers,
                    history: self.history,
                },
            ),
        };
        print(&text)?;
        match comparison.is_same() {
            true => Ok(()),
            false => Err(Error::Different),
        }
    }
}

/// JSON for people who look at it, too.
pub fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Compares.
///
/// # Errors
/// When they differ, or could not be compared.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    let telling = args.telling;
    let comparison = compared(root, args).await.map_err(Error::not_compared)?;
    telling.tell(&comparison)
}

async fn compared(root: &Path, args: Args) -> Result<Comparison> {
    let (left, right) = (Spelling::parse(&args.left)?, Spelling::parse(&args.right)?);
    let cancel = interrupt::on_signal()?;
    let directory = temporary()?;
    let platform = args.platform.unwrap_or_else(Platform::host);
    let (one, other) = (
        directory.path().join("left"),
        directory.path().join("right"),
    );
    for directory in [&one, &other] {
        std::fs::create_dir(directory).map_err(Error::file("make the directory", directory))?;
    }
    let reading = |directory| Reading {
        root,
        directory,
        platform: &platform,
        cancel: &cancel,
    };
    let (one, other) = (reading(one.as_path()), reading(other.as_path()));
    let (left, right) =
        tokio::try_join!(left.open(&args.left, &one), right.open(&args.right, &other))?;
    let rules = args.telling.rules(Rules::between(&left, &right));
    Ok(compare(&left, &right, &rules))
}

/// A directory that is removed in the end.
///
/// # Errors
/// When there is no room for it.
pub fn temporary() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("stromatekt-compare-")
        .tempdir()
        .map_err(Error::file("make a directory in", std::env::temp_dir()))
}
