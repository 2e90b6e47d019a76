//! Descriptors, manifests and indexes: the JSON documents that tie an image's blobs together.
//!
//! Fields stand in the order in which docker and BuildKit write them; a field that is not known here is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::compress::Compression;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;

/// The annotation that names an image in a layout's index (image-spec `annotations.md`).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that tells when an image was made (image-spec `annotations.md`).
pub const CREATED: &str = "org.opencontainers.image.created";
/// The annotation in which containerd and BuildKit keep the full name of an image.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// What a blob is (image-spec `media-types.md`, and docker's earlier names for the same).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaType {
    /// An OCI image manifest.
    OciManifest,
    /// A docker image manifest, schema 2.
    DockerManifest,
    /// An OCI image index.
    OciIndex,
    /// A docker manifest list.
    DockerManifestList,
    /// An OCI image config.
    OciConfig,
    /// A docker image config.
    DockerConfig,
    /// An OCI layer with this compression.
    OciLayer(Compression),
    /// A docker layer with this compression.
    DockerLayer(Compression),
    /// Any other, as it was written.
    Other(String),
}

const MEDIA_TYPES: [(MediaType, &str); 12] = [
    (
        MediaType::OciManifest,
        "application/vnd.oci.image.manifest.v1+json",
    ),
    (
        MediaType::DockerManifest,
        "application/vnd.docker.distribution.manifest.v2+json",
    ),
    (
        MediaType::OciIndex,
        "application/vnd.oci.image.index.v1+json",
    ),
    (
        MediaType::DockerManifestList,
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (
        MediaType::OciConfig,
        "application/vnd.oci.image.config.v1+json",
    ),
    (
        MediaType::DockerConfig,
        "application/vnd.docker.container.image.v1+json",
    ),
    (
        MediaType::OciLayer(Compression::None),
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        MediaType::OciLayer(Compression::Gzip),
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        MediaType::OciLayer(Compression::Zstd),
        "application/vnd.oci.image.layer.v1.tar+zstd",
    ),
    (
        MediaType::DockerLayer(Compression::None),
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        MediaType::DockerLayer(Compression::Gzip),
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        MediaType::DockerLayer(Compression::Zstd),
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
];

impl MediaType {
    /// The registered name.
    #[must_use]
    pub fn as_str(&self) -> Cow<'_, str> {
        if let Self::Other(text) = self {
            return Cow::Borrowed(text);
        }
        match MEDIA_TYPES.iter().find(|(known, _)| known == self) {
            Some((_, text)) => Cow::Borrowed(text),
            // Compressions that no specification has a layer for.
            None => Cow::Owned(format!(
                "application/vnd.oci.image.layer.v1.tar+{}",
                self.layer_compression().unwrap_or_default()
            )),
        }
    }

    /// Whether this is an index or manifest list.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerManifestList)
    }

    /// Whether this is an image manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// How a layer of this type is compressed; nothing if it is no layer.
    #[must_use]
    pub fn layer_compression(&self) -> Option<Compression> {
        match self {
            Self::OciLayer(compression) | Self::DockerLayer(compression) => Some(*compression),
            _ => None,
        }
    }
}

impl From<&str> for MediaType {
    fn from(text: &str) -> Self {
        match MEDIA_TYPES.iter().find(|(_, known)| *known == text) {
            Some((known, _)) => known.clone(),
            None => Self::Other(text.to_owned()),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

impl Default for MediaType {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*Cow::<'de, str>::deserialize(deserializer)?))
    }
}

/// Where content is: its type, digest and size (image-spec `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default)]
    pub media_type: MediaType,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Other places to fetch it from.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// In an index: what the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Whatever else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the required fields.
    #[must_use]
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            extra: Map::new(),
        }
    }

    /// The descriptor of these bytes.
    #[must_use]
    pub fn of(media_type: MediaType, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }
}

impl Default for Descriptor {
    /// The descriptor of nothing.
    fn default() -> Self {
        Self::of(MediaType::default(), b"")
    }
}

/// An image manifest (image-spec `manifest.md`): one config and the layers from the lowest up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Whatever else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Manifest {
    /// A manifest of this config and these layers.
    #[must_use]
    pub fn new(media_type: MediaType, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type),
            config,
            layers,
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    /// Reads a manifest; `origin` names the place for errors.
    pub fn parse(json: &[u8], origin: &str) -> Result<Self> {
        let manifest: Self =
            serde_json::from_slice(json).map_err(Error::json("manifest", origin))?;
        if manifest.schema_version != 2 {
            return Err(Error::Unsupported {
                what: format!(
                    "manifest schema version {} of {origin}",
                    manifest.schema_version
                ),
            });
        }
        Ok(manifest)
    }

    /// The manifest as it is stored: indented like BuildKit's, so equal manifests have equal digests.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        pretty(self)
    }
}

/// An image index (image-spec `image-index.md`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The images.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Whatever else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Index {
    /// An OCI index of these images.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            manifests,
            ..Self::default()
        }
    }

    /// Reads an index; `origin` names the place for errors.
    pub fn parse(json: &[u8], origin: &str) -> Result<Self> {
        serde_json::from_slice(json).map_err(Error::json("index", origin))
    }

    /// The index as it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        pretty(self)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }
}

/// Writes a document of this module with BuildKit's indentation of two spaces.
fn pretty<T: Serialize>(document: &T) -> Vec<u8> {
    // The types here are maps with string keys all the way down, which JSON can always hold.
    serde_json::to_vec_pretty(document).unwrap_or_default()
}

/// Go writes an empty list or map as `null`; it means the same as none.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_print_as_they_parse() {
        for (known, text) in &MEDIA_TYPES {
            assert_eq!((&MediaType::from(*text), &*known.as_str()), (known, *text));
        }
        assert_eq!(MediaType::from("a/b").as_str(), "a/b");
    }

    #[test]
    fn unknown_fields_of_a_manifest_survive() {
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"{m}","config":{{"mediaType":"{c}","digest":"{d}","size":0,"x":[1]}},"layers":[],"subject":{{"y":"z"}}}}"#,
            m = MediaType::OciManifest,
            c = MediaType::OciConfig,
            d = Digest::of("")
        );
        let manifest = Manifest::parse(json.as_bytes(), "test").unwrap();
        assert_eq!(serde_json::to_string(&manifest).unwrap(), json);
        assert_eq!(
            Manifest::parse(&manifest.to_json(), "test").unwrap(),
            manifest
        );
    }

    #[test]
    fn null_lists_are_empty() {
        let index = Index::parse(
            br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#,
            "test",
        )
        .unwrap();
        assert!(index.manifests.is_empty());
    }

    #[test]
    fn broken_documents_are_errors_that_name_them() {
        let error = Manifest::parse(b"{}", "the archive")
            .unwrap_err()
            .to_string();
        assert!(error.contains("manifest of the archive"), "{error}");
        assert!(Manifest::parse(br#"{"schemaVersion":1,"config":{}}"#, "x").is_err());
    }
}
