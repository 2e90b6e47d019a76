//! What stromatekt asks of the Linux kernel beyond the standard library: the only crate with unsafe code.
//!
//! Calls on names that an image or a build chose return plain [`std::io::Result`]s, since the caller knows which entry of
//! which image was meant; the others return [`Error`], which names the file that they were about.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod beneath;
pub mod btrfs;
pub mod confine;
pub mod direct;
pub mod entry;
pub mod loopdev;
pub mod mount;
pub mod process;
pub mod reflink;
pub mod send_stream;
pub mod stat;
pub mod xattr;

mod error;
mod remove;

pub use beneath::Root;
pub use error::{Error, Result};
pub use stat::{FileKind, Stat, Timestamp};
