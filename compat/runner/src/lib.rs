//! The corpus of `compat/cases`, built with docker and with stromatekt, and compared.
//!
//! [`Case::load`] reads a case from its folder, [`Laboratory::run`] builds it with all builders and gives a [`Verdict`], [`run()`] does so
//! for many at the same time, and a [`Report`] tells it in Markdown. Cases of a generator are folders of the same kind, and go the same way.
//!
//! - [`mod@case`], [`definition`]: what a case is
//! - [`private_copy`], [`server`], [`bases`]: what builds need
//! - [`docker`], [`stromatekt`], [`builders`]: who builds
//! - [`blame`], [`expect`], [`judge`], [`verdict`]: what comes of it
//! - [`generate`]: cases by chance, to find differences that nobody thought of
//! - [`laboratory`], [`mod@run`], [`report`], [`pattern`]: all together

pub mod bases;
pub mod blame;
pub mod builders;
pub mod case;
mod command;
pub mod definition;
pub mod docker;
pub mod error;
pub mod expect;
pub mod generate;
pub mod judge;
pub mod laboratory;
pub mod pattern;
pub mod private_copy;
pub mod report;
pub mod requirement;
pub mod run;
pub mod server;
pub mod stromatekt;
pub mod verdict;

pub use case::{Case, corpus};
pub use error::{Error, Result};
pub use laboratory::{Laboratory, Options};
pub use report::Report;
pub use run::run;
pub use verdict::{Count, Finding, Outcome, Verdict};
