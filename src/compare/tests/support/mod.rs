//! Images from tables: docker-archives and OCI layouts of a few entries, read back.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use stromatekt_compare::{Comparison, Image, Result, Rules, compare};
use stromatekt_oci::{Digest, Platform};
use tempfile::TempDir;

/// The time of entries that do not say another one.
pub const TIME: u64 = 1_600_000_000;

/// An entry of a layer.
#[derive(Clone, Debug)]
pub struct Entry {
    path: &'static str,
    kind: tar::EntryType,
    link: &'static str,
    content: Vec<u8>,
    mode: u32,
    owner: (u64, u64),
    time: u64,
    device: (u32, u32),
    xattrs: Vec<(&'static str, &'static str)>,
}

pub fn file(path: &'static str, content: impl Into<Vec<u8>>) -> Entry {
    Entry {
        path,
        kind: tar::EntryType::Regular,
        link: "",
        content: content.into(),
        mode: 0o644,
        owner: (0, 0),
        time: TIME,
        device: (0, 0),
        xattrs: Vec::new(),
    }
}

pub fn directory(path: &'static str) -> Entry {
    Entry {
        kind: tar::EntryType::Directory,
        mode: 0o755,
        ..file(path, "")
    }
}

pub fn symlink(path: &'static str, target: &'static str) -> Entry {
    Entry {
        kind: tar::EntryType::Symlink,
        link: target,
        mode: 0o777,
        ..file(path, "")
    }
}

pub fn hard_link(path: &'static str, target: &'static str) -> Entry {
    Entry {
        kind: tar::EntryType::Link,
        link: target,
        ..file(path, "")
    }
}

pub fn device(path: &'static str, major: u32, minor: u32) -> Entry {
    Entry {
        kind: tar::EntryType::Char,
        device: (major, minor),
        ..file(path, "")
    }
}

/// The whiteout of a path, by its own name.
pub fn whiteout(path: &'static str) -> Entry {
    file(path, "")
}

impl Entry {
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    pub fn owner(self, uid: u64, gid: u64) -> Self {
        Self {
            owner: (uid, gid),
            ..self
        }
    }

    pub fn time(self, time: u64) -> Self {
        Self { time, ..self }
    }

    pub fn xattr(mut self, name: &'static str, value: &'static str) -> Self {
        self.xattrs.push((name, value));
        self
    }
}

/// A layer.
pub fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let pax: Vec<(String, &[u8])> = entry
            .xattrs
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_bytes()))
            .collect();
        if !pax.is_empty() {
            let pax = pax.iter().map(|(name, value)| (name.as_str(), *value));
            builder.append_pax_extensions(pax).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.time);
        header.set_size(entry.content.len() as u64);
        header.set_device_major(entry.device.0).unwrap();
        header.set_device_minor(entry.device.1).unwrap();
        // Names as they are, `..` and all.
        let name = &mut header.as_old_mut().name;
        name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        let link = &mut header.as_old_mut().linkname;
        link[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        header.set_cksum();
        builder.append(&header, &entry.content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A config with what every one has.
pub fn config(extra: Value, layers: &[Vec<u8>]) -> Value {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    let host = Platform::host();
    let mut config = json!({
        "architecture": host.architecture,
        "os": host.os,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    for (key, value) in extra.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    config
}

/// Writes a docker-archive.
pub fn write_archive(path: &Path, config: &Value, layers: &[Vec<u8>]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    let names: Vec<String> = (0..layers.len())
        .map(|number| format!("{number}/layer.tar"))
        .collect();
    for (name, layer) in names.iter().zip(layers) {
        add(name, layer);
    }
    add("config.json", config.to_string().as_bytes());
    let list = json!([{"Config": "config.json", "RepoTags": ["test:latest"], "Layers": names}]);
    add("manifest.json", list.to_string().as_bytes());
    builder.finish().unwrap();
}

/// Writes an OCI layout with one image of uncompressed layers.
pub fn write_layout(path: &Path, config: &Value, layers: &[Vec<u8>], media: &str, extra: Value) {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |content: &[u8], kind: &str| {
        let digest = Digest::of(content);
        fs::write(blobs.join(digest.hex()), content).unwrap();
        json!({"mediaType": kind, "digest": digest.to_string(), "size": content.len()})
    };
    let config = put(
        config.to_string().as_bytes(),
        "application/vnd.oci.image.config.v1+json",
    );
    let layers: Vec<Value> = layers.iter().map(|layer| put(layer, media)).collect();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    for (key, value) in extra.as_object().into_iter().flatten() {
        manifest[key] = value.clone();
    }
    let entry = put(manifest.to_string().as_bytes(), kind);
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(path.join("index.json"), index.to_string()).unwrap();
    fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// An image of these layers, or why it cannot be read.
pub fn read(extra: Value, layers: &[Vec<Entry>]) -> Result<Image> {
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| tar_of(layer)).collect();
    read_raw(&config(extra, &layers), &layers)
}

pub fn read_raw(config: &Value, layers: &[Vec<u8>]) -> Result<Image> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("image.tar");
    write_archive(&path, config, layers);
    Image::open(&path, None, &Platform::host())
}

/// An image of one layer.
pub fn image(entries: &[Entry]) -> Image {
    read(json!({}), &[entries.to_vec()]).unwrap()
}

/// The places at which two images differ, and those that are expected to differ, with their class.
pub fn places(comparison: &Comparison) -> (Vec<String>, Vec<String>) {
    let differences = comparison.differences.iter();
    let noise = comparison.noise.iter().flat_map(|(class, differences)| {
        let places = differences.iter();
        places.map(|difference| format!("{}: {}", class.name(), difference.place))
    });
    (
        differences.map(|found| found.place.clone()).collect(),
        noise.collect(),
    )
}

/// The places at which images of one layer differ.
pub fn differ(left: &[Entry], right: &[Entry]) -> (Vec<String>, Vec<String>) {
    // Whatever is told of layers is told of the root filesystem.
    let rules = Rules {
        layers: false,
        ..Rules::default()
    };
    places(&compare(&image(left), &image(right), &rules))
}
