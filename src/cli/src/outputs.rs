//! `--output`, `--push` and `--load`: where the image goes, written as buildx has it.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use stromatekt_dockerfile::csv;
use stromatekt_engine::{Destination, LayerCompression, Output};
use stromatekt_oci::Compression;
use stromatekt_oci::reference::ImageReference;

use crate::error::{Error, Result};
use crate::options::go_bool;

const OPTION: &str = "--output";
const TYPES: &str = "the types are oci, docker, tar, local, image, registry and cacheonly";

/// The outputs of a build, and names of the image that they bring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Where the image goes.
    pub outputs: Vec<Output>,
    /// `name=` of them.
    pub names: Vec<ImageReference>,
}

/// Reads the options. Without any of them, the image goes to the local store.
///
/// # Errors
/// When one cannot be understood, or two of them are in each other's way.
pub fn parse(values: &[String], push: bool, load: bool) -> Result<Outputs> {
    let mut all = Outputs::default();
    let mut names: Vec<Vec<ImageReference>> = Vec::new();
    for value in values {
        let (outputs, named) = one(value)?;
        all.outputs.extend(outputs);
        names.extend(Some(named).filter(|named| !named.is_empty()));
    }
    if push {
        all.outputs.push(registry());
    }
    if load || (values.is_empty() && !push) {
        all.outputs.push(Output::Store);
    }
    // `type=image,push=true` beside `--push` asks once.
    let mut seen: Vec<Output> = Vec::new();
    all.outputs.retain(|output| {
        let is_new = !seen.contains(output);
        seen.push(output.clone());
        is_new
    });
    if let Some((first, rest)) = names.split_first() {
        if rest.iter().any(|other| other != first) {
            return Err(Error::Usage {
                what: "outputs with different names".into(),
                hint: "all outputs of a build get the same names: give them with --tag".into(),
            });
        }
        all.names.clone_from(first);
    }
    check_standard_output(&all.outputs)?;
    Ok(all)
}

/// Whether an output writes to standard output.
pub fn uses_standard_output(output: &Output) -> bool {
    matches!(
        output,
        Output::OciLayout {
            destination: Destination::Stdout,
            ..
        } | Output::DockerArchive {
            destination: Destination::Stdout,
            ..
        } | Output::Tar(Destination::Stdout)
    )
}

fn check_standard_output(outputs: &[Output]) -> Result<()> {
    let count = outputs
        .iter()
        .filter(|output| uses_standard_output(output))
        .count();
    if count > 1 {
        return Err(Error::Usage {
            what: "several outputs go to standard output".into(),
            hint: "give all but one of them a file: dest=FILE".into(),
        });
    }
    if count == 1 && io::stdout().is_terminal() {
        return Err(Error::Usage {
            what: "an archive is not written to a terminal".into(),
            hint: "redirect standard output, or name a file: dest=FILE".into(),
        });
    }
    Ok(())
}

fn registry() -> Output {
    Output::Registry {
        compression: LayerCompression::default(),
        oci_media_types: true,
    }
}

/// The attributes of one `--output`, taken out as they are understood.
struct Attributes<'a> {
    value: &'a str,
    kind: String,
    fields: Vec<(String, String)>,
}

