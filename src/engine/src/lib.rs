//! Executes a graph: resolves images, schedules steps, keeps their results, exports images.
//!
//! - [`engine`]: an open store, and what can be done with it
//! - [`request`]: what a build is asked for, and what it made
//! - [`events`]: what a build tells those who watch it
//! - [`catalog`]: the images of the store; [`load`]: images from and to files; [`transfer`]: from and to registries
//! - `build`: the tasks of one build, one for each node of the graph
//! - `run_step`, `file_step`, `stack_step`, `expect_step`, `objects_step`, `contexts`, `remote`, `images`, `unpack`, `changesets`, `layers`,
//!   `export`, `written`: what the nodes do, by kind
//! - `explain`: what a build would do
//! - `deliver`: the images of all platforms to where they were asked for, with [`annotations`]
//! - `snapshots`, `conflicts`, `cache_mounts`, `wasi`, `foreign`, `limits`, `history`, `write`: what they need

pub mod annotations;
pub mod catalog;
pub mod config;
pub mod engine;
pub mod error;
pub mod events;
pub mod load;
pub mod peek;
pub mod request;
pub mod transfer;

mod build;
mod cache_mounts;
mod changesets;
mod conflicts;
mod contexts;
mod deliver;
mod expect_step;
mod explain;
mod export;
mod file_step;
mod foreign;
mod history;
mod images;
mod layers;
mod limits;
mod objects_step;
mod remote;
mod run_step;
mod snapshots;
mod stack_step;
mod unpack;
mod wasi;
mod write;
mod written;

pub use engine::Engine;
pub use error::{Error, Result};
pub use load::{Loaded, SaveFormat};
pub use request::{
    BuildRequest, Built, Destination, Epoch, ImageOptions, ImageRequest, LayerCompression,
    LocalContext, Output, PlatformExport, TreeOptions,
};
pub use stromatekt_files::Owners;
