//! The images of the store: listed, shown, named, removed.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use stromatekt_oci::Digest;
use stromatekt_oci::config::{ContainerConfig, History, ImageConfig, RootFs};
use stromatekt_oci::reference::ImageReference;
use stromatekt_store::{ImageRecord, LayerRecord, TreeId};

use crate::engine::{Engine, Parts};
use crate::error::{Error, Result};
use crate::images::chain_ids;

/// An image in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSummary {
    /// The digest of its config.
    pub id: Digest,
    /// Its names; none for an image that lost them to a newer one.
    pub names: Vec<ImageReference>,
    /// When it was made, as its config says (RFC 3339).
    pub created: Option<String>,
    /// When the store got it.
    pub stored: SystemTime,
    /// The bytes of its layers, not compressed where the store knows that.
    pub size: u64,
}

/// An image with all that is known of it, named as `docker image inspect` names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageDetails {
    /// The digest of its config.
    pub id: Digest,
    /// Its names.
    pub repo_tags: Vec<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    pub author: String,
    /// The processor it is for.
    pub architecture: String,
    /// The processor's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system it is for.
    pub os: String,
    /// The bytes of its layers.
    pub size: u64,
    /// How a container of it runs.
    pub config: ContainerConfig,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// How it was made.
    pub history: Vec<History>,
}

/// What removing an image did.
#[derive(Clone, Debug, PartialEq)]
pub enum Removed {
    /// A name was taken away.
    Untagged(ImageReference),
    /// The image with this id is gone. What its steps made stays in the cache.
    Deleted(Digest),
}

impl Engine {
    /// All images, the newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let store = &self.parts.store;
        let mut images = Vec::new();
        for image in store.images()? {
            let Some(record) = store.image(&image.id)? else {
                continue;
            };
            images.push(ImageSummary {
                id: image.id,
                names: parse_names(&image.names)?,
                created: parse_config(&record)?.created,
                stored: image.stored,
                size: self.parts.image_size(&record)?,
            });
        }
        Ok(images)
    }

    /// Everything about one image, found by name, id or the start of its id.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn inspect(&self, image: &str) -> Result<ImageDetails> {
        let (id, record) = self.parts.find_image(image)?;
        let config = parse_config(&record)?;
        let names = parse_names(&self.parts.store.names(&id)?)?;
        Ok(ImageDetails {
            id,
            repo_tags: names.iter().map(ImageReference::familiar).collect(),
            created: config.created,
            author: config.author,
            architecture: config.architecture,
            variant: config.variant,
            os: config.os,
            size: self.parts.image_size(&record)?,
            config: config.config,
            root_fs: config.rootfs,
            history: config.history,
        })
    }

    /// Gives an image one more name, which another image loses.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn tag(&self, image: &str, name: &ImageReference) -> Result<()> {
        let (_, record) = self.parts.find_image(image)?;
        let names = std::slice::from_ref(name);
        self.parts.store.add_image(&record, names, None)?;
        Ok(())
    }

    /// Removes a name, and the image with its last name. By its id, an image is removed with all its names.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn remove(&self, image: &str) -> Result<Vec<Removed>> {
        let store = &self.parts.store;
        let (id, _) = self.parts.find_image(image)?;
        let mut removed = Vec::new();
        let names = parse_names(&store.names(&id)?)?;
        let by_name = names
            .iter()
            .find(|name| image.parse().is_ok_and(|wanted| **name == wanted));
        if let Some(name) = by_name {
            store.remove_name(name)?;
            removed.push(Removed::Untagged(name.clone()));
            if names.len() > 1 {
                return Ok(removed);
            }
        } else {
            removed.extend(names.iter().cloned().map(Removed::Untagged));
        }
        store.remove_image(&id)?;
        removed.push(Removed::Deleted(id));
        Ok(removed)
    }

    /// Forgets what no image needs: steps, snapshots, blobs, what was fetched, cache mounts. Tells how many snapshots are gone.
    ///
    /// # Errors
    /// When another process has the store open, or something cannot be removed.
    pub fn prune(&self) -> Result<usize> {
        let store = &self.parts.store;
        let mut chains = Vec::new();
        for image in store.images()? {
            if let Some(record) = store.image(&image.id)? {
                let diff_ids = record.layers.iter().map(|layer| layer.diff_id);
                chains.extend(chain_ids(diff_ids).into_iter().map(TreeId));
            }
        }
        store.prune(&chains)?;
        self.parts.snapshots.remove_unknown()
    }

    /// Unmounts the embedded file system of the store in `root`, if it is mounted.
    ///
    /// # Errors
    /// When it is in use.
    pub fn unmount(root: &Path) -> Result<()> {
        Ok(stromatekt_snapshot::embedded::Embedded::unmount(root)?)
    }
}

impl Parts {
    /// The image with this name, id or start of an id.
    pub fn find_image(&self, image: &str) -> Result<(Digest, ImageRecord)> {
        let missing = || Error::NoSuchImage {
            name: image.to_owned(),
        };
        let named = match image.parse::<ImageReference>() {
            Ok(name) => self.store.image_named(&name)?,
            Err(_) => None,
        };
        let id = match named {
            Some(id) => id,
            None => self.image_with_prefix(image)?.ok_or_else(missing)?,
        };
        let record = self.store.image(&id)?.ok_or_else(missing)?;
        Ok((id, record))
    }

    fn image_with_prefix(&self, image: &str) -> Result<Option<Digest>> {
        let hex = image.strip_prefix("sha256:").unwrap_or(image);
        if hex.is_empty() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = self.store.images_with_prefix(&hex.to_ascii_lowercase())?;
        match found.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(*id)),
            several => Err(Error::AmbiguousImage {
                prefix: image.to_owned(),
                count: several.len(),
            }),
        }
    }

    fn image_size(&self, image: &ImageRecord) -> Result<u64> {
        let sizes = image.layers.iter().map(|layer| self.layer_size(layer));
        sizes.sum()
    }

    fn layer_size(&self, layer: &LayerRecord) -> Result<u64> {
        if let Some(made) = self.store.diff_of_layer(&layer.diff_id)? {
            return Ok(made.layer.size);
        }
        match &layer.blob {
            Some((digest, _)) => Ok(self.store.blob(digest)?.unwrap_or(0)),
            None => Ok(0),
        }
    }
}

/// The config of an image of the store.
pub(crate) fn parse_config(image: &ImageRecord) -> Result<ImageConfig> {
    Ok(ImageConfig::parse(&image.config, "the store")?)
}

fn parse_names(names: &[String]) -> Result<Vec<ImageReference>> {
    let parsed = names.iter().map(|name| name.parse());
    Ok(parsed.collect::<Result<_, stromatekt_oci::Error>>()?)
}
