//! Images from anywhere, by the spellings that skopeo has for where they are.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use stromatekt_compare::{Image, LayerCache};
use stromatekt_engine::{Destination, Engine, SaveFormat};
use stromatekt_oci::descriptor::{Descriptor, Index, Manifest};
use stromatekt_oci::{Digest, ImageReference, MediaType, Platform};
use stromatekt_sources::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::program::Program;
use crate::error::{Error, Result};

const SPELLINGS: &str = "an image is a name or id of this store, a path, docker://NAME, docker-daemon:NAME, docker-archive:PATH, \
oci:DIRECTORY[:TAG], oci-archive:PATH[:TAG] or containers-storage:NAME";

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// A name or id of the store; or, where there is no such image, a path.
    Plain(String),
    /// A layout or archive, with what selects one of its images.
    File(PathBuf, Option<String>),
    /// In its registry.
    Registry(ImageReference),
    /// In the daemon that docker's client talks to.
    Daemon(String),
    /// In the storage of buildah and podman.
    Containers(String),
}

/// What reading images needs.
pub struct Reading<'a> {
    /// The state directory.
    pub root: &'a Path,
    /// Where files may be put for a while.
    pub directory: &'a Path,
    /// For which platform, where there are several.
    pub platform: &'a Platform,
    /// Stops it.
    pub cancel: &'a CancellationToken,
}

impl Spelling {
    /// Understands where an image is.
    ///
    /// # Errors
    /// When it is nothing that there can be.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Option {
            option: "IMAGE",
            value: text.to_owned(),
            reason: reason.to_owned(),
            hint: Some(SPELLINGS.to_owned()),
        };
        if text.is_empty() {
            return Err(refuse("it is empty"));
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        let transport = text.split_once(':');
        let Some((transport, rest)) = transport.filter(|(_, rest)| !rest.is_empty()) else {
            return Ok(Self::Plain(text.to_owned()));
        };
        Ok(match transport {
            "docker-daemon" => Self::Daemon(rest.to_owned()),
            "containers-storage" => Self::Containers(rest.to_owned()),
            "oci" | "oci-archive" | "docker-archive" => {
                let (path, selector) = split(rest);
                Self::File(path, selector)
            }
            "dir" | "ostree" | "sif" | "tarball" => {
                return Err(refuse("this transport of skopeo's cannot be read"));
            }
            _ => Self::Plain(text.to_owned()),
        })
    }

    /// Reads the image; it is called as it was spelled.
    ///
    /// # Errors
    /// When there is none, or it is not sound.
    pub async fn open(&self, spelled: &str, reading: &Reading<'_>) -> Result<Image> {
        let unpacked = |name: &str| reading.directory.join(name);
        let image = match self {
            Self::Plain(text) => {
                let is_path = text.starts_with(['.', '/']);
                match is_path {
                    true => reading.file(Path::new(text), None).await?,
                    false => match reading.store(text, &unpacked("store")).await? {
                        Some(image) => image,
                        None if Path::new(text).exists() => {
                            reading.file(Path::new(text), None).await?
                        }
                        None => return Err(nothing(text)),
                    },
                }
            }
            Self::File(path, selector) => reading.file(path, selector.as_deref()).await?,
            Self::Registry(name) => {
                let layout = unpacked("registry");
                reading.pull(name, &layout).await?;
                reading.file(&layout, None).await?
            }
            Self::Daemon(name) => {
                let archive = unpacked("docker.tar");
                save(name, &archive, reading.cancel).await?;
                reading.file(&archive, None).await?
            }
            Self::Containers(name) => {
                let layout = unpacked("containers");
                push(name, &layout, reading.cancel).await?;
                reading.file(&layout, None).await?
            }
        };
        Ok(image.named(spelled))
    }
}

/// A path, and what follows its last colon: a colon of the path itself is one that has a slash after it, or a file that is there.
fn split(text: &str) -> (PathBuf, Option<String>) {
    if Path::new(text).exists() {
        return (text.into(), None);
    }
    // A selector is a tag or a name, which may have slashes and colons: the path is the longest that is there.
    let cuts = text.match_indices(':').map(|(at, _)| at);
    let mut cuts: Vec<usize> = cuts.collect();
    cuts.reverse();
    let found = cuts
        .iter()
        .copied()
        .find(|cut| Path::new(&text[..*cut]).exists())
        .or(cuts.first().copied());
    match found {
        Some(cut) => (text[..cut].into(), Some(text[cut + 1..].to_owned())),
        None => (text.into(), None),
    }
}

fn nothing(text: &str) -> Error {
    Error::Usage {
        what: format!("there is no image `{text}` in the store, and no file of this name"),
        hint: SPELLINGS.to_owned(),
    }
}

/// Has docker write an image into an archive.
///
/// # Errors
/// When there is no docker, or no such image in it.
pub async fn save(name: &str, archive: &Path, cancel: &CancellationToken) -> Result<()> {
    Program::new("docker")
        .args([OsStr::new("image"), "save".as_ref(), "--output".as_ref()])
        .args([archive.as_os_str(), name.as_ref()])
        .ok(&format!("save the image {name}"), cancel)
        .await?;
    Ok(())
}

