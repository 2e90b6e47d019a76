//! Base images: found by name in the store or a registry, or in a layout; their configs read, nothing unpacked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use stromatekt_graph::op::ImageLocation;
use stromatekt_oci::Digest;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::descriptor::Descriptor;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::source::ImageSource;
use stromatekt_store::{ImageRecord, LayerRecord, TreeId};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::{Events, Outcome};
use crate::limits::until_cancelled;
use crate::snapshots::Tree;

/// An image whose config is known. Its layers are fetched and unpacked when somebody needs them.
#[derive(Debug)]
pub(crate) struct BaseImage {
    pub config: ImageConfig,
    pub config_json: Vec<u8>,
    pub layers: Vec<BaseLayer>,
    /// The digest of its manifest, where it has one.
    pub manifest: Option<Digest>,
    pub origin: Origin,
    /// Its tree, once it is unpacked.
    pub tree: OnceCell<Option<Tree>>,
}

/// A layer of a base image.
#[derive(Clone, Debug)]
pub(crate) struct BaseLayer {
    pub diff_id: Digest,
    /// The blob it comes as; none for a layer that a build made, which is packed when a blob is needed.
    pub blob: Option<Descriptor>,
}

/// Where the blobs of an image are.
#[derive(Debug)]
pub(crate) enum Origin {
    Store,
    File(Arc<ImageSource>),
    Registry(ImageReference),
}

/// Images that were resolved already: each is looked up once in a process.
#[derive(Default)]
pub(crate) struct Resolver {
    found: Mutex<HashMap<(ImageLocation, Platform, bool), Found>>,
}

/// An image that is looked up once, however many ask for it.
type Found = Arc<OnceCell<Arc<BaseImage>>>;

impl BaseImage {
    pub fn new(
        config_json: Vec<u8>,
        blobs: Vec<Option<Descriptor>>,
        manifest: Option<Digest>,
        origin: Origin,
        name: &str,
    ) -> Result<Self> {
        let config = ImageConfig::parse(&config_json, name)?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != blobs.len() {
            return Err(Error::InconsistentImage {
                image: name.to_owned(),
                reason: format!(
                    "its config lists {} layers, its manifest {}",
                    diff_ids.len(),
                    blobs.len()
                ),
            });
        }
        let layers = diff_ids
            .iter()
            .zip(blobs)
            .map(|(&diff_id, blob)| BaseLayer { diff_id, blob })
            .collect();
        Ok(Self {
            config,
            config_json,
            layers,
            manifest,
            origin,
            tree: OnceCell::new(),
        })
    }

    /// What its tree is known by, whether it exists or not.
    pub fn tree_id(&self) -> TreeId {
        let diff_ids = self.layers.iter().map(|layer| layer.diff_id);
        chain_ids(diff_ids)
            .last()
            .map_or_else(empty_tree, |&id| TreeId(id))
    }

    /// The image as the store keeps it.
    pub fn record(&self) -> ImageRecord {
        ImageRecord {
            config: self.config_json.clone(),
            layers: self.layers.iter().map(BaseLayer::record).collect(),
        }
    }
}

impl BaseLayer {
    /// The layer as the store keeps it.
    pub fn record(&self) -> LayerRecord {
        let blob = self.blob.as_ref();
        LayerRecord {
            diff_id: self.diff_id,
            blob: blob.map(|blob| (blob.digest, blob.media_type.clone())),
        }
    }
}

/// The chain ids of a stack of layers, the lowest first (image-spec `config.md`, "Layer ChainID").
pub(crate) fn chain_ids(diff_ids: impl IntoIterator<Item = Digest>) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::new();
    for diff_id in diff_ids {
        chain.push(match chain.last() {
            None => diff_id,
            Some(below) => Digest::of(format!("{below} {diff_id}")),
        });
    }
    chain
}

/// What the empty tree is known by.
pub(crate) fn empty_tree() -> TreeId {
    TreeId(Digest::of("the empty tree"))
}

