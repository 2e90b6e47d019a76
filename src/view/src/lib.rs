//! Pictures of a build: its plan before it runs, and its timeline afterwards. No I/O: every renderer returns text.
//!
//! - [`plan`]: what would be done, in which order, and why; as text, Graphviz, JSON, SVG and a page
//! - [`timeline`]: who ran when, and what waited for what; as a page and in Chrome's trace format
//! - `layout`: where the boxes and lines of a layered drawing go
//! - `page`: the page around both pictures: search, details, light and dark; a page asks for nothing outside of itself
//! - `escape`: texts of others in markup and on terminals

mod escape;
mod layout;
mod page;
pub mod plan;
pub mod timeline;

pub use escape::line;