/// Has buildah write an image of its storage into a layout.
///
/// # Errors
/// When there is no buildah, or no such image in its storage.
pub async fn push(name: &str, layout: &Path, cancel: &CancellationToken) -> Result<()> {
    Program::new("buildah")
        .args(["push", "--quiet", name])
        .args([format!("oci:{}:image", layout.display())])
        .ok(&format!("write the image {name} to a layout"), cancel)
        .await?;
    Ok(())
}

impl Reading<'_> {
    /// Reads an image of a layout or archive.
    pub async fn file(&self, path: &Path, selector: Option<&str>) -> Result<Image> {
        let (path, selector) = (path.to_owned(), selector.map(str::to_owned));
        let platform = self.platform.clone();
        let reading = tokio::task::spawn_blocking(move || {
            Image::open_with(&path, selector.as_deref(), &platform, &LayerCache::new())
        });
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Interrupted),
            read = reading => match read {
                Ok(read) => Ok(read?),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(Error::Interrupted),
                },
            },
        }
    }

    /// Reads an image of the store, if it is there.
    async fn store(&self, name: &str, layout: &Path) -> Result<Option<Image>> {
        // A store that is not there holds no image, and need not be made to find that out.
        if !self.root.exists() {
            return Ok(None);
        }
        let engine = Engine::open(self.root)?;
        match engine.inspect(name) {
            Err(stromatekt_engine::Error::NoSuchImage { .. }) => return Ok(None),
            found => drop(found?),
        }
        let destination = Destination::Path(layout.to_owned());
        let names = [name.to_owned()];
        let saving = engine.save(&names, SaveFormat::OciLayout { tar: false }, destination);
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Error::Interrupted),
            saved = saving => saved?,
        }
        self.file(layout, None).await.map(Some)
    }

    /// Fetches an image from its registry into a layout.
    async fn pull(&self, name: &ImageReference, layout: &Path) -> Result<()> {
        let fetching = async {
            let registry = Registry::new();
            let found = registry.resolve(name, self.platform).await?;
            let origin = name.to_string();
            let manifest = Manifest::parse(&found.manifest_json, &origin)?;
            let blobs = layout.join("blobs/sha256");
            fs::create_dir_all(&blobs).map_err(Error::file("make the directory", &blobs))?;
            let write = |path: PathBuf, content: &[u8]| {
                fs::write(&path, content).map_err(Error::file("write", &path))
            };
            write(blobs.join(found.manifest.hex()), &found.manifest_json)?;
            write(blobs.join(Digest::of(&found.config).hex()), &found.config)?;
            for layer in &found.layers {
                let path = blobs.join(layer.digest.hex());
                let mut feed = registry.blob_reader(name, layer).await?;
                let copied = tokio::task::spawn_blocking(move || -> Result<()> {
                    let mut file = File::create(&path).map_err(Error::file("make", &path))?;
                    io::copy(&mut feed, &mut file).map_err(Error::file("fetch", &path))?;
                    Ok(())
                });
                copied.await.map_err(|_| Error::Interrupted)??;
            }
            let kind = manifest.media_type.unwrap_or(MediaType::OciManifest);
            let mut entry = Descriptor::of(kind, &found.manifest_json);
            // What is not in an index is taken as it is, whatever it runs on.
            entry.platform = Some(self.platform.clone());
            let index = Index::new(vec![entry]).to_json();
            write(layout.join("index.json"), &index)?;
            write(
                layout.join("oci-layout"),
                br#"{"imageLayoutVersion":"1.0.0"}"#,
            )
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Interrupted),
            fetched = fetching => fetched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_skopeos() {
        let file = |path: &str, selector: Option<&str>| {
            Spelling::File(path.into(), selector.map(str::to_owned))
        };
        for (text, spelling) in [
            ("busybox", Spelling::Plain("busybox".into())),
            ("busybox:1", Spelling::Plain("busybox:1".into())),
            (
                "localhost:5000/a:1",
                Spelling::Plain("localhost:5000/a:1".into()),
            ),
            ("./layout", Spelling::Plain("./layout".into())),
            (
                "docker://busybox",
                Spelling::Registry("busybox".parse().unwrap()),
            ),
            (
                "docker-daemon:busybox:1",
                Spelling::Daemon("busybox:1".into()),
            ),
            (
                "containers-storage:localhost/a",
                Spelling::Containers("localhost/a".into()),
            ),
            ("oci:/no/such:tag", file("/no/such", Some("tag"))),
            ("oci:/no/such", file("/no/such", None)),
            ("oci-archive:a.tar", file("a.tar", None)),
            ("docker-archive:/:a/b:1", file("/", Some("a/b:1"))),
        ] {
            assert_eq!(Spelling::parse(text).unwrap(), spelling, "{text}");
        }
        assert!(Spelling::parse("").is_err());
        assert!(Spelling::parse("dir:/x").is_err());
        assert!(Spelling::parse("docker://UPPER").is_err());
    }
}
