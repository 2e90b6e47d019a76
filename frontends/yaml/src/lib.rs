//! Pipelines in YAML, for people: named tasks that say what they are `on`, images composed of what tasks changed. No I/O of its own.
//!
//! [`load`] reads a file with its libraries and Dockerfiles, [`lower`] makes a graph of that. Lowering must know the configs of bases; as it
//! does no I/O, it says which ones ([`Lowering::NeedsImages`](stromatekt_pipeline::Lowering)) and is started again with them. What is wrong is
//! a [`Problem`](stromatekt_pipeline::Problem) with its place. [`write()`] makes a pipeline of a graph, [`schema()`] is for editors,
//! `REFERENCE.md` for people.
//!
//! ```yaml
//! bases: {debian: "debian:12"}
//! tasks:
//!   deps: {on: debian, run: apt-get install --yes libfoo}
//!   app:  {on: debian, copy: {files: src, to: /src}, run: make -C /src install}
//! images:
//!   app: {layers: [debian, deps, app], config: {cmd: [app]}, tags: app:1}
//! ```
//!
//! What each entry of `layers`, or of a list in `on`, brings:
//! - the first one is taken whole: a base with all its layers, a task with all that is below it;
//! - of each other one only what it changed itself: of a task its own changeset, of a base or source all that is in it. So `deps` and
//!   `app`, which both ran on `debian`, are recombined without running again; where both changed one path differently, and no order is
//!   declared (`ordered: true`, or one `on` the other), that is an error that names both;
//! - `NAME.layers[0]` and `NAME.layers[1..3]` (both ends included) are single layers.
//!
//! The config of an image starts as that of the first entry's base, as docker has it. The `env`, `workdir`, `user` and `shell` of a task
//! are for its own steps alone; they start as those of the base's config. What is done `with` other programs sees what the task did so far on
//! top of those programs' files; only what it changes becomes part of the task.
//!
//! Inside: `language` has the tables of all fields; `load` reads files, `program` resolves names, `read` makes a `spec` of each value;
//! `order` finds what comes first, `builder` and its siblings make nodes of it.

mod builder;
mod config;
mod duration;
mod environment;
mod expand;
mod image;
pub mod language;
mod load;
mod lower;
mod made;
mod names;
mod needs;
mod order;
mod process;
mod program;
mod read;
mod reference;
mod schema;
mod scope;
mod spec;
mod stacking;
mod stage;
mod steps;
mod variables;
mod write;

pub use load::{Pipeline, load};
pub use lower::lower;
pub use reference::reference;
pub use schema::schema;
pub use write::{NamedImage, Source, WriteError, write};
