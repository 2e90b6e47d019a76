//! `compat generate`: cases by chance, as folders.

use std::path::PathBuf;
use std::process::ExitCode;

use stromatekt_compat::generate::generate;
use stromatekt_compat::{Error, Result};

/// What to write.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first seed: equal seeds, equal cases
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// How many cases
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    count: u64,
    /// The folder, as a group of a corpus
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes them.
///
/// # Errors
///
/// A file cannot be written.
pub fn run(args: &Args) -> Result<ExitCode> {
    for seed in args.seed..args.seed.saturating_add(args.count) {
        let case = generate(seed);
        let folder = args.out.join(&case.name);
        case.write(&folder).map_err(|error| Error::File {
            what: "write",
            path: folder,
            error,
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
