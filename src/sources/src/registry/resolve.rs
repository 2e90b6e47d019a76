//! From a name to an image: its manifest for a platform, and its config.

use std::sync::Arc;

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::descriptor::{Descriptor, Index, Manifest, MediaType};
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use super::blob::Download;
use super::session::Target;
use super::{Registry, RemoteImage};
use crate::error::{Error, Result};
use crate::network::SILENCE;

const ACCEPTED: &[&str] = &[
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];
/// An index may list indexes; more of them in one another are a mistake or malice.
const DEEPEST: usize = 4;
/// A config is a description, not data: larger ones would only fill the memory.
const LARGEST_CONFIG: u64 = 32 << 20;

/// A manifest or index as it came.
struct Document {
    json: Vec<u8>,
    digest: Digest,
    is_index: bool,
}

/// What tells a manifest from an index (image-spec `manifest.md`): the media type, or else the field that each has alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<MediaType>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl Registry {
    /// Finds an image for a platform, and fetches its manifest and config. The digests of all are verified.
    ///
    /// An image that is not in an index is taken as it is, whatever it runs on: as docker does.
    ///
    /// # Errors
    /// When the registry does not have the image ([`Error::is_not_found`]) or none for the platform, cannot be reached, or
    /// sends something else than what was asked for.
    pub async fn resolve(
        &self,
        image: &ImageReference,
        platform: &Platform,
    ) -> Result<RemoteImage> {
        let target = Target::pull(image);
        let name = image.familiar();
        let mut document = self.document(&target).await?;
        for _ in 0..DEEPEST {
            if !document.is_index {
                return self.image(&target, document).await;
            }
            let index = Index::parse(&document.json, &name)?;
            let entry = match platform.select(&index) {
                Some(entry) => entry.clone(),
                None => return self.unlabeled(&target, &index, platform).await,
            };
            document = self.entry(&target, &entry).await?;
        }
        Err(Error::Registry {
            attempt: format!("find the manifest of {name}"),
            status: None,
            message: format!("an index in {DEEPEST} others"),
        })
    }

    /// The image of an index whose entries do not say what they run on: their configs do.
    async fn unlabeled(
        &self,
        target: &Target,
        index: &Index,
        platform: &Platform,
    ) -> Result<RemoteImage> {
        let mut found: Vec<Platform> = Vec::new();
        let mut best: Option<(usize, RemoteImage)> = None;
        for entry in &index.manifests {
            if let Some(platform) = &entry.platform {
                // Attestations are listed as images for an unknown platform.
                if platform.os != "unknown" {
                    found.push(platform.clone());
                }
                continue;
            }
            if !entry.media_type.is_manifest() {
                continue;
            }
            let document = self.entry(target, entry).await?;
            if document.is_index {
                continue;
            }
            let image = self.image(target, document).await?;
            let runs_on = ImageConfig::parse(&image.config, &target.image)?.platform();
            match platform.rank(&runs_on) {
                Some(rank) if best.as_ref().is_none_or(|(best, _)| rank < *best) => {
                    best = Some((rank, image));
                }
                _ => found.push(runs_on),
            }
        }
        best.map(|(_, image)| image).ok_or(Error::NoPlatform {
            image: target.image.clone(),
            wanted: Box::new(platform.clone()),
            found,
        })
    }

    /// What an entry of an index stands for.
    async fn entry(&self, target: &Target, entry: &Descriptor) -> Result<Document> {
        let digest = entry.digest.to_string();
        let found = self.document(&target.at(digest.clone())).await;
        found.map_err(|error| match error {
            // The name is there; what its index lists is not.
            Error::ImageNotFound { image } => Error::Registry {
                attempt: format!("fetch the manifest {digest} of {image}"),
                status: Some(404),
                message: "it does not have it".to_owned(),
            },
            other => other,
        })
    }

    async fn document(&self, target: &Target) -> Result<Document> {
        let attempt = format!("fetch the manifest of {}", target.image);
        let answer = self
            .sessions
            .request(target, &attempt, Some(SILENCE), |client| {
                let reference = target.reference.clone();
                // The client keeps the login that it already has.
                let auth = RegistryAuth::Anonymous;
                async move { client.pull_manifest_raw(&reference, &auth, ACCEPTED).await }
            });
        let (json, _) = answer.await?;
        let json = json.to_vec();
        let kind: Kind =
            serde_json::from_slice(&json).map_err(|error| stromatekt_oci::Error::Json {
                what: "manifest",
                origin: target.image.clone(),
                source: error,
            })?;
        Ok(Document {
            digest: Digest::of(&json),
            is_index: match &kind.media_type {
                Some(media_type) => media_type.is_index(),
                None => kind.manifests.is_some(),
            },
            json,
        })
    }

    async fn image(&self, target: &Target, document: Document) -> Result<RemoteImage> {
        let manifest = Manifest::parse(&document.json, &target.image)?;
        Ok(RemoteImage {
            config: self.config(target, &manifest.config).await?,
            layers: manifest.layers,
            manifest: document.digest,
            manifest_json: document.json,
        })
    }

    async fn config(&self, target: &Target, config: &Descriptor) -> Result<Vec<u8>> {
        let attempt = format!("fetch the config of {}", target.image);
        if config.size > LARGEST_CONFIG {
            return Err(Error::Registry {
                attempt,
                status: None,
                message: format!("it would have {} bytes", config.size),
            });
        }
        let mut download =
            Download::start(Arc::clone(&self.sessions), target.clone(), config.clone()).await?;
        let mut json = Vec::new();
        while let Some(bytes) = download.next().await? {
            json.extend_from_slice(&bytes);
        }
        Ok(json)
    }
}
