//! `stromatekt schema`: what editors need to know about pipelines.

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::output::print;

/// The options of `schema`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Of which format
    #[arg(value_name = "FORMAT", value_enum)]
    format: Format,
}

/// A format of pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Yaml,
    /// For machines.
    Json,
}

/// Prints the JSON Schema (2020-12).
///
/// # Errors
/// When nobody reads it.
pub fn run(args: &Args) -> Result<()> {
    let schema = match args.format {
        Format::Yaml => stromatekt_yaml::schema(),
        Format::Json => stromatekt_json::schema(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(|source| Error::Json { source })?;
    print(&format!("{text}\n"))
}
