//! An OCI layout, read and verified: whatever a test looks at, its image is sound in every digest and size.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rootfs::{Entry, Rootfs, read_tar};

/// An image of one platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest.
    pub manifest: Value,
    /// The digest of the manifest.
    pub digest: String,
    /// The image config.
    pub config: Value,
    /// The digest of the config, which docker calls the image id.
    pub id: String,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The digest of the blob, as stored.
    pub digest: String,
    /// The digest of the tar.
    pub diff_id: String,
    /// As in the manifest.
    pub media_type: String,
    /// What is in it.
    pub entries: Vec<Entry>,
}

impl Layer {
    /// The paths of the entries, in their order.
    pub fn paths(&self) -> Vec<&str> {
        self.entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect()
    }

    /// The paths, without the directories that the first step on a base without them leaves for what every container has
    /// mounted, as with docker.
    pub fn paths_of_the_step(&self) -> Vec<&str> {
        let mut paths = self.paths();
        paths.retain(|path| !["dev", "proc", "sys"].contains(path));
        paths
    }
}

impl Image {
    /// Reads the one image of a layout directory.
    ///
    /// # Panics
    ///
    /// When the layout breaks a rule of image-spec `image-layout.md`, `manifest.md` or `config.md`.
    #[track_caller]
    pub fn read(layout: &Path) -> Self {
        let version = json(&fs::read(layout.join("oci-layout")).expect("a file oci-layout"));
        assert_eq!(version["imageLayoutVersion"], "1.0.0");
        let index = json(&fs::read(layout.join("index.json")).expect("a file index.json"));
        assert_eq!(index["schemaVersion"], 2);
        let manifests = index["manifests"].as_array().expect("a list of manifests");
        assert!(!manifests.is_empty(), "the layout has no image: {index}");
        let digest = text(&manifests[0]["digest"]);
        for other in manifests {
            assert_eq!(
                text(&other["digest"]),
                digest,
                "one image, whatever its names: {index}"
            );
        }
        Self::of_blobs(
            digest,
            &|descriptor| blob(layout, descriptor),
            &manifests[0],
        )
    }

    /// Reads the one index of a layout directory, and its images by their platforms.
    ///
    /// # Panics
    ///
    /// As [`Image::read`]; and when the layout lists no index.
    #[track_caller]
    pub fn read_index(layout: &Path) -> (Value, Vec<(String, Self)>) {
        let listed = json(&fs::read(layout.join("index.json")).expect("a file index.json"));
        let fetch = |descriptor: &Value| blob(layout, descriptor);
        let index = json(&fetch(&listed["manifests"][0]));
        let manifests = index["manifests"]
            .as_array()
            .expect("an index lists manifests");
        let image = |descriptor: &Value| {
            let platform = &descriptor["platform"];
            let name = format!(
                "{}/{}",
                text(&platform["os"]),
                text(&platform["architecture"])
            );
            (
                name,
                Self::of_blobs(text(&descriptor["digest"]), &fetch, descriptor),
            )
        };
        let images = manifests.iter().map(image).collect();
        (index, images)
    }

    /// Reads the image that a descriptor names out of blobs that `fetch` brings.
    #[track_caller]
    pub fn of_blobs(digest: String, fetch: &dyn Fn(&Value) -> Vec<u8>, descriptor: &Value) -> Self {
        let manifest = json(&fetch(descriptor));
        let config_bytes = fetch(&manifest["config"]);
        let config = json(&config_bytes);
        let diff_ids = config["rootfs"]["diff_ids"]
            .as_array()
            .expect("a list of diff_ids");
        let descriptors = manifest["layers"].as_array().expect("a list of layers");
        assert_eq!(
            descriptors.len(),
            diff_ids.len(),
            "as many layers as diff_ids"
        );
        let history = config["history"].as_array().cloned().unwrap_or_default();
        let with_layer = history
            .iter()
            .filter(|step| step["empty_layer"] != true)
            .count();
        assert_eq!(
            with_layer,
            diff_ids.len(),
            "as many layers as steps of the history that have one: {history:#?}"
        );
        let layers = descriptors
            .iter()
            .zip(diff_ids)
            .map(|(descriptor, diff_id)| {
                let tar = decompress(&fetch(descriptor));
                assert_eq!(
                    sha256(&tar),
                    text(diff_id),
                    "the diff_id is the digest of the tar"
                );
                Layer {
                    digest: text(&descriptor["digest"]),
                    diff_id: text(diff_id),
                    media_type: text(&descriptor["mediaType"]),
                    entries: read_tar(&tar),
                }
            })
            .collect();
        Self {
            digest,
            id: sha256(&config_bytes),
            manifest,
            config,
            layers,
        }
    }

    /// The root filesystem.
    pub fn rootfs(&self) -> Rootfs {
        Rootfs::of_layers(self.layers.iter().map(|layer| layer.entries.as_slice()))
    }

    /// The uppermost layer.
    #[track_caller]
    pub fn top(&self) -> &Layer {
        self.layers.last().expect("the image has a layer")
    }

    /// The runtime configuration (`config.config`).
    pub fn runtime(&self) -> &Value {
        &self.config["config"]
    }

    /// A variable of the environment.
    #[track_caller]
    pub fn env(&self, name: &str) -> Option<String> {
        let variables = self.runtime()["Env"].as_array()?;
        let values: Vec<_> = variables
            .iter()
            .filter_map(|variable| variable.as_str()?.strip_prefix(name)?.strip_prefix('='))
            .collect();
        assert!(values.len() < 2, "{name} is set twice: {variables:?}");
        values.first().map(|value| (*value).to_owned())
    }
}

/// The digest of some bytes.
pub fn sha256(data: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(data)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What gzip, zstd or nothing packed.
#[track_caller]
pub fn decompress(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if data.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(data)
            .read_to_end(&mut out)
            .expect("sound gzip");
    } else if data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        out = zstd::decode_all(data).expect("sound zstd");
    } else {
        out.extend_from_slice(data);
    }
    out
}

#[track_caller]
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = text(&descriptor["digest"]);
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    let data = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(sha256(&data), digest, "a blob has the digest that names it");
    assert_eq!(
        descriptor["size"],
        data.len(),
        "a blob has the size that its descriptor says"
    );
    data
}

#[track_caller]
fn json(data: &[u8]) -> Value {
    serde_json::from_slice(data).expect("JSON")
}

#[track_caller]
fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("expected a text, not {value}"))
        .to_owned()
}
