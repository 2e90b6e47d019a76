//! The attributes of one `--output`, by its type: each is understood, or refused with the reason.

use std::path::PathBuf;

use stromatekt_dockerfile::csv;
use stromatekt_engine::annotations::Annotations;
use stromatekt_engine::{Destination, Epoch, ImageOptions, LayerCompression, Output, TreeOptions};
use stromatekt_oci::Compression;
use stromatekt_oci::reference::ImageReference;

use crate::annotations;
use crate::error::{Error, Result};
use crate::options::go_bool;

const OPTION: &str = "--output";
const TYPES: &str = "the types are oci, docker, tar, local, image, registry and cacheonly";
const ATTESTATIONS: &str = "no attestations are made: leave it out";

/// Attributes that ask for what there is not, unless they have this value; and why not.
const FOREIGN: [(&str, &str, &str); 11] = [
    (
        "registry.insecure",
        "false",
        "registries of this machine alone are spoken to without TLS",
    ),
    (
        "dangling-name-prefix",
        "",
        "an image without a name is known by its id: leave it out",
    ),
    (
        "danging-name-empty-only",
        "false",
        "there are no names for images without a name: leave it out",
    ),
    (
        "prefer-nondist-layers",
        "false",
        "layers are written with the media types that everybody may distribute: leave it out",
    ),
    ("attestation-inline", "false", ATTESTATIONS),
    ("attestation-prefix", "", ATTESTATIONS),
    ("oci-artifact", "false", ATTESTATIONS),
    (
        "buildinfo",
        "false",
        "BuildKit removed it in 0.12: leave it out",
    ),
    (
        "buildinfo-attrs",
        "false",
        "BuildKit removed it in 0.12: leave it out",
    ),
    (
        "context",
        "",
        "there is no docker to load it into: give a dest, and load that file",
    ),
    (
        "compatibility-version",
        "30",
        "images are made as the newest BuildKit makes them, which is 30",
    ),
];

/// The attributes of one `--output`, taken out as they are understood.
struct Attributes<'a> {
    value: &'a str,
    kind: String,
    fields: Vec<(String, String)>,
}

/// What one `--output` asks for: type `image` with `push` is two outputs.
///
/// # Errors
/// When it cannot be understood, or asks for what there is not.
pub fn one(value: &str) -> Result<(Vec<Output>, Vec<ImageReference>)> {
    let fields = csv::fields(value)
        .map_err(|reason| refuse(value, &reason, value.is_empty().then_some(TYPES)))?;
    if let [only] = fields.as_slice()
        && !only.contains('=')
    {
        let options = TreeOptions::default();
        let output = match only.as_str() {
            "" => return Err(refuse(value, "it is empty", Some(TYPES))),
            "-" => Output::Tar {
                destination: Destination::Stdout,
                options,
            },
            directory => Output::Local {
                directory: directory.into(),
                options,
            },
        };
        return Ok((vec![output], Vec::new()));
    }
    let mut attributes = Attributes {
        value,
        kind: String::new(),
        fields: Vec::new(),
    };
    for field in fields {
        let Some((key, content)) = field.split_once('=') else {
            let reason = format!("`{field}` is no key=value");
            return Err(refuse(value, &reason, None));
        };
        attributes
            .fields
            .push((key.trim().to_ascii_lowercase(), content.to_owned()));
    }
    let Some(kind) = attributes.take("type") else {
        return Err(refuse(value, "it has no type", Some(TYPES)));
    };
    attributes.kind = kind;
    attributes.refuse_foreign()?;
    let outputs = match attributes.kind.as_str() {
        "oci" => vec![attributes.oci()?],
        "docker" => vec![attributes.docker()?],
        "tar" => vec![attributes.tar()?],
        "local" => vec![attributes.local()?],
        "image" => attributes.image(false)?,
        "registry" => attributes.image(true)?,
        "cacheonly" => Vec::new(),
        other => {
            let reason = format!("there is no type `{other}`");
            return Err(refuse(value, &reason, Some(TYPES)));
        }
    };
    let by_digest = outputs.iter().any(|output| {
        matches!(
            output,
            Output::Registry {
                by_digest: true,
                ..
            }
        )
    });
    let names = attributes.names(by_digest)?;
    attributes.finish()?;
    Ok((outputs, names))
}

fn refuse(value: &str, reason: &str, hint: Option<&str>) -> Error {
    Error::Option {
        option: OPTION,
        value: value.to_owned(),
        reason: reason.to_owned(),
        hint: hint.map(str::to_owned),
    }
}

