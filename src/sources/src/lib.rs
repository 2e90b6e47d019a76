//! What comes over a network: images of registries, files of web servers, git repositories.
//!
//! Everything is asynchronous, and ends when its future is dropped: connections are closed, processes killed.

pub mod docker_config;
pub mod error;
pub mod git;
pub mod http;
pub mod login;
pub mod registry;

mod credentials;
mod feed;
mod network;
mod redact;
mod retry;
#[cfg(test)]
mod test_server;

pub use error::{Error, Result};
pub use feed::{Feed, Stopper};
