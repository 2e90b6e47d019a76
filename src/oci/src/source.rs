//! Reading images from files: OCI layouts (directories and tars) and docker-archives.
//!
//! An archive is indexed once, by name and range; its blobs are read from where they are, never extracted. One that is both, as
//! newer dockers save images, is read as the layout. A tar without either is a root filesystem, perhaps: [`Error::is_no_image`] of
//! what [`ImageSource::open`] says tells so.

mod docker;
mod layout;
mod place;
mod scan;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::compress::Compression;
use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, Manifest, MediaType};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{BLOBS, INDEX_FILE, LAYOUT_FILE};
use crate::platform::Platform;
use crate::reference::ImageReference;
use place::Place;

/// The list of images in a docker-archive.
pub(crate) const DOCKER_MANIFEST: &str = "manifest.json";
/// The longest JSON document that is read.
const MAX_DOCUMENT: u64 = 64 << 20;

/// A file or directory with images in it.
#[derive(Debug)]
pub struct ImageSource {
    path: PathBuf,
    place: Place,
    form: Form,
    /// Names of files, other than those of a layout, that hold blobs of images that were asked for.
    blobs: Mutex<HashMap<Digest, String>>,
}

/// What tells images of a source.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// `index.json`
    Layout,
    /// `manifest.json`
    Docker,
}

/// An image in a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceImage {
    /// The image config, whose digest is verified where it has one.
    pub config: Vec<u8>,
    /// The layers, the lowest first. Their content is not verified.
    pub layers: Vec<Descriptor>,
    /// The digest of the manifest; a docker-archive has none.
    pub manifest: Option<Digest>,
    /// The names it has in the source.
    pub names: Vec<ImageReference>,
    /// What it runs on.
    pub platform: Platform,
}

/// An image of a source that is not read yet.
struct Candidate {
    /// Its names, in full.
    names: Vec<ImageReference>,
    /// Names that are no references: tags alone, as layouts have them.
    tags: Vec<String>,
    /// Digests that mean it: of its manifest, of the index that it is in, of its config.
    digests: Vec<Digest>,
    platform: Platform,
    location: Location,
}

enum Location {
    Manifest(Box<Descriptor>),
    Docker(docker::Entry, Vec<u8>),
}