/// What one `--output` asks for: type `image` with `push` is two outputs.
fn one(value: &str) -> Result<(Vec<Output>, Vec<ImageReference>)> {
    let fields = csv::fields(value)
        .map_err(|reason| refuse(value, &reason, value.is_empty().then_some(TYPES)))?;
    if let [only] = fields.as_slice()
        && !only.contains('=')
    {
        return match only.as_str() {
            "" => Err(refuse(value, "it is empty", Some(TYPES))),
            "-" => Ok((vec![Output::Tar(Destination::Stdout)], Vec::new())),
            directory => Ok((vec![Output::Local(directory.into())], Vec::new())),
        };
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
    let outputs = match attributes.kind.as_str() {
        "oci" => vec![attributes.oci()?],
        "docker" => vec![attributes.docker()?],
        "tar" => vec![Output::Tar(attributes.needed_destination()?)],
        "local" => vec![attributes.local()?],
        "image" => attributes.image(false)?,
        "registry" => attributes.image(true)?,
        "cacheonly" => Vec::new(),
        other => {
            let reason = format!("there is no type `{other}`");
            return Err(refuse(value, &reason, Some(TYPES)));
        }
    };
    let names = attributes.names()?;
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
            refuse(
                self.value,
                &reason,
                Some("name a file with dest=FILE, or `-` for standard output"),
            )
        })
    }

    fn compression(&mut self) -> Result<LayerCompression> {
        let format = match self.take("compression").as_deref() {
            None | Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some("uncompressed") => Compression::None,
            Some(other) => {
                let reason = format!("layers cannot be compressed as `{other}`");
                return Err(refuse(
                    self.value,
                    &reason,
                    Some("choose gzip, zstd or uncompressed"),
                ));
            }
        };
        let levels = match format {
            Compression::Zstd => 1..=22,
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
                    return Err(refuse(self.value, &reason, Some(&hint)));
                }
            },
        };
        Ok(LayerCompression { format, level })
    }

    fn oci(&mut self) -> Result<Output> {
        if self.take_bool("oci-mediatypes")? == Some(false) {
            return Err(refuse(
                self.value,
                "an OCI layout has OCI media types",
                Some("use type=docker"),
            ));
        }
        Ok(Output::OciLayout {
            destination: self.needed_destination()?,
            tar: self.take_bool("tar")?.unwrap_or(true),
            compression: self.compression()?,
        })
    }

    fn docker(&mut self) -> Result<Output> {
        if self.take_bool("oci-mediatypes")? == Some(true) {
            return Err(refuse(
                self.value,
                "a docker archive has docker's media types",
                Some("use type=oci"),
            ));
        }
        if self.take_bool("tar")? == Some(false) {
            let reason = "a docker archive is one tar";
            return Err(refuse(
                self.value,
                reason,
                Some("use type=oci,tar=false for a directory"),
            ));
        }
        // Without a place to go to, buildx loads it into docker: the local store is in its place here.
        let Some(destination) = self.destination() else {
            return Ok(Output::Store);
        };
        Ok(Output::DockerArchive {
            destination,
            compression: self.compression()?,
        })
    }

    fn local(&mut self) -> Result<Output> {
        match self.needed_destination()? {
            Destination::Path(path) => Ok(Output::Local(path)),
            Destination::Stdout => {
                let reason = "files cannot go to standard output";
                Err(refuse(self.value, reason, Some("use type=tar")))
            }
        }
    }

    fn image(&mut self, pushed: bool) -> Result<Vec<Output>> {
        let push = self.take_bool("push")?.unwrap_or(pushed);
        let mut outputs = Vec::new();
        if !pushed {
            outputs.push(Output::Store);
        }
        // How it is written concerns the registry alone: the store keeps trees.
        if push {
            outputs.push(Output::Registry {
                compression: self.compression()?,
                oci_media_types: self.take_bool("oci-mediatypes")?.unwrap_or(true),
            });
        }
        match outputs.as_slice() {
            [] => Err(refuse(
                self.value,
                "a registry without a push",
                Some("remove push=false"),
            )),
            _ => Ok(outputs),
        }
    }

    fn names(&mut self) -> Result<Vec<ImageReference>> {
        if matches!(self.kind.as_str(), "tar" | "local" | "cacheonly") {
            return Ok(Vec::new());
        }
        let Some(names) = self.take("name") else {
            return Ok(Vec::new());
        };
        names
            .split(',')
            .map(|name| {
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
        let known = match self.kind.as_str() {
            "oci" => "dest, tar, name, compression, compression-level, oci-mediatypes",
            "docker" => "dest, name, compression, compression-level",
            "tar" | "local" => "dest",
            "image" | "registry" => {
                "name, push, and with a push compression, compression-level, oci-mediatypes"
            }
            _ => "none",
        };
        let reason = format!("type {} has no attribute `{key}`", self.kind);
        Err(refuse(
            self.value,
            &reason,
            Some(&format!("its attributes are: {known}")),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compression(format: Compression, level: Option<i32>) -> LayerCompression {
        LayerCompression { format, level }
    }

    fn path(path: &str) -> Destination {
        Destination::Path(path.into())
    }

    #[test]
    fn outputs_are_read_as_buildx_reads_them() {
        let gzip = compression(Compression::Gzip, None);
        let pushed = |compression, oci_media_types| Output::Registry {
            compression,
            oci_media_types,
        };
        let cases: [(&str, &[Output]); 14] = [
            ("out", &[Output::Local("out".into())]),
            ("-", &[Output::Tar(Destination::Stdout)]),
            ("type=local,dest=out", &[Output::Local("out".into())]),
            ("type=tar,dest=-", &[Output::Tar(Destination::Stdout)]),
            (
                "type=oci,dest=x",
                &[Output::OciLayout {
                    destination: path("x"),
                    tar: true,
                    compression: gzip,
                }],
            ),
            (
                "\"dest=a,b\",type=oci,tar=false",
                &[Output::OciLayout {
                    destination: path("a,b"),
                    tar: false,
                    compression: gzip,
                }],
            ),
            (
                "type=oci,dest=x,compression=zstd,compression-level=19",
                &[Output::OciLayout {
                    destination: path("x"),
                    tar: true,
                    compression: compression(Compression::Zstd, Some(19)),
                }],
            ),
            (
                "type=docker,dest=x,compression=uncompressed",
                &[Output::DockerArchive {
                    destination: path("x"),
                    compression: compression(Compression::None, None),
                }],
            ),
            ("type=docker", &[Output::Store]),
            ("type=image", &[Output::Store]),
            ("type=image,push=true", &[Output::Store, pushed(gzip, true)]),
            ("type=registry", &[pushed(gzip, true)]),
            (
                "type=registry,oci-mediatypes=false,compression-level=1",
                &[pushed(compression(Compression::Gzip, Some(1)), false)],
            ),
            ("type=cacheonly", &[]),
        ];
        for (value, expected) in cases {
            let (outputs, _) = one(value).unwrap();
            assert_eq!(outputs, expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (value, said) in [
            ("", "empty"),
            ("type=floppy,dest=x", "floppy"),
            ("dest=x", "no type"),
            ("type=oci", "dest"),
            ("type=tar", "dest"),
            ("type=local,dest=-", "standard output"),
            ("type=oci,dest=x,colour=red", "colour"),
            ("type=local,dest=x,name=y", "name"),
            ("type=oci,dest=x,tar=maybe", "maybe"),
            ("type=oci,dest=x,compression=lzma", "lzma"),
            ("type=oci,dest=x,compression-level=11", "11"),
            ("type=docker,dest=x,tar=false", "one tar"),
            ("type=image,compression=zstd", "compression"),
            ("type=image,name=UPPER", "UPPER"),
            ("type=registry,push=false", "push"),
            ("type=oci,x", "`x`"),
        ] {
            let error = one(value).unwrap_err().to_string();
            assert!(error.contains(said), "{value}: {error}");
        }
    }

    #[test]
    fn without_outputs_the_image_goes_to_the_store() {
        let outputs = |values: &[&str], push, load| {
            let values: Vec<_> = values.iter().map(|&value| value.to_owned()).collect();
            parse(&values, push, load).map(|outputs| outputs.outputs)
        };
        assert_eq!(outputs(&[], false, false).unwrap(), [Output::Store]);
        assert_eq!(outputs(&[], true, false).unwrap(), [registry()]);
        assert_eq!(
            outputs(&[], true, true).unwrap(),
            [registry(), Output::Store]
        );
        assert_eq!(outputs(&["type=cacheonly"], false, false).unwrap(), []);
        assert_eq!(
            outputs(&["type=image,push=true"], true, true).unwrap(),
            [Output::Store, registry()]
        );
        assert!(outputs(&["-", "type=oci,dest=-"], false, false).is_err());
        assert!(
            outputs(
                &["type=image,name=a", "type=docker,dest=x,name=b"],
                false,
                false
            )
            .is_err()
        );
    }
}
