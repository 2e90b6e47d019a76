//! Dockerfiles to graphs: stages, scoping of args, expansion, and lowering of each instruction. No I/O.
//!
//! [`parse`] makes a [`Dockerfile`] of a text, [`lower`] makes a graph of that. Lowering must know the configs of base images, for
//! their variables and triggers; as it does no I/O, it says which ones ([`Lowering::NeedsImages`]) and is started again with them.
//! What is wrong is an [`Error`] with a place in the text, and a help.
//!
//! Inside: `plan` resolves every name that does not depend on a stage's variables, `ready` finds what the target needs, `lower` goes
//! through that; for each instruction, `effect` expands it and changes the config, `copy` and `run` append what makes layers; `export`
//! ends the graph.
//!
//! What other frontends have in common with Dockerfiles is public: [`inherit`] the config of a base, [`paths`], [`chmod`] modes, [`ports`],
//! [`signals`], [`git_url`].
//!
//! A `# syntax=` line may name any release of docker's own frontend: all of them are this one. Another frontend is an error.
//! On the way, [`Checks`] look at the rules that docker's frontend warns of.

mod build_args;
pub mod checks;
pub mod chmod;
mod copy;
mod effect;
mod environment;
mod error;
mod expand;
mod export;
pub mod git_url;
mod go_text;
pub mod inherit;
mod labels;
mod lower;
mod lowered;
mod mount;
mod options;
mod outline;
pub mod paths;
mod plan;
pub mod ports;
mod reading;
mod reading_copy;
mod reading_run;
mod ready;
mod run;
pub mod signals;
mod source;
mod state;
mod targets;

pub use build_args::proxy_environment;
pub use checks::{Checks, Rule, Violation};
pub use error::{Error, Problem, Result};
pub use lower::{bases, lower, lower_checked};
pub use lowered::{ImageConfigs, ImageRequest, Lowered, LoweredImage, Lowering};
pub use options::{Entitlement, NamedContext, NoCache, Options};
pub use outline::{Credential, Outline, OutlineArg};
pub use stromatekt_dockerfile_parser::{Dockerfile, Span, Warning, boolean, csv, duration};
pub use targets::{Target, targets};

/// Reads a Dockerfile.
///
/// # Errors
/// When docker would refuse it, too, whatever it was built with.
pub fn parse(text: &str) -> Result<Dockerfile> {
    Ok(stromatekt_dockerfile_parser::parse(text)?)
}

/// What comes before the first error of a text that is no Dockerfile, where at least its instructions can be told apart.
#[must_use]
pub fn parse_sound_part(text: &str) -> Option<Dockerfile> {
    stromatekt_dockerfile_parser::parse_sound_part(text)
}
