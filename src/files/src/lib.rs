//! Copies files between trees with the semantics of COPY, ADD and WORKDIR.
//!
//! A copy has three parts: [`select()`] walks the source once and finds what the patterns take; [`digest()`] tells the content of that, which
//! is the key of the copy; [`copy()`] puts it into a tree. [`tree_digest()`] and [`copy_tree()`] do the same for whole directories, as they are. All of it is synchronous, and uses several threads where that is a gain.
//!
//! - [`glob`]: the wildcards of source paths
//! - [`patterns`]: the patterns of `--exclude`, `--parents` and ignore files
//! - [`ignore`]: what of a build context must not be seen
//! - [`owner`], [`mode`]: `--chown` and `--chmod`

mod archive;
mod contents;
mod copy;
mod digest;
mod directory;
mod error;
pub mod glob;
pub mod ignore;
mod locate;
pub mod mode;
mod over;
pub mod owner;
mod parallel;
pub mod patterns;
mod place;
mod select;
mod tree;
mod walk;
mod write;

pub use copy::{Content, Copied, copy, on_its_own};
pub use digest::{FileHashes, FileKey, digest, tree_digest};
pub use directory::make_directory;
pub use error::{Error, Result};
pub use ignore::{IgnoreFilter, IgnoreRules};
pub use over::{lay_over, over};
pub use select::{Owners, Selection, Source, select};
pub use tree::copy_tree;
