//! `compat fuzz`: generated cases built by docker and by stromatekt.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stromatekt_compare::LayerCache;
use stromatekt_compat::bases::{self, Places};
use stromatekt_compat::docker::Docker;
use stromatekt_compat::generate::{Pair, Plan, fuzz};
use stromatekt_compat::run::default_jobs;
use stromatekt_compat::stromatekt::Stromatekt;
use stromatekt_compat::{Error, Result, requirement};

use super::run::{beside, say, stop_on_signals};

/// What to try.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The first seed: equal seeds, equal cases
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// How many cases
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    count: u64,
    /// Only cases of this theme
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// The Dockerfile frontend that docker reads with, instead of its own
    #[arg(long, value_name = "REFERENCE")]
    frontend: Option<String>,
    /// Make one case of each kind of difference small, and put it here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The binary to test [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    stromatekt: Option<PathBuf>,
    /// How many cases at the same time [default: twice the processors]
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<usize>,
    /// Where base images and docker are [default: the cache directory]
    #[arg(long, value_name = "DIR", env = "STROMATEKT_LAB")]
    lab: Option<PathBuf>,
}

/// Tries it.
///
/// # Errors
///
/// The builders cannot be had. Differences are no error: the exit code tells them.
pub fn run(args: Args) -> Result<ExitCode> {
    let lab = args.lab.unwrap_or_else(requirement::lab);
    let docker = Docker::open(&lab.join("moby"))?;
    let name = format!("compat-fuzz-{}", std::process::id());
    let (own, work) = (lab.join("compat").join(&name), docker.work().join(&name));
    for directory in [&own, &work] {
        fs::create_dir_all(directory).map_err(file("make", directory))?;
    }
    let stop = stop_on_signals();
    let binary = args.stromatekt.unwrap_or_else(beside);
    let places = Places {
        lab,
        recipes: requirement::compat().join("bases"),
    };
    let stromatekt = Stromatekt::new(&binary, &own.join("store"))?;
    stromatekt.load(&bases::provide(&["busybox".to_owned()], &docker, &places)?)?;
    let pair = Pair {
        docker,
        stromatekt,
        work: work.clone(),
        frontend: args.frontend,
        layers: LayerCache::new(),
        builds: AtomicUsize::new(0),
    };
    let plan = Plan {
        seed: args.seed,
        count: args.count,
        theme: args.theme,
        jobs: args.jobs.unwrap_or_else(default_jobs),
        out: args.out,
    };
    let started = Instant::now();
    let ended = fuzz(&pair, &plan, stop, &|line| say(line));
    pair.stromatekt.unmount();
    pair.docker.tidy();
    for directory in [&own, &work] {
        fs::remove_dir_all(directory).map_err(file("remove", directory))?;
    }
    let summary = ended?;
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    let different = count(&summary.different);
    say(&format!(
        "{} same, {} refused alike, {different} different, {} unfit: {} builds in {} s",
        count(&summary.same),
        count(&summary.refused),
        count(&summary.unfit),
        count(&summary.builds),
        started.elapsed().as_secs(),
    ));
    Ok(if different == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::File { what, path, error }
}
