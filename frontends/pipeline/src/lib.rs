//! What the two frontends for pipelines have in common: texts as values with places, errors at places, and what lowering yields. No I/O.
//!
//! - [`document`]: a JSON or YAML text as a tree of [`Value`]s, each with its place
//! - [`fields`]: reading such values: what is missing, of another type or not known is a [`Problem`] with its place
//! - [`problem`]: those problems
//! - [`lowered`]: what a user can ask of a pipeline, and the graph that comes of it
//!
//! ```
//! use stromatekt_pipeline::Document;
//!
//! let document = Document::parse_yaml("p.yaml", "name: app\nstep: 3\n")?;
//! let mut fields = document.top().fields("a pipeline")?;
//! let name = fields.required("name")?.string()?;
//! let steps = fields.take("steps");
//! let problem = fields.finish().unwrap_err();
//! assert_eq!(name, "app");
//! assert!(steps.is_none());
//! assert_eq!(problem.to_string(), "p.yaml:2:1: a pipeline has no field `step`");
//! assert_eq!(problem.help.as_deref(), Some("did you mean `steps`?"));
//! # Ok::<(), stromatekt_pipeline::Problem>(())
//! ```

pub mod document;
pub mod fields;
mod hosts;
mod json;
mod limits;
pub mod lowered;
mod position;
pub mod problem;
mod yaml;
mod yaml_scalar;

pub use document::{Document, Entry, Kind, Value};
pub use fields::{Fields, Item};
pub use hosts::{check_hostname, hosts};
pub use lowered::{
    ImageConfigs, ImageRequest, Lowered, LoweredExport, LoweredImage, Lowering, Options,
};
pub use position::{Mark, Span};
pub use problem::{Place, Problem, suggest};
pub use stromatekt_dockerfile_parser::nearest;
