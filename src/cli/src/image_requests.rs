//! Which image gets which names and outputs: one has all that was asked for, several share it by their own names.

use std::path::{Path, PathBuf};

use stromatekt_engine::{Destination, ImageOptions, ImageRequest, Output};

use crate::error::{Error, Result};
use crate::prepare::Wanted;
use crate::settings::Settings;

/// What stands for the image's name in the path of an output.
const NAME: &str = "{image}";

/// What the engine is asked for.
///
/// # Errors
/// When several images would get one name, or an image that is to be pushed has none.
pub fn of(wanted: &[Wanted], settings: &Settings) -> Result<Vec<ImageRequest>> {
    if wanted.len() > 1 && !settings.names.is_empty() {
        return Err(Error::Usage {
            what: format!("{} images cannot all get the names of --tag", wanted.len()),
            hint: "choose one of them with --target, or give them `tags` in the file".into(),
        });
    }
    wanted
        .iter()
        .map(|image| request(image, settings))
        .collect()
}

fn request(image: &Wanted, settings: &Settings) -> Result<ImageRequest> {
    let names = match settings.names.is_empty() {
        true => image.tags.clone(),
        false => settings.names.clone(),
    };
    let mut outputs = settings.outputs.clone();
    if let Some(name) = &image.name {
        outputs
            .iter_mut()
            .for_each(|output| name_output(output, name));
    }
    if let Some(directory) = &image.output {
        if !settings.asks_for_outputs {
            outputs.clear();
        }
        outputs.push(Output::OciLayout {
            destination: Destination::Path(directory.clone()),
            tar: false,
            options: ImageOptions::default(),
        });
    }
    let pushes = outputs
        .iter()
        .any(|output| matches!(output, Output::Registry { .. }));
    if pushes && names.is_empty() {
        return Err(Error::Usage {
            what: "an image without a name cannot be pushed".into(),
            hint: "say where to with --tag REGISTRY/NAME:TAG".into(),
        });
    }
    Ok(ImageRequest {
        exports: image.exports.clone(),
        is_index: image.is_index,
        names,
        outputs,
    })
}

/// Puts the image's name into the path of an output, where that has a place for it.
fn name_output(output: &mut Output, name: &str) {
    match output {
        Output::OciLayout { destination, .. }
        | Output::DockerArchive { destination, .. }
        | Output::Tar { destination, .. } => {
            if let Destination::Path(path) = destination {
                *path = named(path, name);
            }
        }
        Output::Local { directory, .. } => *directory = named(directory, name),
        Output::Store(_) | Output::Registry { .. } => {}
    }
}

fn named(path: &Path, name: &str) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace(NAME, name).into(),
        None => path.to_owned(),
    }
}
