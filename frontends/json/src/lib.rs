//! JSON pipelines to graphs, and graphs to JSON pipelines. No I/O.
//!
//! [`lower`] makes a graph of a [`Document`](stromatekt_pipeline::Document). Where it must know the config of an image, it says so, and is
//! started again with it. [`schema()`] describes the format for editors, every field with what it does.
//!
//! A pipeline has timelines: steps one after another, each on a tree that is empty at first. What one makes, others name: its result, and the
//! changesets between its steps, which can be stacked in any order and on any base. So timelines run at the same time unless one names another.
//! How names are looked up is in `scope`.
//!
//! Inside, the document goes one way: `read` and its siblings make a `model` of it, `scope` and `order` look up all names, `timeline` carries
//! out the steps with `build`, which holds the graph, and `imports`, and `image` ends it. [`write`] goes the other way.

mod allowed;
mod build;
mod image;
mod imports;
mod lower;
mod model;
mod order;
mod read;
mod read_config;
mod read_files;
mod read_mount;
mod read_run;
mod read_step;
mod schema;
mod scope;
mod step_files;
mod step_run;
mod timeline;
mod write;
mod write_chains;
mod write_check;
mod write_images;
mod write_names;
mod write_steps;

pub use allowed::{Allowed, allowed};
pub use lower::lower;
pub use schema::schema;
pub use write::{ImageToWrite, WriteError, write};
