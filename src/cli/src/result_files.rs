//! The files that tell what a build made: `--iidfile`, `--metadata-file`.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};
use stromatekt_engine::Built;

use crate::error::{Error, Result};

/// Removes a file that an earlier build wrote: a build that fails must not leave the id of another.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove_old(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove the old", path)(source))
        }
        _ => Ok(()),
    }
}

/// Writes the image's id.
///
/// # Errors
/// When the file cannot be written.
pub fn write_id(path: &Path, built: &Built) -> Result<()> {
    fs::write(path, built.id.to_string()).map_err(Error::file("write", path))
}

/// Writes what is known of the image, by buildx's names; of several, by the name of each.
///
/// # Errors
/// When the file cannot be written.
pub fn write_metadata(path: &Path, built: &[(Option<String>, Built)]) -> Result<()> {
    let text = match built {
        [(_, image)] => metadata(image),
        // As bake has it.
        several => {
            let named = several.iter().map(|(name, image)| {
                let name = name.clone().unwrap_or_default();
                (name, metadata(image))
            });
            named.collect::<Map<_, _>>().into()
        }
    };
    let text = format!("{text:#}\n");
    fs::write(path, text).map_err(Error::file("write", path))
}

fn metadata(built: &Built) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    // An index has none.
    if let Some(config) = &built.config {
        set("containerimage.config.digest", json!(config));
    }
    if let Some(descriptor) = &built.descriptor {
        set("containerimage.descriptor", json!(descriptor));
    }
    // Docker's own store has no manifests: the id stands for both there, too.
    let digest = built.descriptor.as_ref().map(|found| found.digest);
    set("containerimage.digest", json!(digest.unwrap_or(built.id)));
    if !built.names.is_empty() {
        set("image.name", json!(built.names.join(",")));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use stromatekt_oci::{Descriptor, Digest, MediaType};

    use super::*;

    #[test]
    fn metadata_has_buildxs_names() {
        let built = Built {
            id: Digest::of("config"),
            config: Some(Digest::of("config")),
            descriptor: Some(Descriptor {
                platform: "linux/amd64".parse().ok(),
                annotations: [("a".to_owned(), "b".to_owned())].into(),
                ..Descriptor::of(MediaType::OciManifest, b"manifest")
            }),
            names: vec![
                "docker.io/library/a:latest".to_owned(),
                "docker.io/library/b:2".to_owned(),
            ],
        };
        let digest = Digest::of("manifest").to_string();
        assert_eq!(
            metadata(&built),
            json!({
                "containerimage.config.digest": built.id.to_string(),
                "containerimage.descriptor": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": digest,
                    "size": 8,
                    "annotations": { "a": "b" },
                    "platform": { "architecture": "amd64", "os": "linux" },
                },
                "containerimage.digest": digest,
                "image.name": "docker.io/library/a:latest,docker.io/library/b:2",
            })
        );
        let unnamed = Built {
            descriptor: None,
            names: Vec::new(),
            ..built
        };
        let id = unnamed.id.to_string();
        assert_eq!(
            metadata(&unnamed),
            json!({ "containerimage.config.digest": id, "containerimage.digest": id })
        );
    }

    #[test]
    fn an_index_has_no_config() {
        let index = Descriptor::of(MediaType::OciIndex, b"index");
        let built = Built {
            id: index.digest,
            config: None,
            descriptor: Some(index.clone()),
            names: Vec::new(),
        };
        let digest = index.digest.to_string();
        assert_eq!(
            metadata(&built),
            json!({
                "containerimage.descriptor": {
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "digest": digest,
                    "size": 5,
                },
                "containerimage.digest": digest,
            })
        );
    }

    #[test]
    fn a_file_that_is_not_there_need_not_be_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("iid");
        remove_old(&path).unwrap();
        fs::write(&path, "old").unwrap();
        remove_old(&path).unwrap();
        assert!(!path.exists());
    }
}