impl ImageSource {
    /// Opens a layout directory, the tar of one, or a docker-archive, which may be compressed.
    ///
    /// A file that is none of these, but a tar, gives an error of which [`Error::is_no_image`] is true.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
        let place = if metadata.is_dir() {
            Place::Directory(path.to_owned())
        } else if metadata.is_file() {
            scan::archive(path)?
        } else {
            return Err(Error::Unsupported {
                what: format!(
                    "`{}`, which is neither a file nor a directory,",
                    path.display()
                ),
            });
        };
        let form = if place.has(LAYOUT_FILE) && place.has(INDEX_FILE) {
            Form::Layout
        } else if place.has(DOCKER_MANIFEST) {
            Form::Docker
        } else {
            let path = path.to_owned();
            let reason =
                format!("it has neither {LAYOUT_FILE} with {INDEX_FILE} nor {DOCKER_MANIFEST}");
            return Err(match metadata.is_dir() {
                true => Error::NotALayout { path, reason },
                false => Error::NotAnImage { path, reason },
            });
        };
        let source = Self {
            path: path.to_owned(),
            place,
            form,
            blobs: Mutex::default(),
        };
        if matches!(form, Form::Layout) {
            source.check_version()?;
        }
        Ok(source)
    }

    /// The image that a selector means: a name, a tag, or the digest of a manifest, an index or a config. Where there are several
    /// platforms, the one that suits `platform` best.
    ///
    /// Without a selector, the only image; or that with the tag `latest`.
    pub fn image(&self, selector: Option<&str>, platform: &Platform) -> Result<SourceImage> {
        let all = self.candidates()?;
        let meant: Vec<&Candidate> = match selector {
            Some(selector) => all.iter().filter(|image| image.is(selector)).collect(),
            None => all.iter().collect(),
        };
        let no_match = |wanted: String| Error::NoMatch {
            wanted,
            place: format!("`{}`", self.path.display()),
            available: describe(&all),
        };
        if let (Some(selector), true) = (selector, meant.is_empty()) {
            return Err(no_match(format!("`{selector}`")));
        }
        let mut found = best(&meant, platform);
        let differ = |images: &[&Candidate]| {
            images
                .iter()
                .any(|image| image.digests.first() != images[0].digests.first())
        };
        if differ(&found) {
            let latest: Vec<_> = found
                .iter()
                .copied()
                .filter(|image| image.is("latest"))
                .collect();
            if latest.is_empty() || differ(&latest) {
                return Err(no_match(match selector {
                    Some(selector) => format!("`{selector}`, which means several,"),
                    None => "one that has no name here".to_owned(),
                }));
            }
            found = latest;
        }
        match found.first() {
            Some(image) => self.read(image, image.names.clone()),
            None => Err(no_match(match selector {
                Some(selector) => format!("`{selector}` on {platform}"),
                None => platform.to_string(),
            })),
        }
    }

    /// All images that run on a platform, with their names; of an image for several platforms, the one that suits best.
    pub fn images(&self, platform: &Platform) -> Result<Vec<SourceImage>> {
        let all = self.candidates()?;
        // Images under one name, or in one index, are for different platforms.
        let mut groups: Vec<(Digest, Vec<&Candidate>)> = Vec::new();
        for image in &all {
            let Some(&key) = image.digests.last() else {
                continue;
            };
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(image),
                None => groups.push((key, vec![image])),
            }
        }
        let mut found = Vec::new();
        for (_, group) in &groups {
            let best = best(group, platform);
            let Some(image) = best.first() else { continue };
            let mut names: Vec<ImageReference> = Vec::new();
            for name in best.iter().flat_map(|image| &image.names) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            found.push(self.read(image, names)?);
        }
        match found.is_empty() {
            false => Ok(found),
            true => Err(Error::NoMatch {
                wanted: platform.to_string(),
                place: format!("`{}`", self.path.display()),
                available: describe(&all),
            }),
        }
    }

    /// The manifest of an image of this source; a docker-archive has none.
    pub fn manifest_of(&self, image: &SourceImage) -> Result<Option<Manifest>> {
        let Some(digest) = image.manifest else {
            return Ok(None);
        };
        let (_, size) = self.open_blob(&digest)?;
        let entry = Descriptor::new(MediaType::default(), digest, size);
        self.manifest(&entry).map(Some)
    }

    /// A blob of an image of this source, as it is stored; its length is verified, its digest is the reader's.
    pub fn blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>> {
        let (content, size) = self.open_blob(&blob.digest)?;
        check_size(blob, size)?;
        Ok(content)
    }

    /// The file that a blob is, if it is one for itself.
    #[must_use]
    pub fn blob_path(&self, blob: &Descriptor) -> Option<PathBuf> {
        match &self.place {
            Place::Directory(directory) => Some(directory.join(self.blob_name(&blob.digest))),
            Place::Archive(_) => None,
        }
    }

    fn candidates(&self) -> Result<Vec<Candidate>> {
        let all = match self.form {
            Form::Layout => self.layout_candidates()?,
            Form::Docker => self.docker_candidates()?,
        };
        match all.is_empty() {
            false => Ok(all),
            true => Err(Error::NotALayout {
                path: self.path.clone(),
                reason: "it holds no image".to_owned(),
            }),
        }
    }

    fn read(&self, image: &Candidate, names: Vec<ImageReference>) -> Result<SourceImage> {
        let (config, layers, manifest) = match &image.location {
            Location::Manifest(descriptor) => {
                let manifest = self.manifest(descriptor)?;
                let config = self.document(&manifest.config)?;
                (config, manifest.layers, Some(descriptor.digest))
            }
            Location::Docker(entry, config) => {
                (config.clone(), self.docker_layers(entry, config)?, None)
            }
        };
        Ok(SourceImage {
            config,
            layers,
            manifest,
            names,
            platform: image.platform.clone(),
        })
    }

    /// A JSON document of an image, verified.
    fn document(&self, blob: &Descriptor) -> Result<Vec<u8>> {
        let what = || format!("the blob {} of `{}`", blob.digest, self.path.display());
        let (content, size) = self.open_blob(&blob.digest)?;
        check_size(blob, size)?;
        let json = self.read_all(content, size, &what())?;
        let found = Digest::of(&json);
        match found == blob.digest {
            true => Ok(json),
            false => Err(Error::DigestMismatch {
                what: what(),
                expected: blob.digest,
                found,
            }),
        }
    }

    /// A small file that has a name of its own.
    fn file(&self, name: &str) -> Result<Vec<u8>> {
        let what = format!("{name} of `{}`", self.path.display());
        match self.place.open(name)? {
            Some((content, size)) => self.read_all(content, size, &what),
            None => Err(Error::NotALayout {
                path: self.path.clone(),
                reason: format!("{name} is missing"),
            }),
        }
    }

    fn read_all(&self, content: Box<dyn Read + Send>, size: u64, what: &str) -> Result<Vec<u8>> {
        if size > MAX_DOCUMENT {
            return Err(Error::Unsupported {
                what: format!("{what}, a JSON document of {size} bytes,"),
            });
        }
        let mut json = Vec::new();
        content
            .take(MAX_DOCUMENT)
            .read_to_end(&mut json)
            .map_err(Error::io("read", &self.path))?;
        Ok(json)
    }

    fn open_blob(&self, digest: &Digest) -> Result<(Box<dyn Read + Send>, u64)> {
        self.place
            .open(&self.blob_name(digest))?
            .ok_or_else(|| Error::MissingBlob {
                digest: *digest,
                place: self.path.clone(),
            })
    }

    fn blob_name(&self, digest: &Digest) -> String {
        let blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        match blobs.get(digest) {
            Some(name) => name.clone(),
            None => format!("{BLOBS}/{}", digest.hex()),
        }
    }
}

