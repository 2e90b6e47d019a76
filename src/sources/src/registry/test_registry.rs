//! What the tests push and pull: images of noise, and Debian's docker-registry on a free port of loopback.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stromatekt_oci::compress::Compression;
use stromatekt_oci::descriptor::{Descriptor, Manifest, MediaType};
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use tempfile::TempDir;

use super::{PushImage, Registry};

/// docker-registry; it stops when it is dropped.
pub(super) struct Server {
    pub address: String,
    directory: TempDir,
    process: Child,
}

/// `ali` and `open sesame`, as docker's config and `crypt(3)` keep them.
pub(super) const AUTH: &str = "YWxpOm9wZW4gc2VzYW1l";
const HTPASSWD: &str = "ali:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

impl Server {
    /// Starts one; nothing where docker-registry is not installed.
    pub fn start(more: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let root = directory.path().join("data");
        let htpasswd = directory.path().join("htpasswd");
        std::fs::write(&htpasswd, HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n{}",
            root.display(),
            more.replace("PASSWORDS", &htpasswd.display().to_string())
        );
        let file = directory.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self {
            address,
            directory,
            process,
        };
        for _ in 0..400 {
            if TcpStream::connect(&server.address).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("docker-registry does not listen on {}", server.address);
    }

    pub fn with_password() -> Option<Self> {
        Self::start("auth: {htpasswd: {realm: cave, path: PASSWORDS}}\n")
    }

    pub fn image(&self, name: &str) -> ImageReference {
        format!("{}/{name}", self.address).parse().unwrap()
    }

    /// Where it keeps a blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = "data/docker/registry/v2/blobs/sha256";
        let directory = self.directory.path().join(blobs).join(&hex[..2]);
        directory.join(hex).join("data")
    }

    pub async fn put_manifest(&self, name: &str, media_type: &MediaType, body: Vec<u8>) {
        let url = format!("http://{}/v2/{name}", self.address);
        let answer = crate::network::client()
            .unwrap()
            .put(url)
            .header("content-type", &*media_type.as_str())
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn config(platform: &Platform) -> Vec<u8> {
    format!(
        r#"{{"architecture":"{}","os":"{}","rootfs":{{"type":"layers","diff_ids":[]}}}}"#,
        platform.architecture, platform.os
    )
    .into_bytes()
}

pub(super) fn amd64() -> Platform {
    Platform::new("linux", "amd64")
}

/// Bytes that do not repeat within a chunk.
pub(super) fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = 2 * seed + 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
    .take(length)
    .collect()
}

/// An image with these layers, whose files are in `directory`.
pub(super) fn image(directory: &Path, platform: &Platform, layers: &[&[u8]]) -> PushImage {
    let config = config(platform);
    let layers: Vec<(Descriptor, PathBuf)> = layers
        .iter()
        .map(|content| {
            let blob = Descriptor::of(MediaType::OciLayer(Compression::Gzip), content);
            let path = directory.join(blob.digest.hex());
            std::fs::write(&path, content).unwrap();
            (blob, path)
        })
        .collect();
    let manifest = Manifest::new(
        MediaType::OciManifest,
        Descriptor::of(MediaType::OciConfig, &config),
        layers.iter().map(|(blob, _)| blob.clone()).collect(),
    );
    PushImage {
        manifest: manifest.to_json(),
        manifest_type: MediaType::OciManifest,
        config,
        layers,
    }
}

pub(super) fn anonymous() -> Registry {
    Registry::with_config("/does/not/exist".into())
}
