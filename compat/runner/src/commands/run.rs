//! `compat run`: cases of the corpus.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use stromatekt_compat::definition::Reference;
use stromatekt_compat::run::default_jobs;
use stromatekt_compat::{
    Case, Count, Error, Laboratory, Options, Report, Result, Verdict, corpus, requirement,
    run as run_cases,
};

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cases, as GROUP/NAME with `*` and `?`, or a GROUP [default: all]
    #[arg(value_name = "CASE")]
    cases: Vec<String>,
    /// Print the cases with their points, and run none
    #[arg(long)]
    list: bool,
    /// The binary to test [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    stromatekt: Option<PathBuf>,
    /// What to compare with
    #[arg(
        long,
        value_name = "BUILDER",
        value_delimiter = ',',
        default_value = "buildkit,classic"
    )]
    against: Vec<Reference>,
    /// Keep the copies and images of the cases, and say where
    #[arg(long)]
    keep: bool,
    /// Write a report in Markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// How many cases run at the same time [default: twice the processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// The folder of cases [default: compat/cases]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Where base images and docker are [default: the cache directory]
    #[arg(long, value_name = "DIR", env = "STROMATEKT_LAB")]
    lab: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
///
/// A case is not sound, or the builders cannot be had. Cases that fail are no error: the exit code tells them.
pub fn run(args: Args) -> Result<ExitCode> {
    let folder = args
        .corpus
        .clone()
        .unwrap_or_else(|| requirement::compat().join("cases"));
    let corpus = corpus(&folder, &args.cases)?;
    let cases = &corpus.cases;
    let unsound = corpus.failures();
    if args.list {
        for case in cases {
            say(&format!("{}  {}", case.name, case.point));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        stromatekt: args.stromatekt.clone().unwrap_or_else(beside),
        lab: args.lab.clone().unwrap_or_else(requirement::lab),
        recipes: requirement::compat().join("bases"),
        against: args.against.clone(),
        keep: args.keep,
    };
    for verdict in &unsound {
        say(&verdict.lines());
    }
    let stop = stop_on_signals();
    let laboratory = match Laboratory::open(options) {
        Ok(laboratory) => laboratory,
        Err(error @ Error::Docker { .. }) if !requirement::is_docker_required() => {
            skip(cases, &error.to_string());
            return Ok(exit_code(unsound.len()));
        }
        Err(error) => return Err(error),
    };
    laboratory.provide_bases(cases)?;
    let jobs = args.jobs.unwrap_or_else(default_jobs);
    let verdicts = run_cases(&laboratory, cases, jobs, stop, &|verdict| {
        say(&verdict.lines())
    });
    if args.keep {
        say(&format!("kept: {}", laboratory.work().display()));
    }
    let count = Count::of(verdicts.iter().chain(&unsound));
    say(&count.to_string());
    if verdicts.len() < cases.len() {
        say(&format!(
            "stopped: {} cases were not run",
            cases.len() - verdicts.len()
        ));
        return Ok(ExitCode::FAILURE);
    }
    if let Some(path) = args.report.as_ref().filter(|_| unsound.is_empty()) {
        let report = Report {
            cases,
            verdicts: &verdicts,
            versions: &laboratory.docker().versions,
            stromatekt: &laboratory.stromatekt().version,
        };
        fs::write(path, report.markdown()).map_err(|error| Error::File {
            what: "write",
            path: path.clone(),
            error,
        })?;
    }
    Ok(exit_code(count.failed))
}

fn exit_code(failed: usize) -> ExitCode {
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn skip(cases: &[Case], why: &str) {
    let verdicts: Vec<Verdict> = cases
        .iter()
        .map(|case| Verdict::skipped(case, why))
        .collect();
    for verdict in &verdicts {
        say(&verdict.lines());
    }
    say(&Count::of(&verdicts).to_string());
}

/// The binary that cargo puts into the same directory.
pub(crate) fn beside() -> PathBuf {
    env::current_exe().map_or_else(
        |_| PathBuf::from("stromatekt"),
        |own| own.with_file_name("stromatekt"),
    )
}

/// From now on, an interrupt lets the cases that run end, and begins no more; what was started is cleaned up after.
pub(crate) fn stop_on_signals() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    // Blocked before other threads begin, which inherit it; children do not.
    if signals.thread_block().is_ok() {
        std::thread::spawn(move || {
            if signals.wait().is_ok() {
                STOP.store(true, Ordering::SeqCst);
            }
        });
    }
    &STOP
}

pub(crate) fn say(text: &str) {
    // There is nobody to tell where standard output is gone.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
