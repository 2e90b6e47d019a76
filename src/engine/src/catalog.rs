//! The images of the store: listed, shown, named, removed. An image for several platforms is one image here.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use stromatekt_oci::Digest;
use stromatekt_oci::config::{ContainerConfig, History, ImageConfig, RootFs};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_store::{ImageRecord, LayerRecord, Listing, TreeId};

use crate::engine::{Engine, Parts};
use crate::error::{Error, Result};
use crate::images::chain_ids;

/// An image in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSummary {
    /// The digest of its config, or what the list of its platforms is known by.
    pub id: Digest,
    /// Its names; none for an image that lost them to a newer one.
    pub names: Vec<ImageReference>,
    /// When it was made, as its config says (RFC 3339).
    pub created: Option<String>,
    /// When the store got it.
    pub stored: SystemTime,
    /// The bytes of its layers, not compressed where the store knows that; of all platforms together.
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
    /// What registries have it as: names without tags, with the digests of manifests.
    pub repo_digests: Vec<String>,
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
    /// The bytes of each layer, the lowest first.
    #[serde(skip)]
    pub layer_sizes: Vec<u64>,
    /// How a container of it runs.
    pub config: ContainerConfig,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// How it was made.
    pub history: Vec<History>,
    /// What its manifest is annotated with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where it is one of several platforms: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexDetails>,
}

/// What is known of an index of images.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexDetails {
    /// What it is annotated with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its images.
    pub images: Vec<IndexEntry>,
}

/// An image of an index.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexEntry {
    /// The digest of its config.
    pub id: Digest,
    /// What it runs on.
    pub platform: String,
    /// The bytes of its layers.
    pub size: u64,
    /// What its manifest is annotated with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a name or id of the store stands for.
pub(crate) enum Found {
    /// An image.
    Image(Digest, ImageRecord),
    /// Several, or one with annotations.
    Listing(Digest, Listing),
}

