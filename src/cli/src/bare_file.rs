//! `stromatekt FILE.json [--no-dry-run] [OPTIONS] [CONTEXT]`: a pipeline in the place of a verb is planned, or built.

use std::ffi::{OsStr, OsString};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::{Cli, Command};
use crate::prepare::is_pipeline;

/// What turns a plan into a build.
const NO_DRY_RUN: &str = "--no-dry-run";

/// Understands the command line of this process.
///
/// # Errors
/// When it cannot be understood, or asks for help.
pub fn parse() -> Result<Cli, clap::Error> {
    let mut typed = Cli::try_parse()?;
    if let Command::Other(words) = &typed.command
        && let Some(expanded) = expand(words)
    {
        // What stands before the file is for both.
        typed.command = expanded?.command;
    }
    Ok(typed)
}

/// The command line that says the same with a verb, where a pipeline stands in the place of one.
///
/// # Errors
/// When the rest of the command line cannot be understood.
fn expand(typed: &[OsString]) -> Option<Result<Cli, clap::Error>> {
    let (file, rest) = typed.split_first()?;
    if !is_pipeline(Some(file)) {
        return None;
    }
    let builds = rest.iter().any(|arg| arg == NO_DRY_RUN);
    let verb = if builds { "build" } else { "plan" };
    let mut line: Vec<OsString> = ["stromatekt", verb, "--file"].map(OsString::from).into();
    line.push(file.clone());
    line.extend(rest.iter().filter(|arg| *arg != NO_DRY_RUN).cloned());
    let parsed = Cli::try_parse_from(&line);
    Some(match parsed {
        // The directory that one stands in.
        Err(error) if lacks_context(&error) => {
            line.push(OsStr::new(".").to_owned());
            Cli::try_parse_from(&line)
        }
        parsed => parsed,
    })
}

fn lacks_context(error: &clap::Error) -> bool {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.as_slice(),
        _ => &[],
    };
    error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(missing, [context] if context.contains("CONTEXT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(typed: &[&str]) -> Option<Cli> {
        let typed: Vec<OsString> = typed.iter().map(OsString::from).collect();
        expand(&typed).map(Result::unwrap)
    }

    #[test]
    fn a_pipeline_in_the_place_of_a_verb_is_built_where_it_is_no_dry_run() {
        assert!(expanded(&["frobnicate", "x.json"]).is_none());
        for (typed, context) in [
            (&["./a/x.json", "--no-dry-run"][..], "."),
            (&["x.yaml", "--tag", "name", "--no-dry-run", "dir"], "dir"),
        ] {
            let Some(Command::Build(args)) = expanded(typed).map(|cli| cli.command) else {
                panic!("{typed:?} builds");
            };
            assert_eq!(args.context, context);
            assert_eq!(args.file.as_deref(), Some(OsStr::new(typed[0])));
        }
        assert!(matches!(
            expanded(&["x.json"]).map(|cli| cli.command),
            Some(Command::Plan(_))
        ));
    }
}
