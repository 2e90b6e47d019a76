//! `stromatekt image load`: images from files into the store.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use stromatekt_engine::{Engine, Loaded};
use stromatekt_oci::reference::ImageReference;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::print;
use crate::progress::{Mode, watch::Watch};
use crate::unsupported::{Foreign, Unsupported, Verb, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The layout, archive or tar [default: standard input]
    #[arg(value_name = "PATH", conflicts_with = "input")]
    path: Option<PathBuf>,
    /// The same as PATH
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Name of the image, instead of those in the file
    #[arg(long, value_name = "NAME[:TAG]")]
    name: Option<ImageReference>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Load>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Load;

impl Verb for Load {
    const FOREIGN: &'static [Foreign] = &[valued(
        "platform",
        "of an index, the image for this machine is loaded: leave it out",
    )];
}

/// Loads.
///
/// # Errors
/// When there is no sound image.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    args.unsupported.refuse()?;
    let path = args
        .path
        .or(args.input)
        .filter(|path| path.as_os_str() != "-");
    let cancel = interrupt::on_signal()?;
    let spooled;
    let path = match &path {
        Some(path) => path.as_path(),
        None => {
            spooled = spool(&cancel).await?;
            spooled.path()
        }
    };
    let engine = Engine::open(root)?;
    let mode = if args.quiet {
        Mode::Quiet
    } else {
        Mode::unobtrusive()
    };
    let watch = Watch::start(mode)?;
    let loaded = engine
        .load(path, args.name.as_ref(), &watch.events, cancel.clone())
        .await;
    watch.finish();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        Err(source) => {
            return Err(Error::Load {
                path: path.to_owned(),
                source,
            });
        }
    };
    print(&loaded.iter().map(told).collect::<String>())
}

fn told(loaded: &Loaded) -> String {
    if loaded.names.is_empty() {
        return format!("Loaded image ID: {}\n", loaded.id);
    }
    let names = loaded.names.iter();
    names
        .map(|name| format!("Loaded image: {}\n", name.familiar()))
        .collect()
}

/// Standard input as a file: images are read in another order than they are written.
async fn spool(cancel: &CancellationToken) -> Result<NamedTempFile> {
    if io::stdin().is_terminal() {
        return Err(Error::Usage {
            what: "there is nothing to load".into(),
            hint: "name a file, or redirect standard input".into(),
        });
    }
    let copied = tokio::task::spawn_blocking(|| {
        let spooled =
            NamedTempFile::new().map_err(Error::file("make a file in", std::env::temp_dir()))?;
        let mut file: &File = spooled.as_file();
        io::copy(&mut io::stdin().lock(), &mut file)
            .map_err(Error::file("copy standard input to", spooled.path()))?;
        Ok(spooled)
    });
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::Interrupted),
        copied = copied => copied.map_err(|_| Error::Interrupted)?,
    }
}