impl Parts {
    /// Finds an image: a name in the store first, unless `pull`, then in its registry.
    pub async fn resolve(
        &self,
        location: &ImageLocation,
        platform: &Platform,
        pull: bool,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Arc<BaseImage>> {
        let key = (location.clone(), platform.clone(), pull);
        let cell = Arc::clone(
            self.resolver
                .found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_default(),
        );
        let image = cell
            .get_or_try_init(|| async {
                let vertex = events.start(&format!("[internal] load metadata for {location}"));
                let found = until_cancelled(cancel, self.find(location, platform, pull)).await;
                let found = found.flatten();
                vertex.complete(match &found {
                    Ok(_) => Outcome::Done,
                    Err(error) if error.is_canceled() => Outcome::Canceled,
                    Err(error) => Outcome::Failed(error.to_string()),
                });
                found.map(Arc::new)
            })
            .await?;
        Ok(Arc::clone(image))
    }

    async fn find(
        &self,
        location: &ImageLocation,
        platform: &Platform,
        pull: bool,
    ) -> Result<BaseImage> {
        match location {
            ImageLocation::Named(name) => {
                let stored = match self.store.image_named(name)? {
                    Some(id) => self.stored_or_listed(&id, location, platform).map(Some),
                    None => Ok(None),
                };
                match stored {
                    Ok(Some(image)) if !pull => Ok(image),
                    Ok(Some(image)) => match self.remote(name, platform).await {
                        // As docker's `--pull`: an image that no registry has, because it was made here, is taken from here.
                        Err(error) if is_missing(&error) => Ok(image),
                        found => found,
                    },
                    Ok(None) => self.remote(name, platform).await,
                    // What is here is for another platform: its registry may have the right one.
                    Err(wrong) => self.remote(name, platform).await.map_err(|_| wrong),
                }
            }
            ImageLocation::Layout { path, selector } => {
                let source = ImageSource::open(path)?;
                let image = source.image(selector.as_deref(), platform)?;
                let blobs = image.layers.into_iter().map(Some).collect();
                let name = location.to_string();
                let origin = Origin::File(Arc::new(source));
                BaseImage::new(image.config, blobs, image.manifest, origin, &name)
            }
        }
    }

    /// An image, or the one of a listing that suits the platform.
    fn stored_or_listed(
        &self,
        id: &Digest,
        location: &ImageLocation,
        platform: &Platform,
    ) -> Result<BaseImage> {
        let Some(listing) = self.store.listing(id)? else {
            return self.stored(id, location, platform);
        };
        let found = listing
            .images
            .iter()
            .map(|image| image.platform.to_string());
        let wrong = || Error::WrongPlatform {
            location: Box::new(location.clone()),
            wanted: Box::new(platform.clone()),
            found: found.collect::<Vec<_>>().join(", "),
        };
        let listed = listing.select(platform).ok_or_else(wrong)?;
        self.stored(&listed.id, location, &listed.platform)
    }

    fn stored(
        &self,
        id: &Digest,
        location: &ImageLocation,
        platform: &Platform,
    ) -> Result<BaseImage> {
        let missing = || Error::InconsistentImage {
            image: location.to_string(),
            reason: "the store has its name but not the image".into(),
        };
        let record = self.store.image(id)?.ok_or_else(missing)?;
        let mut blobs = Vec::new();
        for layer in &record.layers {
            blobs.push(match &layer.blob {
                Some((digest, kind)) => {
                    let size = self.store.blob(digest)?.ok_or_else(missing)?;
                    Some(Descriptor::new(kind.clone(), *digest, size))
                }
                None => None,
            });
        }
        let name = location.to_string();
        let image = BaseImage::new(record.config, blobs, None, Origin::Store, &name)?;
        if !platform.is_same(&image.config.platform()) {
            return Err(Error::WrongPlatform {
                location: Box::new(location.clone()),
                wanted: Box::new(platform.clone()),
                found: image.config.platform().to_string(),
            });
        }
        Ok(image)
    }

    /// What a registry has under this name for this platform.
    pub async fn remote(&self, name: &ImageReference, platform: &Platform) -> Result<BaseImage> {
        let found = self.registry.resolve(name, platform).await?;
        let blobs = found.layers.into_iter().map(Some).collect();
        let origin = Origin::Registry(name.clone());
        BaseImage::new(
            found.config,
            blobs,
            Some(found.manifest),
            origin,
            &name.to_string(),
        )
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Sources(error) if error.is_not_found())
}
