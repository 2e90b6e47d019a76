//! `config.json` in the state directory: what the person who runs builds chose.

use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};

/// The choices. All of them have defaults, and so has the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A directory on btrfs for the snapshots, instead of an image file of our own.
    pub btrfs_root: Option<PathBuf>,
    /// The OCI runtime, by name or path: `runc` by default, or any with its command line.
    pub runtime: Option<PathBuf>,
    /// How many processes of steps may run at the same time.
    pub max_processes: Option<NonZero<u32>>,
}

impl Config {
    /// Reads `config.json` in `root`; the defaults where there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join("config.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        serde_json::from_slice(&text).map_err(|source| Error::Config { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Config::read(root.path()).unwrap(), Config::default());
        fs::write(root.path().join("config.json"), r#"{"btrfs_rot": "/x"}"#).unwrap();
        let error = Config::read(root.path()).unwrap_err().to_string();
        assert!(error.contains("btrfs_rot"), "{error}");
        fs::write(root.path().join("config.json"), r#"{"max_processes": 0}"#).unwrap();
        assert!(Config::read(root.path()).is_err(), "nothing could ever run");
    }
}
