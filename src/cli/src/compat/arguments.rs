//! The options of `build` as they were given: what one builder is told, the other one is told as well.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::error::{Error, Result};

/// What says where the image goes, what it is called, or how progress is shown: that is not for the person to choose here.
const REFUSED: [&str; 9] = [
    "tags",
    "outputs",
    "push",
    "load",
    "iidfile",
    "metadata_file",
    "progress",
    "quiet",
    "call",
];

/// The options that were given on the command line, but those in `own` and what is not an option; each as `--name=value`.
///
/// # Errors
/// When one of them has no meaning for a comparison.
pub fn passed(command: &Command, matches: &ArgMatches, own: &[&str]) -> Result<Vec<OsString>> {
    let mut passed = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let Some(long) = arg.get_long() else { continue };
        // Of another type of options, which this command does not have.
        let Ok(true) = matches.try_contains_id(id) else {
            continue;
        };
        if own.contains(&id) || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        if REFUSED.contains(&id) {
            return Err(Error::Usage {
                what: format!("--{long} has no meaning here: both images are removed in the end"),
                hint: "build with each by itself, and compare with `stromatekt image diff`".into(),
            });
        }
        for values in matches.get_raw_occurrences(id).into_iter().flatten() {
            let mut option = OsString::from(format!("--{long}"));
            // Values that were given in one are given in one again.
            for (number, value) in values.enumerate() {
                option.push(if number == 0 { "=" } else { "," });
                option.push(value);
            }
            passed.push(option);
        }
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::options;

    fn passed_of(args: &[&str]) -> Result<Vec<String>> {
        let command = options::Args::augment_args(Command::new("compat"))
            .arg(clap::Arg::new("against").long("against"));
        let matches = command
            .clone()
            .try_get_matches_from([&["compat"], args].concat())
            .unwrap();
        let passed = passed(&command, &matches, &["against"])?;
        Ok(passed
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect())
    }

    #[test]
    fn what_was_given_is_given_again() {
        let args = [
            "-f",
            "x/Dockerfile",
            "--build-arg",
            "A=1,2",
            "--build-arg=B",
            "--against=docker",
            "--no-cache",
            "--platform=linux/amd64,linux/arm64",
            "--network",
            "none",
            "ctx",
        ];
        assert_eq!(
            passed_of(&args).unwrap(),
            [
                "--file=x/Dockerfile",
                "--build-arg=A=1,2",
                "--build-arg=B",
                "--platform=linux/amd64,linux/arm64",
                "--network=none",
                "--no-cache=true",
            ]
        );
    }

    #[test]
    fn where_the_image_goes_is_not_to_be_chosen() {
        for args in [
            &["-t", "a", "."][..],
            &["-o", "out", "."],
            &["--push", "."],
            &["--iidfile", "x", "."],
            &["-q", "."],
        ] {
            assert!(passed_of(args).is_err(), "{args:?}");
        }
    }
}
