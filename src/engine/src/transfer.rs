//! Images of the store to registries, and from them into the store.

use std::collections::HashMap;
use std::sync::Arc;

use stromatekt_oci::image::{Document, Exported, OutputImage};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::{Descriptor, Digest};
use stromatekt_sources::registry::{Progress, PushImage, PushIndex};
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Parts};
use crate::error::{Error, Result};
use crate::events::{Events, Outcome, Status, Vertex};
use crate::limits::{blocking, until_cancelled};

/// What a registry has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

/// An image that came from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of its config.
    pub id: Digest,
    /// The digest of its manifest.
    pub digest: Option<Digest>,
    /// Whether the store had it under this name.
    pub was_there: bool,
}

impl Engine {
    /// Pushes what has this name in the store to the registry of the name.
    ///
    /// # Errors
    /// When nothing has the name, or the registry refuses it.
    pub async fn push(
        &self,
        name: &ImageReference,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Pushed, Arc<Error>> {
        let vertex = events.start(&format!("pushing {}", name.familiar()));
        let pushed = self.push_named(name, &vertex, cancel).await;
        end(&vertex, &pushed);
        pushed.map_err(Arc::new)
    }

    async fn push_named(
        &self,
        name: &ImageReference,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<Pushed> {
        let store = &self.parts.store;
        if store.image_named(name)?.is_none() {
            return Err(Error::NoSuchImage {
                name: name.familiar(),
            });
        }
        let found = self.parts.find_named(&name.to_string())?;
        let status = vertex.status("exporting layers");
        let (parts, stop) = (Arc::clone(&self.parts), cancel.clone());
        let document = blocking(move || parts.document(&found, true, &stop)).await?;
        status.done(0);
        let size = match &document {
            Document::Image(image) => image.manifest.len(),
            Document::Index(index) => index.json.len(),
        };
        let exported = Exported {
            names: vec![name.clone()],
            document,
        };
        let pushed = self.parts.push(&exported, false, vertex, cancel).await?;
        let digest = pushed.ok_or_else(|| Error::NoSuchImage {
            name: name.familiar(),
        })?;
        store.remember_manifest(name, &digest)?;
        Ok(Pushed {
            digest,
            size: size as u64,
        })
    }

    /// Fetches an image from the registry of its name, and puts it into the store under that name.
    ///
    /// # Errors
    /// When the registry does not have it for the platform, or it cannot be stored.
    pub async fn pull(
        &self,
        name: &ImageReference,
        platform: &Platform,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Pulled, Arc<Error>> {
        let vertex = events.start(&format!("pulling {}", name.familiar()));
        let pulled = self.pull_named(name, platform, &vertex, cancel).await;
        end(&vertex, &pulled);
        pulled.map_err(Arc::new)
    }

    async fn pull_named(
        &self,
        name: &ImageReference,
        platform: &Platform,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<Pulled> {
        let found = until_cancelled(cancel, self.parts.remote(name, platform)).await??;
        let image = Arc::new(found);
        self.parts.unpack(&image, vertex, cancel).await?;
        // Layers whose trees were there already.
        for layer in &image.layers {
            self.parts.keep_blob(&image, layer, vertex, cancel).await?;
        }
        let store = &self.parts.store;
        let before = store.image_named(name)?;
        let names = std::slice::from_ref(name);
        let id = store.add_image(&image.record(), names, image.manifest)?;
        Ok(Pulled {
            id,
            digest: image.manifest,
            was_there: before == Some(id),
        })
    }
}

fn end<T>(vertex: &Vertex, result: &Result<T>) {
    vertex.complete(match result {
        Ok(_) => Outcome::Done,
        Err(error) if error.is_canceled() => Outcome::Canceled,
        Err(error) => Outcome::Failed(error.to_string()),
    });
}

impl Parts {
    /// Pushes what is exported under each of its names. Tells the digest of what has the last one.
    pub async fn push(
        &self,
        exported: &Exported,
        by_digest: bool,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<Option<Digest>> {
        let push = PushIndex {
            index: match &exported.document {
                Document::Index(index) => Some((index.json.clone(), index.media_type.clone())),
                Document::Image(_) => None,
            },
            images: exported.images().iter().map(pushed).collect(),
        };
        let mut digest = None;
        for name in &exported.names {
            let status = vertex.status(format!("pushing {name}"));
            let _turn = self.limits.network(cancel).await?;
            // By digest: pieces of several layers are sent at the same time.
            let layers = push.images.iter().flat_map(|image| &image.layers);
            let statuses: HashMap<Digest, Status> = layers
                .map(|(layer, _)| {
                    (
                        layer.digest,
                        vertex.status(format!("pushing layer {}", layer.digest)),
                    )
                })
                .collect();
            let report = move |layer: &Descriptor, progress| {
                let Some(status) = statuses.get(&layer.digest) else {
                    return;
                };
                match progress {
                    Progress::Sent(bytes) => status.progress(bytes, Some(layer.size)),
                    Progress::Exists | Progress::Done => status.done(layer.size),
                }
            };
            let pushed = self.registry.push_index(name, &push, by_digest, report);
            digest = Some(until_cancelled(cancel, pushed).await??);
            status.done(0);
        }
        Ok(digest)
    }
}

fn pushed(image: &OutputImage) -> PushImage {
    let layers = image.layers.iter();
    PushImage {
        manifest: image.manifest.clone(),
        manifest_type: image.manifest_type.clone(),
        config: image.config.clone(),
        layers: layers
            .map(|layer| (layer.descriptor.clone(), layer.path.clone()))
            .collect(),
    }
}
