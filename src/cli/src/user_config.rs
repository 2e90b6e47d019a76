//! `~/.config/stromatekt/config.json`: what a person chose for all builds.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stromatekt_oci::reference::ImageReference;

use crate::error::{Error, Result};

/// The choices. All of them have defaults, and so has the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserConfig {
    /// A directory on btrfs, which is the state directory where `--root` names none.
    pub btrfs_root: Option<PathBuf>,
    /// About images.
    pub image: ImageConfig,
}

/// What a person chose for images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ImageConfig {
    /// OCI layouts or archives that pipelines take instead of the images by these names.
    pub oci_override: BTreeMap<String, PathBuf>,
}

impl UserConfig {
    /// Reads the file of whoever runs this (XDG Base Directory Specification).
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read() -> Result<Self> {
        let absolute = |name: &str| {
            let path = env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let directory =
            absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
        match directory {
            Some(directory) => Self::of(&directory.join("stromatekt/config.json")),
            None => Ok(Self::default()),
        }
    }

    fn of(path: &Path) -> Result<Self> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::file("understand", path)(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        let config: Self = serde_json::from_slice(&text).map_err(|error| wrong(error.into()))?;
        if let Some(root) = config
            .btrfs_root
            .as_ref()
            .filter(|root| !root.is_absolute())
        {
            let root = root.display();
            let reason = format!(
                "btrfs_root: `{root}` would be another directory each time: it must be absolute"
            );
            return Err(wrong(reason.into()));
        }
        for name in config.image.oci_override.keys() {
            // One that cannot be the name of an image would never be looked at.
            let parsed = name.parse::<ImageReference>();
            parsed.map_err(|error| wrong(format!("image.ociOverride: {error}").into()))?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_chose_is_read_and_an_unknown_word_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert_eq!(UserConfig::of(&path).unwrap(), UserConfig::default());
        fs::write(
            &path,
            r#"{"btrfs_root": "/b", "image": {"ociOverride": {"debian": "./debian"}}}"#,
        )
        .unwrap();
        let config = UserConfig::of(&path).unwrap();
        assert_eq!(config.btrfs_root, Some("/b".into()));
        assert_eq!(config.image.oci_override["debian"], Path::new("./debian"));
        fs::write(&path, r#"{"image": {"overide": {}}}"#).unwrap();
        let error = UserConfig::of(&path).unwrap_err().to_string();
        assert!(error.contains("overide"), "{error}");
        for (text, expected) in [
            (r#"{"image": {"ociOverride": {"De bian": "x"}}}"#, "De bian"),
            (r#"{"btrfs_root": "b"}"#, "must be absolute"),
        ] {
            fs::write(&path, text).unwrap();
            let error = UserConfig::of(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
