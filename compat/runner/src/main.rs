//! `compat`: the corpus of cases against docker, and stromatekt.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;

/// Builds cases with docker and with stromatekt, and compares what comes out.
#[derive(Debug, Parser)]
#[command(name = "compat", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cases of the corpus
    Run(commands::run::Args),
    /// Write generated cases
    Generate(commands::generate::Args),
    /// Build generated cases with docker and with stromatekt, and keep small ones that differ
    Fuzz(commands::fuzz::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => commands::run::run(args),
        Command::Generate(args) => commands::generate::run(&args),
        Command::Fuzz(args) => commands::fuzz::run(args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // There is nothing to be done where standard error is gone.
            let _ = writeln!(io::stderr(), "compat: {error}");
            ExitCode::from(2)
        }
    }
}
