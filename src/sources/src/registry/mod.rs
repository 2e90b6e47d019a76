//! Images of registries (OCI distribution-spec), pulled and pushed as docker does.
//!
//! The protocol is spoken by `oci-client`. What it leaves open is done here:
//!
//! - a login that fails is to it as good as none: logins are done beforehand, so that their failure is told (`session`);
//! - it knows no identity tokens (`token`);
//! - it has no retries, and its time limit for answers counts the upload, too (`session`, `push`);
//! - it panics where the system has no CA certificates, which is therefore checked before;
//! - it resolves an index for the machine that it runs on (`resolve`).

mod blob;
mod failure;
mod push;
mod resolve;
mod session;
mod token;

#[cfg(test)]
mod test_registry;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_oci::descriptor::{Descriptor, MediaType};
use stromatekt_oci::digest::Digest;

pub use push::Progress;
pub(crate) use session::{address_of as address, is_loopback};
pub(crate) use token::Challenge;

use crate::credentials::Credentials;
use session::Sessions;

/// All registries. Cheap to make and to clone; nothing is read or connected before it is used.
#[derive(Clone)]
pub struct Registry {
    sessions: Arc<Sessions>,
}

/// An image in a registry, without its layers.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteImage {
    /// The image config, as it is stored.
    pub config: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The manifest, as it is stored.
    pub manifest_json: Vec<u8>,
}

/// An image to push.
#[derive(Clone, Debug)]
pub struct PushImage {
    /// The manifest, as it is to be stored.
    pub manifest: Vec<u8>,
    /// What kind of manifest that is.
    pub manifest_type: MediaType,
    /// The image config, as it is to be stored.
    pub config: Vec<u8>,
    /// The layers, the lowest first, with the files that hold them.
    pub layers: Vec<(Descriptor, PathBuf)>,
}

/// Images to push under one name: one, or those of an index.
#[derive(Clone, Debug)]
pub struct PushIndex {
    /// The index, as it is to be stored, and which kind; none for one image.
    pub index: Option<(Vec<u8>, MediaType)>,
    /// The images.
    pub images: Vec<PushImage>,
}

impl Registry {
    /// All registries, with the logins of docker's config.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Credentials::of_user())
    }

    /// All registries, with the logins of this config file of docker's format.
    #[must_use]
    pub fn with_config(file: PathBuf) -> Self {
        Self::with(Credentials::from_file(file))
    }

    fn with(credentials: Credentials) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(credentials)),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}
