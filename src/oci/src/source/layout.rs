//! Images of an OCI layout: the index, and indexes in it.

use serde::Deserialize;

use super::{Candidate, ImageSource, Location, platform_of};
use crate::descriptor::{Descriptor, IMAGE_NAME, Index, Manifest, MediaType, REF_NAME};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{INDEX_FILE, LAYOUT_FILE};

/// How deep indexes lie in each other at most.
const MAX_DEPTH: usize = 4;
/// How many images a layout holds at most.
const MAX_IMAGES: usize = 10_000;
/// The version of the layout, which has been the only one.
const VERSION: &str = "1.0.0";
/// What BuildKit writes on descriptors of what is no image.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

impl ImageSource {
    pub(super) fn check_version(&self) -> Result<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Layout {
            image_layout_version: String,
        }
        let origin = format!("`{}`", self.path.display());
        let layout: Layout = serde_json::from_slice(&self.file(LAYOUT_FILE)?)
            .map_err(Error::json("oci-layout", &origin))?;
        match layout.image_layout_version == VERSION {
            true => Ok(()),
            false => Err(Error::Unsupported {
                what: format!(
                    "version {} of the image layout of {origin}",
                    layout.image_layout_version
                ),
            }),
        }
    }

    pub(super) fn layout_candidates(&self) -> Result<Vec<Candidate>> {
        let origin = format!("{INDEX_FILE} of `{}`", self.path.display());
        let index = Index::parse(&self.file(INDEX_FILE)?, &origin)?;
        let mut found = Vec::new();
        for entry in &index.manifests {
            self.collect(entry, &mut Vec::new(), &[], &mut found)?;
        }
        Ok(found)
    }

    /// Collects the images that an entry of an index leads to. `above` are the digests of the indexes it is in, the innermost
    /// first; `outer` is what the outermost entry is called.
    fn collect(
        &self,
        entry: &Descriptor,
        above: &mut Vec<Digest>,
        outer: &[String],
        found: &mut Vec<Candidate>,
    ) -> Result<()> {
        if is_no_image(entry) {
            return Ok(());
        }
        let limit = |what: &str| Error::Unsupported {
            what: format!("`{}` with more than {what}", self.path.display()),
        };
        let annotated = [IMAGE_NAME, REF_NAME]
            .iter()
            .filter_map(|key| entry.annotations.get(*key));
        let own: Vec<String> = annotated.cloned().collect();
        let called = if own.is_empty() { outer } else { &own[..] };
        let kind = match &entry.media_type {
            MediaType::Other(_) => self.sniff(entry)?,
            known => known.clone(),
        };
        if kind.is_index() {
            if above.len() >= MAX_DEPTH {
                return Err(limit("four indexes in each other"));
            }
            let origin = format!("the blob {} of `{}`", entry.digest, self.path.display());
            let index = Index::parse(&self.document(entry)?, &origin)?;
            above.insert(0, entry.digest);
            for entry in &index.manifests {
                self.collect(entry, above, called, found)?;
            }
            above.remove(0);
            return Ok(());
        }
        if !kind.is_manifest() {
            return Ok(());
        }
        if found.len() >= MAX_IMAGES {
            return Err(limit("ten thousand images"));
        }
        let manifest = match self.manifest(entry) {
            // An index may list platforms that were not copied with it.
            Err(Error::MissingBlob { digest, .. })
                if !above.is_empty() && digest == entry.digest =>
            {
                return Ok(());
            }
            manifest => manifest?,
        };
        // Signatures and the like are manifests, too.
        if !matches!(
            manifest.config.media_type,
            MediaType::OciConfig | MediaType::DockerConfig
        ) {
            return Ok(());
        }
        let platform = match &entry.platform {
            Some(platform) if !platform.os.is_empty() => platform.normalized(),
            _ => {
                let origin = format!(
                    "the blob {} of `{}`",
                    manifest.config.digest,
                    self.path.display()
                );
                platform_of(&self.document(&manifest.config)?, &origin)?
            }
        };
        let names = called.iter().filter(|name| name.contains(['/', ':', '@']));
        let mut names: Vec<_> = names.filter_map(|name| name.parse().ok()).collect();
        names.dedup();
        let digests = [entry.digest, manifest.config.digest];
        found.push(Candidate {
            names,
            tags: called.to_vec(),
            digests: digests.into_iter().chain(above.iter().copied()).collect(),
            platform,
            location: Location::Manifest(Box::new(entry.clone())),
        });
        Ok(())
    }

    /// A manifest, verified.
    pub(super) fn manifest(&self, entry: &Descriptor) -> Result<Manifest> {
        let origin = format!("the blob {} of `{}`", entry.digest, self.path.display());
        Manifest::parse(&self.document(entry)?, &origin)
    }

    /// What a document is whose descriptor does not say so.
    fn sniff(&self, entry: &Descriptor) -> Result<MediaType> {
        if !entry.media_type.as_str().is_empty() {
            return Ok(entry.media_type.clone());
        }
        let json = self.document(entry)?;
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        Ok(match value.get("manifests") {
            Some(_) => MediaType::OciIndex,
            None => MediaType::OciManifest,
        })
    }
}

/// Whether an entry of an index is known to be something else: BuildKit's attestations.
fn is_no_image(entry: &Descriptor) -> bool {
    let is_unknown =
        |platform: &crate::Platform| platform.os == "unknown" && platform.architecture == "unknown";
    entry.annotations.contains_key(REFERENCE_TYPE)
        || entry.platform.as_ref().is_some_and(is_unknown)
}
