//! The secrets of a build, and where their values are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What steps ask for.
    pub id: String,
    /// Where its value is.
    pub source: SecretSource,
}

/// Where the value of a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// In an environment variable of this process.
    Env(String),
}

/// The secrets that were given to a build, by id.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    by_id: BTreeMap<String, SecretSource>,
}

impl Secrets {
    /// Adds one; of equal ids the last counts.
    pub fn insert(&mut self, secret: Secret) {
        self.by_id.insert(secret.id, secret.source);
    }

    /// Whether one with this id was given.
    pub fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The value of the secret; nothing if it was not given.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn value(&self, id: &str) -> Result<Option<Vec<u8>>> {
        match self.by_id.get(id) {
            None => Ok(None),
            // BuildKit: a variable that is not set is an empty secret.
            Some(SecretSource::Env(name)) => Ok(Some(
                std::env::var_os(name)
                    .map(OsString::into_vec)
                    .unwrap_or_default(),
            )),
            Some(SecretSource::File(path)) => std::fs::read(path)
                .map(Some)
                .map_err(Error::file("read the secret", path)),
        }
    }
}
