//! Writing OCI layouts and docker archives entry by entry, sound or broken: so that tests can feed what no builder makes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::image::sha256;

/// A tar that is written byte by byte, so that it may hold what the `tar` crate refuses to write.
#[derive(Default)]
pub struct Tar {
    data: Vec<u8>,
}

impl Tar {
    /// An empty tar.
    pub fn new() -> Self {
        Self::default()
    }

    /// A regular file.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.entry(
            tar::EntryType::Regular,
            path,
            "",
            0o644,
            (0, 0),
            text.as_bytes(),
        )
    }

    /// A directory.
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.entry(tar::EntryType::Directory, path, "", mode, (0, 0), b"")
    }

    /// A symbolic link.
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(tar::EntryType::Symlink, path, target, 0o777, (0, 0), b"")
    }

    /// A hard link.
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(tar::EntryType::Link, path, target, 0o644, (0, 0), b"")
    }

    /// PAX records for the entry that comes next.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut text = Vec::new();
        for (key, value) in records {
            // "LENGTH KEY=VALUE\n", where LENGTH counts itself.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.entry(tar::EntryType::XHeader, "pax", "", 0o644, (0, 0), &text)
    }

    /// Any entry; paths are written as they are.
    pub fn entry(
        mut self,
        kind: tar::EntryType,
        path: &str,
        link: &str,
        mode: u32,
        (uid, gid): (u64, u64),
        data: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        let ustar = header.as_ustar_mut().expect("made as ustar");
        ustar.name[..path.len()].copy_from_slice(path.as_bytes());
        ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(1_700_000_000);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.data.extend_from_slice(header.as_bytes());
        self.data.extend_from_slice(data);
        self.data.resize(self.data.len().next_multiple_of(512), 0);
        self
    }

    /// The tar, with the two empty blocks that end it.
    pub fn finish(mut self) -> Vec<u8> {
        self.data.resize(self.data.len() + 1024, 0);
        self.data
    }
}

/// Compresses with gzip.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).expect("memory does not fail");
    out.finish().expect("memory does not fail")
}

/// An OCI layout with one image.
pub struct Layout {
    directory: TempDir,
    /// The digests of the layers' blobs.
    pub layers: Vec<String>,
}

impl Layout {
    /// An image of these layers, each an uncompressed tar, with this runtime configuration (`config.config`).
    pub fn new(layers: &[Vec<u8>], runtime: Value) -> Self {
        let directory = TempDir::new().expect("there is room for a temporary directory");
        let root = directory.path();
        fs::create_dir_all(root.join("blobs/sha256")).expect("own directory");
        let mut descriptors = Vec::new();
        let mut digests = Vec::new();
        for layer in layers {
            let descriptor = blob(
                root,
                "application/vnd.oci.image.layer.v1.tar+gzip",
                &gzip(layer),
            );
            digests.push(descriptor["digest"].as_str().expect("made so").to_owned());
            descriptors.push(descriptor);
        }
        let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer)).collect();
        let history: Vec<_> = layers
            .iter()
            .map(|_| json!({"created_by": "test"}))
            .collect();
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        });
        let config = blob(
            root,
            "application/vnd.oci.image.config.v1+json",
            config.to_string().as_bytes(),
        );
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": descriptors,
        });
        let mut manifest = blob(
            root,
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().as_bytes(),
        );
        manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(root.join("index.json"), index.to_string()).expect("own directory");
        fs::write(
            root.join("oci-layout"),
            r#"{"imageLayoutVersion": "1.0.0"}"#,
        )
        .expect("own directory");
        Self {
            directory,
            layers: digests,
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where a blob is.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.path().join("blobs").join(digest.replace(':', "/"))
    }
}

fn blob(root: &Path, media_type: &str, data: &[u8]) -> Value {
    let digest = sha256(data);
    fs::write(root.join("blobs").join(digest.replace(':', "/")), data).expect("own directory");
    json!({"mediaType": media_type, "digest": digest, "size": data.len()})
}

/// A docker archive (`docker save`) of these layers, each an uncompressed tar.
pub fn docker_archive(layers: &[Vec<u8>], name: &str) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["FROM_ARCHIVE=1"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": layers.iter().map(|_| json!({"created_by": "test"})).collect::<Vec<_>>(),
    })
    .to_string();
    let config_name = format!(
        "{}.json",
        sha256(config.as_bytes()).trim_start_matches("sha256:")
    );
    let names: Vec<_> = (0..layers.len())
        .map(|number| format!("layer{number}/layer.tar"))
        .collect();
    let manifest =
        json!([{"Config": config_name, "RepoTags": [name], "Layers": names}]).to_string();
    let mut out = tar::Builder::new(Vec::new());
    let mut append = |path: &str, data: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        out.append_data(&mut header, path, data)
            .expect("memory does not fail");
    };
    for (layer, path) in layers.iter().zip(&names) {
        append(path, layer);
    }
    append(&config_name, config.as_bytes());
    append("manifest.json", manifest.as_bytes());
    out.into_inner().expect("memory does not fail")
}
