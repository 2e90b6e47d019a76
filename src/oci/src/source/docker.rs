//! Images of a docker-archive: `manifest.json`, which lists configs and layers by their file names.

use std::io;
use std::path::Path;
use std::sync::PoisonError;

use serde::Deserialize;

use super::{Candidate, DOCKER_MANIFEST, ImageSource, Location, detect, platform_of};
use crate::compress::Compression;
use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, MediaType, null_is_default};
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::reference::ImageReference;

/// An image, as the list has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

impl ImageSource {
    pub(super) fn docker_candidates(&self) -> Result<Vec<Candidate>> {
        let origin = format!("`{}`", self.path.display());
        let list: Vec<Entry> = serde_json::from_slice(&self.file(DOCKER_MANIFEST)?)
            .map_err(Error::json("manifest.json", &origin))?;
        list.into_iter()
            .map(|entry| {
                let config = self.file(&clean(&entry.config))?;
                let digest = Digest::of(&config);
                self.check_config(&entry, digest)?;
                let platform = platform_of(&config, &format!("{} of {origin}", entry.config))?;
                let names = entry.repo_tags.iter().map(|name| name.parse());
                Ok(Candidate {
                    names: names.collect::<Result<Vec<ImageReference>>>()?,
                    tags: Vec::new(),
                    digests: vec![digest],
                    platform,
                    location: Location::Docker(entry, config),
                })
            })
            .collect()
    }

    /// A config is named for its digest, by docker at least.
    fn check_config(&self, entry: &Entry, found: Digest) -> Result<()> {
        let stem = Path::new(&entry.config)
            .file_stem()
            .and_then(|name| name.to_str());
        match stem.and_then(|name| Digest::from_hex(name).ok()) {
            Some(expected) if expected != found => Err(Error::DigestMismatch {
                what: format!("{} of `{}`", entry.config, self.path.display()),
                expected,
                found,
            }),
            _ => Ok(()),
        }
    }

    /// The layers of an image, as descriptors. A layer that is not compressed is taken to be what the config says, which is for
    /// the reader to verify; others are read once to learn their digest.
    pub(super) fn docker_layers(&self, entry: &Entry, config: &[u8]) -> Result<Vec<Descriptor>> {
        let origin = format!("{} of `{}`", entry.config, self.path.display());
        let diff_ids = ImageConfig::parse(config, &origin)?.rootfs.diff_ids;
        if diff_ids.len() != entry.layers.len() {
            return Err(Error::NotALayout {
                path: self.path.clone(),
                reason: format!(
                    "{origin} lists {} layers, {DOCKER_MANIFEST} {}",
                    diff_ids.len(),
                    entry.layers.len()
                ),
            });
        }
        let layers = entry.layers.iter().zip(&diff_ids);
        layers
            .map(|(name, diff_id)| self.docker_layer(&clean(name), diff_id))
            .collect()
    }

    fn docker_layer(&self, name: &str, diff_id: &Digest) -> Result<Descriptor> {
        let missing = || Error::MissingBlob {
            digest: *diff_id,
            place: self.path.join(name),
        };
        let read = || Error::io("read", self.path.join(name));
        let (content, size) = self.place.open(name)?.ok_or_else(missing)?;
        let compression = detect(content).map_err(read())?;
        let digest = match compression {
            Compression::None => *diff_id,
            _ => {
                let (content, _) = self.place.open(name)?.ok_or_else(missing)?;
                let mut content = HashingReader::new(content);
                io::copy(&mut content, &mut io::sink()).map_err(read())?;
                content.finish().1
            }
        };
        let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.insert(digest, name.to_owned());
        Ok(Descriptor::new(
            MediaType::DockerLayer(compression),
            digest,
            size,
        ))
    }
}

/// A name as members of an archive are known by.
fn clean(name: &str) -> String {
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}