impl Candidate {
    /// Whether a selector means this image.
    fn is(&self, selector: &str) -> bool {
        if self.tags.iter().any(|tag| tag == selector) {
            return true;
        }
        let digest = selector.trim_start_matches('@').parse::<Digest>();
        if let Ok(digest) = digest.or_else(|_| Digest::from_hex(selector)) {
            return self.digests.contains(&digest);
        }
        let tags = self.names.iter().filter_map(ImageReference::tag);
        if tags.into_iter().any(|tag| tag == selector) {
            return true;
        }
        selector
            .parse()
            .is_ok_and(|name| self.names.contains(&name))
    }
}

/// The images that suit a platform best, all equally well.
fn best<'a>(images: &[&'a Candidate], platform: &Platform) -> Vec<&'a Candidate> {
    let ranked = images
        .iter()
        .filter_map(|image| Some((platform.rank(&image.platform)?, *image)));
    let ranked: Vec<_> = ranked.collect();
    let best = ranked.iter().map(|(rank, _)| *rank).min();
    let is_best = |(rank, image): (usize, &'a Candidate)| (Some(rank) == best).then_some(image);
    ranked.into_iter().filter_map(is_best).collect()
}

/// What there is, for who asked for something else.
fn describe(images: &[Candidate]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for image in images {
        let mut names: Vec<String> = image.names.iter().map(ImageReference::familiar).collect();
        if names.is_empty() {
            names.clone_from(&image.tags);
        }
        if names.is_empty() {
            names.extend(image.digests.first().map(Digest::to_string));
        }
        let line = format!("{} ({})", names.join(", "), image.platform);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join(", ")
}

fn check_size(blob: &Descriptor, found: u64) -> Result<()> {
    match found == blob.size {
        true => Ok(()),
        false => Err(Error::SizeMismatch {
            what: format!("the blob {}", blob.digest),
            expected: blob.size,
            found,
        }),
    }
}

fn platform_of(config: &[u8], origin: &str) -> Result<Platform> {
    Ok(ImageConfig::parse(config, origin)?.platform())
}

/// How a layer is compressed, by its first bytes.
fn detect(content: impl Read) -> std::io::Result<Compression> {
    let mut start = Vec::new();
    content.take(6).read_to_end(&mut start)?;
    Ok(Compression::detect(&start))
}

#[cfg(test)]
mod tests;
