//! Image formats: names, descriptors, configs, layers, and the places images are read from and written to.
//!
//! What the OCI image-spec defines is here and nothing of builds: a [`changeset`] becomes a layer ([`pack`]),
//! a layer becomes files ([`unpack`]), and whole images come from layouts, archives and registries.

#![forbid(unsafe_code)]

pub mod archive;
pub mod changeset;
pub mod compress;
pub mod config;
pub mod descriptor;
pub mod digest;
pub mod error;
pub mod image;
pub mod layout;
pub mod pack;
pub mod platform;
pub mod read_ahead;
pub mod reference;
pub mod rootfs_tar;
pub mod source;
pub mod time;
pub mod unpack;

mod apply;
mod directories;
mod gzip;
mod image_tar;
mod tar;
mod tree_writer;
mod write_behind;

pub use changeset::Changeset;
pub use compress::{Compression, Compressor, decompress};
pub use config::{ContainerConfig, HealthConfig, History, ImageConfig, RootFs};
pub use descriptor::{Descriptor, Index, Manifest, MediaType};
pub use digest::{Digest, HashingReader, HashingWriter};
pub use error::{Error, Result};
pub use platform::Platform;
pub use reference::ImageReference;
