//! `stromatekt image save`: images of the store into a file.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use stromatekt_engine::{Destination, Engine, SaveFormat};

use crate::error::{Error, Result};
use crate::unsupported::{Foreign, Unsupported, Verb, valued};

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Names or ids of images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// The file, or a directory with --format oci [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// docker (an archive as `docker save` writes it) or oci (an OCI layout)
    #[arg(
        long,
        value_enum,
        default_value = "docker",
        hide_possible_values = true
    )]
    format: Format,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Save>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Save;

impl Verb for Save {
    const FOREIGN: &'static [Foreign] =
        &[valued("platform", "an image is saved whole: leave it out")];
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// An archive as `docker save` writes it.
    Docker,
    /// An OCI layout.
    Oci,
}

/// Saves.
///
/// # Errors
/// When there is no such image, or the file cannot be written.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    args.unsupported.refuse()?;
    let destination = match args.output {
        Some(path) if path.as_os_str() != "-" => Destination::Path(path),
        _ if io::stdout().is_terminal() => {
            return Err(Error::Usage {
                what: "an archive is not written to a terminal".into(),
                hint: "redirect standard output, or name a file with --output".into(),
            });
        }
        _ => Destination::Stdout,
    };
    let format = match args.format {
        Format::Docker => SaveFormat::DockerArchive,
        Format::Oci => SaveFormat::OciLayout {
            tar: !is_directory(&destination),
        },
    };
    let engine = Engine::open(root)?;
    Ok(engine.save(&args.images, format, destination).await?)
}

/// Whether a directory is meant: one that is there, or one that is named with a slash at the end.
fn is_directory(destination: &Destination) -> bool {
    match destination {
        Destination::Path(path) => {
            path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
        }
        Destination::Stdout => false,
    }
}
