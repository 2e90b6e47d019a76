//! An image as it is compared: its documents, its layers, and the root filesystem that they make.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use stromatekt_oci::source::ImageSource;
use stromatekt_oci::{Digest, ImageConfig, Manifest, Platform};

use crate::error::{Error, Result};
use crate::layer::{Budget, Layer};
use crate::tree::{Effect, RootFilesystem};

/// An image that was read.
#[derive(Debug)]
pub struct Image {
    /// What it is called where it is compared: the path at first.
    pub name: String,
    /// The image config.
    pub config: ImageConfig,
    /// The digest of the config.
    pub id: Digest,
    /// The manifest; a docker-archive has none.
    pub manifest: Option<Manifest>,
    /// The layers, the lowest first.
    pub layers: Vec<Arc<Layer>>,
    /// What the layers make.
    pub root: RootFilesystem,
    /// What each layer did.
    pub(crate) effects: Vec<Effect>,
}

/// Layers that were read, for who reads many images with the same ones.
///
/// A layer whose `diff_id` is known is taken from here, and its blob is not looked at.
#[derive(Debug, Default)]
pub struct LayerCache {
    layers: Mutex<HashMap<Digest, Arc<Layer>>>,
}

impl LayerCache {
    /// A cache that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn get(&self, diff_id: &Digest) -> Option<Arc<Layer>> {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.get(diff_id).cloned()
    }

    fn put(&self, layer: &Arc<Layer>) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.insert(layer.diff_id, Arc::clone(layer));
    }

    /// Forgets the layers that no image has any more.
    pub fn shrink(&self) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|_, layer| Arc::strong_count(layer) > 1);
    }
}

impl Image {
    /// Reads an image from an OCI layout (a directory or its tar) or a docker-archive: the one that `selector` means (a name, a tag or
    /// a digest), or the only one; of several platforms the one that suits `platform` best.
    ///
    /// # Errors
    /// When there is no such image, or it is not sound: all digests are verified.
    pub fn open(path: &Path, selector: Option<&str>, platform: &Platform) -> Result<Self> {
        Self::open_with(path, selector, platform, &LayerCache::new())
    }

    /// [`Image::open`] with the layers that are known already.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn open_with(
        path: &Path,
        selector: Option<&str>,
        platform: &Platform,
        cache: &LayerCache,
    ) -> Result<Self> {
        let source = ImageSource::open(path)?;
        let found = source.image(selector, platform)?;
        let manifest = source.manifest_of(&found)?;
        let config = ImageConfig::parse(&found.config, &format!("`{}`", path.display()))?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != found.layers.len() {
            return Err(Error::LayerCount {
                path: path.to_owned(),
                layers: found.layers.len(),
                diff_ids: diff_ids.len(),
            });
        }
        let mut reading = Budget::default();
        let mut layers: Vec<Arc<Layer>> = Vec::new();
        for (number, (descriptor, diff_id)) in found.layers.iter().zip(diff_ids).enumerate() {
            let known = cache.get(diff_id);
            let layer = match known {
                Some(layer) => layer,
                None => {
                    let read = source
                        .blob(descriptor)
                        .map_err(Error::Image)
                        .and_then(|blob| {
                            Layer::read(blob, descriptor.digest, *diff_id, &mut reading)
                        });
                    let read = read.map_err(of_layer(path, number, descriptor.digest))?;
                    let layer = Arc::new(read);
                    cache.put(&layer);
                    layer
                }
            };
            layers.push(layer);
        }
        let mut merging = Budget::default();
        let mut root = RootFilesystem::default();
        let mut effects = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let effect = root.apply(layer, &mut merging).map_err(of_layer(
                path,
                number,
                found.layers[number].digest,
            ))?;
            effects.push(effect);
        }
        Ok(Self {
            name: path.display().to_string(),
            id: Digest::of(&found.config),
            config,
            manifest,
            layers,
            root,
            effects,
        })
    }

    /// The same image, called otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

fn of_layer(path: &Path, number: usize, digest: Digest) -> impl FnOnce(Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::Layer {
        number,
        digest,
        path,
        source: Box::new(source),
    }
}
