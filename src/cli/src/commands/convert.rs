//! `stromatekt convert`: a Dockerfile, or another pipeline, as a pipeline that builds the same image.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use stromatekt_dockerfile::Entitlement;
use stromatekt_json::ImageToWrite;
use stromatekt_oci::platform::Platform;
use stromatekt_yaml::NamedImage;

use crate::commands::schema::Format;
use crate::context::Place;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::options;
use crate::output::print;
use crate::prepare::{Prepared, Work};
use crate::progress::watch::Watch;
use crate::settings::Settings;

/// The options of `convert`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A Dockerfile, or a pipeline
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is to become
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Format,
    /// Where the pipeline is written [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stage, image or task to convert [default: the last stage, all images]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Value of an ARG or a variable, which is expanded in the result; without =VALUE, that of the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    build_args: Vec<String>,
}

/// Converts.
///
/// # Errors
/// When the file is wrong, or an image that it builds on is not there.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    let parent = args
        .file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let context: OsString = parent.unwrap_or(Path::new(".")).into();
    let build = options::Args {
        file: Some(args.file.clone().into()),
        target: args.target.clone(),
        build_args: args.build_args.clone(),
        // A pipeline is as it is written, not as it is executed.
        optimize: stromatekt_optimizer::Passes::none(),
        allow: vec![Entitlement::NetworkHost, Entitlement::SecurityInsecure],
        ..options::Args::of_context(&context).map_err(|error| Error::Usage {
            what: error.to_string(),
            hint: "look at the environment".into(),
        })?
    };
    let mut settings = Settings::new(&build)?;
    let place = Place::find(&build.context)?;
    let cancel = interrupt::on_signal()?;
    let watch = Watch::start(crate::progress::Mode::Quiet)?;
    let work = Work::new(root, &build, &watch.events, &cancel);
    let prepared = work.prepare(place, &mut settings).await;
    watch.finish();
    let prepared = match prepared {
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        prepared => prepared?,
    };
    let is_asked = !settings.options.platforms.is_empty();
    let directories = seen_from(&prepared.directories, args.output.as_deref())?;
    let text = written(&prepared, &directories, args.to, is_asked)?;
    match &args.output {
        Some(path) => fs::write(path, text).map_err(Error::file("write", path)),
        None => print(&text),
    }
}

/// Directories as a file in another place names them: what is relative to the current directory is not relative to that file.
fn seen_from(
    directories: &BTreeMap<String, PathBuf>,
    file: Option<&Path>,
) -> Result<BTreeMap<String, PathBuf>> {
    let parent = file.and_then(Path::parent).unwrap_or(Path::new(""));
    if parent.as_os_str().is_empty() {
        return Ok(directories.clone());
    }
    let absolute = |(name, path): (&String, &PathBuf)| {
        let path = std::path::absolute(path).map_err(Error::file("find the directory", path))?;
        Ok((name.clone(), path))
    };
    directories.iter().map(absolute).collect()
}

/// The graph in the words of a format.
fn written(
    prepared: &Prepared,
    directories: &BTreeMap<String, PathBuf>,
    to: Format,
    is_asked: bool,
) -> Result<String> {
    let mut images = Vec::new();
    for image in &prepared.images {
        let [export] = image.exports.as_slice() else {
            return Err(Error::Usage {
                what: "an image for several platforms is converted for one of them".into(),
                hint: "leave `platforms` out of the pipeline, and name them when it is built"
                    .into(),
            });
        };
        if let (Format::Yaml, Some(path)) = (to, &image.output) {
            return Err(Error::Usage {
                what: format!(
                    "YAML has no place for where an image is written, which is {}",
                    path.display()
                ),
                hint: "leave `path` out, and say it when it is built: --output type=oci,tar=false,dest=DIRECTORY"
                    .into(),
            });
        }
        images.push((image, export));
    }
    let host = Platform::host();
    match to {
        Format::Yaml => {
            let named: Vec<NamedImage> = images
                .iter()
                .map(|(image, export)| NamedImage {
                    name: image.name.clone().unwrap_or_else(|| "image".to_owned()),
                    node: export.node,
                    is_index: image.is_index,
                    tags: image.tags.clone(),
                    source_date_epoch: export.source_date_epoch,
                })
                .collect();
            let source = stromatekt_yaml::Source {
                graph: &prepared.graph,
                images: &named,
                configs: &prepared.configs,
                platform: images.first().map_or(&host, |(_, export)| &export.platform),
                is_asked,
                contexts: directories,
            };
            stromatekt_yaml::write(&source).map_err(|error| no_words(&error))
        }
        Format::Json => {
            let named: Vec<ImageToWrite> = images
                .iter()
                .map(|(image, export)| ImageToWrite {
                    name: image.name.clone().unwrap_or_else(|| "image".to_owned()),
                    node: export.node,
                    tags: image.tags.clone(),
                    output: image.output.clone(),
                })
                .collect();
            let platform = images.first().map_or(&host, |(_, export)| &export.platform);
            let (graph, configs) = (&prepared.graph, &prepared.configs);
            stromatekt_json::write(graph, &named, platform, directories, configs)
                .map_err(|error| no_words(&error))
        }
    }
}

fn no_words(error: &dyn std::error::Error) -> Error {
    Error::Usage {
        what: error.to_string(),
        hint: "the file itself is built as it is".into(),
    }
}
