//! What outlives a build: trees, step results, layers, blobs, images and their names.
//!
//! ```text
//! <root>/
//!   config.json          written by the person who runs builds, optional
//!   store.db             SQLite (WAL): the rows below
//!   blobs/sha256/<hex>   compressed layers, complete and verified, named by their digest
//!   gate                 locked by each process as long as it has the store open; by one alone while it prunes
//!   leases/<lease>       one file for each running process, locked by it as long as it lives
//!   scratch/<lease>/     its temporary files
//!   cache-mounts/        directories of `RUN --mount=type=cache`
//!   git/, downloads/     what was fetched from repositories and web servers, to fetch less the next time
//!   btrfs.img, btrfs/    the embedded file system with the snapshots, where no other btrfs is used
//! ```
//!
//! A snapshot is named `<lease>.<number>`. It belongs to its lease until a row of [`trees`] names it. When a process dies, whoever
//! comes next finds its lease unlocked, and removes the snapshots that no row names and the temporary files
//! ([`Store::dead_leases`]). So a build killed at any instant leaves nothing that is not found again.
//!
//! Rows are committed after the files they name are complete. Files are not synced one by one: a row carries the id of the boot in
//! which it was written until a sync of the file systems has passed ([`durability`]); after a crash of the machine, rows
//! of an earlier boot that were never synced are dropped.

pub mod blobs;
pub mod database;
pub mod durability;
pub mod error;
pub mod file_hashes;
pub mod images;
pub mod layers;
pub mod lease;
pub mod listings;
pub mod peek;
pub mod prune;
pub mod recipes;
pub mod trees;

pub use database::Store;
pub use error::{Error, Result};
pub use images::{ImageRecord, LayerRecord};
pub use layers::{DiffRecord, Layer};
pub use lease::{DeadLease, Lease};
pub use listings::{ListedImage, Listing};
pub use recipes::Recipe;
pub use trees::{Kept, TreeId};