impl Attributes<'_> {
    fn refuse(&self, reason: &str, hint: &str) -> Error {
        refuse(self.value, reason, Some(hint))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        // Of several the last counts, as with buildx; the others must not be left over.
        let mut found = None;
        self.fields.retain_mut(|(name, content)| {
            let is_it = name == key;
            if is_it {
                found = Some(std::mem::take(content));
            }
            !is_it
        });
        found
    }

    fn take_bool(&mut self, key: &str) -> Result<Option<bool>> {
        let Some(content) = self.take(key) else {
            return Ok(None);
        };
        // BuildKit: a key without content is on.
        match content.as_str() {
            "" => Ok(Some(true)),
            content => go_bool(content)
                .map(Some)
                .map_err(|reason| refuse(self.value, &format!("{key} {reason}"), None)),
        }
    }

    fn is_on(&mut self, key: &str) -> Result<bool> {
        Ok(self.take_bool(key)?.unwrap_or(false))
    }

    fn refuse_foreign(&mut self) -> Result<()> {
        for (key, harmless, hint) in FOREIGN {
            match self.take(key) {
                Some(value) if value != harmless => {
                    let reason = format!("{key}={value} is not supported");
                    return Err(self.refuse(&reason, hint));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn destination(&mut self) -> Option<Destination> {
        self.take("dest").map(|dest| match dest.as_str() {
            "-" => Destination::Stdout,
            path => Destination::Path(PathBuf::from(path)),
        })
    }

    fn needed_destination(&mut self) -> Result<Destination> {
        match self.destination() {
            Some(Destination::Path(path)) if path.as_os_str().is_empty() => None,
            found => found,
        }
        .ok_or_else(|| {
            let reason = format!("type {} needs a dest", self.kind);
            let hint = "name a file with dest=FILE, or `-` for standard output";
            self.refuse(&reason, hint)
        })
    }

    fn compression(&mut self) -> Result<LayerCompression> {
        let format = match self.take("compression").as_deref() {
            None | Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some("uncompressed") => Compression::None,
            Some(other) => {
                let reason = format!("layers cannot be compressed as `{other}`");
                return Err(self.refuse(&reason, "choose gzip, zstd or uncompressed"));
            }
        };
        let levels = match format {
            Compression::Zstd => 0..=22,
            _ => 0..=9,
        };
        let level = match self.take("compression-level") {
            None => None,
            Some(_) if format == Compression::None => {
                return Err(refuse(
                    self.value,
                    "what is not compressed has no level",
                    None,
                ));
            }
            Some(text) => match text.parse::<i32>() {
                Ok(level) if levels.contains(&level) => Some(level),
                _ => {
                    let reason = format!("`{text}` is no level of compression");
                    let hint = format!(
                        "levels of {format} are {} to {}",
                        levels.start(),
                        levels.end()
                    );
                    return Err(self.refuse(&reason, &hint));
                }
            },
        };
        Ok(LayerCompression {
            format,
            level,
            force: self.is_on("force-compression")?,
        })
    }

    fn epoch(&mut self) -> Result<Epoch> {
        match self.take("source-date-epoch").as_deref() {
            None => Ok(Epoch::OfBuild),
            Some("") => Ok(Epoch::Own(None)),
            Some(text) => match text.parse() {
                Ok(seconds) => Ok(Epoch::Own(Some(seconds))),
                Err(_) => {
                    let reason = format!("`{text}` is no number of seconds since 1970");
                    Err(refuse(self.value, &reason, None))
                }
            },
        }
    }

    /// `annotation.KEY`, `annotation-PLACE[PLATFORM].KEY`.
    fn annotations(&mut self) -> Result<Annotations> {
        let (mut found, mut rest) = (Vec::new(), Vec::new());
        for (key, content) in std::mem::take(&mut self.fields) {
            match annotations::attribute(&key, &content) {
                None => rest.push((key, content)),
                Some(Ok(annotation)) => found.push(annotation),
                Some(Err(reason)) => return Err(refuse(self.value, &reason, None)),
            }
        }
        self.fields = rest;
        Ok(Annotations(found))
    }

    fn image_options(&mut self) -> Result<ImageOptions> {
        Ok(ImageOptions {
            compression: self.compression()?,
            oci_media_types: self.take_bool("oci-mediatypes")?.unwrap_or(true),
            ..self.stored_options()?
        })
    }

    /// The options of an image that stays in the store: how it is written is said when it leaves it.
    fn stored_options(&mut self) -> Result<ImageOptions> {
        Ok(ImageOptions {
            rewrite_timestamp: self.is_on("rewrite-timestamp")?,
            epoch: self.epoch()?,
            annotations: self.annotations()?,
            ..ImageOptions::default()
        })
    }

    fn tree_options(&mut self) -> Result<TreeOptions> {
        Ok(TreeOptions {
            platform_split: self.take_bool("platform-split")?,
            epoch: self.epoch()?,
        })
    }

    fn oci(&mut self) -> Result<Output> {
        Ok(Output::OciLayout {
            destination: self.needed_destination()?,
            tar: self.take_bool("tar")?.unwrap_or(true),
            options: self.image_options()?,
        })
    }

    fn docker(&mut self) -> Result<Output> {
        if self.take_bool("tar")? == Some(false) {
            let reason = "a docker archive is one tar";
            return Err(self.refuse(reason, "use type=oci,tar=false for a directory"));
        }
        // Without a place to go to, buildx loads it into docker: the local store is in its place here.
        match self.destination() {
            None => Ok(Output::Store(self.stored_options()?)),
            Some(destination) => Ok(Output::DockerArchive {
                destination,
                options: self.image_options()?,
            }),
        }
    }

    fn tar(&mut self) -> Result<Output> {
        Ok(Output::Tar {
            destination: self.needed_destination()?,
            options: self.tree_options()?,
        })
    }

    fn local(&mut self) -> Result<Output> {
        match self.take("mode").as_deref() {
            None | Some("copy") => {}
            Some("delete") => {
                let reason = "mode=delete is not supported";
                let hint = "remove the directory before the build: files that are there and that the build does not bring are kept";
                return Err(self.refuse(reason, hint));
            }
            Some(other) => {
                let reason = format!("there is no mode `{other}`");
                return Err(self.refuse(&reason, "leave it out, or write mode=copy"));
            }
        }
        match self.needed_destination()? {
            Destination::Path(directory) => Ok(Output::Local {
                directory,
                options: self.tree_options()?,
            }),
            Destination::Stdout => {
                let reason = "files cannot go to standard output";
                Err(self.refuse(reason, "use type=tar"))
            }
        }
    }

    fn image(&mut self, pushed: bool) -> Result<Vec<Output>> {
        let push = self.take_bool("push")?.unwrap_or(pushed);
        let by_digest = self.is_on("push-by-digest")?;
        // A registry alone keeps nothing here.
        let store = self.take_bool("store")?.unwrap_or(!pushed);
        // Trees of the store are what is unpacked: that is done, and costs nothing more.
        let _unpack = self.take_bool("unpack")?;
        let canonical = self.is_on("name-canonical")?;
        if canonical && !by_digest {
            let reason = "name-canonical is not supported without push-by-digest";
            return Err(self.refuse(
                reason,
                "leave it out: a pushed image has its digest as a name by itself",
            ));
        }
        if by_digest && !push {
            return Err(self.refuse("push-by-digest without a push", "add push=true"));
        }
        let options = match push {
            true => self.image_options()?,
            false => self.stored_options()?,
        };
        let mut outputs = Vec::new();
        if store {
            outputs.push(Output::Store(ImageOptions {
                compression: LayerCompression::default(),
                oci_media_types: true,
                ..options.clone()
            }));
        }
        if push {
            outputs.push(Output::Registry { by_digest, options });
        }
        match outputs.as_slice() {
            [] if pushed => Err(self.refuse("a registry without a push", "remove push=false")),
            [] => Err(self.refuse(
                "an image that is neither stored nor pushed",
                "use type=cacheonly",
            )),
            _ => Ok(outputs),
        }
    }

    fn names(&mut self, by_digest: bool) -> Result<Vec<ImageReference>> {
        if matches!(self.kind.as_str(), "tar" | "local" | "cacheonly") {
            return Ok(Vec::new());
        }
        let Some(names) = self.take("name") else {
            return Ok(Vec::new());
        };
        let has_tag = |name: &str| {
            name.rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'))
        };
        names
            .split(',')
            .map(|name| {
                if by_digest && has_tag(name) {
                    let reason = format!("can't push tagged ref {name} by digest");
                    return Err(self.refuse(&reason, "leave the tag out"));
                }
                name.parse().map_err(|error: stromatekt_oci::Error| {
                    refuse(self.value, &error.to_string(), None)
                })
            })
            .collect()
    }

    /// What was not understood is an error.
    fn finish(&self) -> Result<()> {
        let Some((key, _)) = self.fields.first() else {
            return Ok(());
        };
        const WRITTEN: [&str; 4] = [
            "compression",
            "compression-level",
            "force-compression",
            "oci-mediatypes",
        ];
        const IMAGE: &str = "name, compression, compression-level, force-compression, oci-mediatypes, rewrite-timestamp, source-date-epoch, annotation.KEY";
        if WRITTEN.contains(&key.as_str()) && matches!(self.kind.as_str(), "docker" | "image") {
            let reason = format!("`{key}` of an image that stays in the local store");
            let hint = "the store keeps files, not blobs: it is said where the image leaves it, with a push, a dest or `image save`";
            return Err(self.refuse(&reason, hint));
        }
        let known = match self.kind.as_str() {
            "oci" => format!("dest, tar, {IMAGE}"),
            "docker" => format!("dest, {IMAGE}"),
            "tar" => "dest, platform-split, source-date-epoch".to_owned(),
            "local" => "dest, mode, platform-split, source-date-epoch".to_owned(),
            "image" | "registry" => {
                format!("push, push-by-digest, store, unpack, name-canonical, {IMAGE}")
            }
            _ => "none".to_owned(),
        };
        let reason = format!("type {} has no attribute `{key}`", self.kind);
        Err(self.refuse(&reason, &format!("its attributes are: {known}")))
    }
}

#[cfg(test)]
mod tests;