impl Found {
    /// What it is known by.
    pub fn id(&self) -> Digest {
        match self {
            Self::Image(id, _) | Self::Listing(id, _) => *id,
        }
    }
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
            let mut records = Vec::new();
            match store.listing(&image.id)? {
                Some(listing) => {
                    for listed in &listing.images {
                        records.extend(store.image(&listed.id)?);
                    }
                }
                None => records.extend(store.image(&image.id)?),
            }
            let mut created = None;
            let mut size = 0;
            for record in &records {
                created = created.max(parse_config(record)?.created);
                size += self.parts.image_size(record)?;
            }
            if records.is_empty() {
                continue;
            }
            images.push(ImageSummary {
                id: image.id,
                names: parse_names(&image.names)?,
                created,
                stored: image.stored,
                size,
            });
        }
        Ok(images)
    }

    /// Everything about one image, found by name, id or the start of its id.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn inspect(&self, image: &str) -> Result<ImageDetails> {
        let found = self.parts.find_named(image)?;
        let id = found.id();
        let names = parse_names(&self.parts.store.names(&id)?)?;
        let (record, annotations, index) = match found {
            Found::Image(_, record) => (record, BTreeMap::new(), None),
            Found::Listing(_, listing) => {
                // As docker: what is shown of an index is its image for this machine.
                let shown = listing.select(&Platform::host());
                let shown = shown
                    .or(listing.images.first())
                    .ok_or_else(|| no_image(image))?;
                let record = self.parts.listed(&shown.id)?;
                let annotations = shown.annotations.clone();
                (record, annotations, self.index_details(&listing)?)
            }
        };
        let config = parse_config(&record)?;
        Ok(ImageDetails {
            id,
            repo_tags: names.iter().map(ImageReference::familiar).collect(),
            repo_digests: self.repo_digests(&id)?,
            created: config.created,
            author: config.author,
            architecture: config.architecture,
            variant: config.variant,
            os: config.os,
            size: self.parts.image_size(&record)?,
            layer_sizes: record
                .layers
                .iter()
                .map(|layer| self.parts.layer_size(layer))
                .collect::<Result<_>>()?,
            config: config.config,
            root_fs: config.rootfs,
            history: config.history,
            annotations,
            index,
        })
    }

    fn repo_digests(&self, id: &Digest) -> Result<Vec<String>> {
        let mut digests = Vec::new();
        for (name, manifest) in self.parts.store.manifests(id)? {
            let name: ImageReference = name.parse()?;
            digests.push(format!("{}@{manifest}", name.familiar_name()));
        }
        digests.dedup();
        Ok(digests)
    }

    fn index_details(&self, listing: &Listing) -> Result<Option<IndexDetails>> {
        if !listing.is_index {
            return Ok(None);
        }
        let mut images = Vec::new();
        for listed in &listing.images {
            images.push(IndexEntry {
                id: listed.id,
                platform: listed.platform.to_string(),
                size: self.parts.image_size(&self.parts.listed(&listed.id)?)?,
                annotations: listed.annotations.clone(),
            });
        }
        Ok(Some(IndexDetails {
            annotations: listing.annotations.clone(),
            images,
        }))
    }

    /// Gives an image one more name, which another image loses.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn tag(&self, image: &str, name: &ImageReference) -> Result<()> {
        let names = std::slice::from_ref(name);
        let store = &self.parts.store;
        match self.parts.find_named(image)? {
            Found::Image(_, record) => store.add_image(&record, names, None)?,
            Found::Listing(_, listing) => store.add_listing(&listing, names)?,
        };
        Ok(())
    }

    /// Removes a name, and the image with its last name. By its id, an image is removed with all its names.
    ///
    /// # Errors
    /// When there is no such image, or it is one of the platforms of another.
    pub fn remove(&self, image: &str) -> Result<Vec<Removed>> {
        let store = &self.parts.store;
        let found = self.parts.find_named(image)?;
        let id = found.id();
        let mut removed = Vec::new();
        let names = parse_names(&store.names(&id)?)?;
        let listings = store.listings_of(&id)?;
        let by_name = names
            .iter()
            .find(|name| image.parse().is_ok_and(|wanted| **name == wanted));
        if let Some(name) = by_name {
            store.remove_name(name)?;
            removed.push(Removed::Untagged(name.clone()));
            if names.len() > 1 || !listings.is_empty() {
                return Ok(removed);
            }
        } else if let Some(listing) = listings.first() {
            return Err(Error::Unsupported {
                what: format!("{image} is part of the image {listing}"),
                hint: "remove that one, which has several platforms or annotations".into(),
            });
        } else {
            removed.extend(names.iter().cloned().map(Removed::Untagged));
        }
        match found {
            Found::Image(..) => drop(store.remove_image(&id)?),
            Found::Listing(..) => store.remove_listing(&id)?,
        }
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
        for id in store.all_images()? {
            if let Some(record) = store.image(&id)? {
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
    /// The image or listing with this name, id or start of an id.
    pub fn find_named(&self, image: &str) -> Result<Found> {
        let missing = || no_image(image);
        let named = match image.parse::<ImageReference>() {
            Ok(name) => self.store.image_named(&name)?,
            Err(_) => None,
        };
        let id = match named {
            Some(id) => id,
            None => self.image_with_prefix(image)?.ok_or_else(missing)?,
        };
        if let Some(listing) = self.store.listing(&id)? {
            return Ok(Found::Listing(id, listing));
        }
        let record = self.store.image(&id)?.ok_or_else(missing)?;
        Ok(Found::Image(id, record))
    }

    /// An image that a listing has.
    pub fn listed(&self, id: &Digest) -> Result<ImageRecord> {
        self.store
            .image(id)?
            .ok_or_else(|| Error::InconsistentImage {
                image: id.to_string(),
                reason: "the store has a list of images with this one, but not the image".into(),
            })
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

fn no_image(image: &str) -> Error {
    Error::NoSuchImage {
        name: image.to_owned(),
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
