//! All of `compat/cases` against docker, as one test.
//!
//! Words on the command line choose the cases whose name has one of them: `cargo test -p stromatekt-compat copy/`.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use stromatekt_compat::definition::Reference;
use stromatekt_compat::run::default_jobs;
use stromatekt_compat::{
    Case, Count, Error, Laboratory, Options, Outcome, corpus, requirement, run,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        // Whoever lists tests asks for those of a harness.
        return ExitCode::SUCCESS;
    }
    match all(&args) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("corpus: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn all(args: &[String]) -> Result<ExitCode, Error> {
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let corpus = corpus(&requirement::compat().join("cases"), &[])?;
    let unsound = corpus.failures();
    for verdict in &unsound {
        say(&verdict.lines());
    }
    let mut cases: Vec<Case> = corpus.cases;
    cases.retain(|case| {
        words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()))
    });
    if cases.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let laboratory = Laboratory::open(Options {
        stromatekt: stromatekt_tests::binary::stromatekt().clone(),
        lab: requirement::lab(),
        recipes: requirement::compat().join("bases"),
        against: Reference::ALL.to_vec(),
        keep: false,
    });
    let laboratory = match laboratory {
        Ok(laboratory) => laboratory,
        Err(error @ Error::Docker { .. }) if !requirement::is_docker_required() => {
            say(&format!("corpus skipped: {error}"));
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error),
    };
    laboratory.provide_bases(&cases)?;
    let verdicts = run(
        &laboratory,
        &cases,
        default_jobs(),
        &AtomicBool::new(false),
        &|verdict| {
            // Hundreds of lines that say "ok" would hide the one that matters.
            if verdict.outcome != Outcome::Passed {
                say(&verdict.lines());
            }
        },
    );
    let count = Count::of(verdicts.iter().chain(&unsound));
    say(&format!("corpus: {count}"));
    Ok(if count.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(text: &str) {
    // There is nobody to tell where standard output is gone.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
