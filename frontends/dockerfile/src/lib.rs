//! Dockerfiles to graphs: stages, scoping of args, expansion, and lowering of each instruction. No I/O.

mod chmod;
mod environment;
mod epoch;
mod git_url;
mod go_text;
mod labels;
mod lowered;
mod options;
mod paths;
mod ports;
mod signals;
mod state;

pub use lowered::{ImageConfigs, ImageRequest, Lowered, Lowering};
pub use options::{Entitlement, NamedContext, NoCache, Options};
