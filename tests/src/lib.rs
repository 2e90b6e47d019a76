//! The harness of the end-to-end tests: a store of one's own, contexts from tables, builds, and what came out of them.
//!
//! - [`binary`]: the `stromatekt` that is tested
//! - [`command`]: running a command with a time limit, and its outcome
//! - [`lab`]: a state directory with base images in it, unmounted in the end
//! - [`context`]: build contexts from tables of paths and texts
//! - [`build`]: one `stromatekt build`
//! - [`progress`]: the steps in `--progress plain`
//! - [`image`]: an OCI layout, read and verified
//! - [`rootfs`]: the files that an image's layers add up to
//! - [`layout`]: writing OCI layouts and archives, sound or broken
//! - [`docker`], [`registry`], [`http`]: the other side, on this machine
//! - [`requirement`]: what a test needs that a machine may not have

pub mod binary;
pub mod build;
pub mod command;
pub mod context;
pub mod docker;
pub mod http;
pub mod image;
pub mod lab;
pub mod layout;
pub mod progress;
pub mod registry;
pub mod requirement;
pub mod rootfs;

pub use build::Build;
pub use command::Outcome;
pub use context::Context;
pub use image::Image;
pub use lab::Lab;
pub use rootfs::Rootfs;
