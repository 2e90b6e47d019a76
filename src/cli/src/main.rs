//! `stromatekt`, the command: parses the command line, runs the verb, reports what went wrong.

mod annotations;
mod bare_file;
mod base_images;
mod call_options;
mod call_result;
mod cli;
mod commands;
mod compat;
mod context;
mod context_files;
mod docker_json;
mod environment;
mod error;
mod excerpt;
#[cfg(test)]
mod flags_table;
mod foreign_verbs;
mod format;
mod git_labels;
mod image_requests;
mod interrupt;
mod limits;
mod long_lines;
mod named_context;
mod numbers;
mod options;
mod output;
mod output_attributes;
mod outputs;
mod pictures;
mod prepare;
mod progress;
mod report;
mod result_files;
mod root;
mod secrets;
mod settings;
mod template;
mod unsupported;
mod user_config;

use std::num::NonZero;
use std::process::ExitCode;
use std::thread;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::LogLevel;

/// What docker exits with when it does not understand an option.
const USAGE: u8 = 125;

/// More threads than these have nothing to do: what takes time is done by blocking threads and processes.
const MAX_WORKERS: usize = 4;

fn main() -> ExitCode {
    let cli = match bare_file::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and go to standard output. A reader that went away wants no more of them.
            let _ = error.print();
            return ExitCode::from(exit_code(&error));
        }
    };
    trace(cli.log_level());
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MAX_WORKERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => return report::report(&error::Error::Runtime { source }),
    };
    let result = runtime.block_on(commands::run(cli));
    // A thread that reads standard input must not hold the end of the program.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::report(&error),
    }
}

/// As docker's: 125 for an option, 1 for an argument that is missing or too much, 0 for help, asked for or not.
fn exit_code(error: &clap::Error) -> u8 {
    let is_option = || match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(arg)) => arg.starts_with('-'),
        _ => true,
    };
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => 0,
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand => 1,
        ErrorKind::UnknownArgument if !is_option() => 1,
        _ if error.use_stderr() => USAGE,
        _ => 0,
    }
}

/// Shows the log of the libraries where `STROMATEKT_LOG` asks for it (`STROMATEKT_LOG=debug`), or docker's options do.
fn trace(level: LogLevel) {
    let asked = tracing_subscriber::EnvFilter::try_from_env("STROMATEKT_LOG").ok();
    let filter = match (asked, level) {
        (Some(filter), _) => filter,
        (None, LogLevel::Debug) => tracing_subscriber::EnvFilter::new("stromatekt=debug"),
        (None, _) => return,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
