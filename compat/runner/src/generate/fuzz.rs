//! Many generated cases, built by both builders; of each kind of difference one is made small and kept.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::minimize::minimize;
use super::model::Case;
use super::pair::{Found, Pair, Verdict};
use super::{generate, theme};
use crate::error::{Error, Result};

/// No difference is worth more builds than this.
const TRIALS: usize = 120;
/// So many refused instructions are left out of a case to get at the rest of it.
const REPAIRS: usize = 3;

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The first seed.
    pub seed: u64,
    /// How many.
    pub count: u64,
    /// Only those of this theme.
    pub theme: Option<String>,
    /// Cases at the same time.
    pub jobs: usize,
    /// Where small cases are put; none are made without.
    pub out: Option<PathBuf>,
}

/// How it ended.
#[derive(Debug, Default)]
pub struct Summary {
    /// Cases that gave the same image.
    pub same: AtomicUsize,
    /// Cases that both refused at the same line.
    pub refused: AtomicUsize,
    /// Cases that differ.
    pub different: AtomicUsize,
    /// Cases whose context cannot be made.
    pub unfit: AtomicUsize,
    /// Builds, of each builder.
    pub builds: AtomicUsize,
}

/// Tries all of the plan until it is to stop; `tell` gets a line for each difference.
///
/// # Errors
/// When a builder cannot be started, or a case not written.
pub fn fuzz(
    pair: &Pair,
    plan: &Plan,
    stop: &AtomicBool,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Summary> {
    let next = AtomicU64::new(plan.seed);
    let summary = Summary::default();
    let known: Mutex<BTreeSet<String>> = Mutex::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.jobs.max(1))
            .map(|job| {
                let slot = format!("{}-{job}", std::process::id());
                let (next, summary, known) = (&next, &summary, &known);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= plan.seed + plan.count || stop.load(Ordering::Relaxed) {
                            return Ok(());
                        }
                        if plan
                            .theme
                            .as_deref()
                            .is_some_and(|wanted| wanted != theme(seed))
                        {
                            continue;
                        }
                        one(pair, plan, seed, &slot, summary, known, tell)?;
                        pair.layers.shrink();
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Error::Generate("a worker gave up".to_owned())))
        })
    })?;
    Ok(summary)
}

fn one(
    pair: &Pair,
    plan: &Plan,
    seed: u64,
    slot: &str,
    summary: &Summary,
    known: &Mutex<BTreeSet<String>>,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<()> {
    let mut case = generate(seed);
    if pair.frontend.is_none() {
        // Today's docker does not know them without the newest frontend.
        for one in &mut case.instructions {
            one.flags
                .retain(|flag| !flag.starts_with("--parents") && !flag.starts_with("--security"));
        }
    }
    let mut repairs = 0;
    let mut intended = super::pair::is_wrong(&case);
    loop {
        let builds = summary.builds.fetch_add(1, Ordering::Relaxed);
        if builds % 100 == 99 {
            tell(&format!("{} builds, at seed {seed}", builds + 1));
            pair.docker.tidy();
        }
        match pair.judge(&case, slot)? {
            Verdict::Same => {
                summary.same.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            // Without what both refuse, the rest of the case can be compared as well.
            Verdict::Refused(Some(at)) if repairs < REPAIRS && !case.instructions[at].is_from() => {
                repairs += 1;
                case.instructions.remove(at);
                if std::mem::take(&mut intended) {
                    summary.refused.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
            }
            Verdict::Refused(_) => {
                summary.refused.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Verdict::Unfit(why) => {
                summary.unfit.fetch_add(1, Ordering::Relaxed);
                tell(&format!(
                    "seed {seed} ({}): its setup fails: {why}",
                    theme(seed)
                ));
                return Ok(());
            }
            Verdict::Different(found) => {
                summary.different.fetch_add(1, Ordering::Relaxed);
                let is_new = known
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(found.kind.clone());
                let folder = match &plan.out {
                    Some(out) if is_new => Some(smaller(pair, &case, &found, slot, out)?),
                    _ => None,
                };
                let kept = folder.map_or(String::new(), |folder| {
                    format!("\n    kept in {}", folder.display())
                });
                tell(&format!(
                    "seed {seed} ({}): {}{kept}",
                    theme(seed),
                    found.lines.join("\n    ")
                ));
                return Ok(());
            }
        }
    }
}

/// The case made small, in a folder of its own.
fn smaller(
    pair: &Pair,
    case: &Case,
    found: &Found,
    slot: &str,
    out: &std::path::Path,
) -> Result<PathBuf> {
    let mut trials = 0;
    let small = minimize(case, |case| {
        trials += 1;
        trials <= TRIALS
            && matches!(pair.judge(case, slot), Ok(Verdict::Different(now)) if now.kind == found.kind)
    });
    let folder = out.join(&small.name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Error::file("remove", &folder))?;
    }
    small
        .write(&folder)
        .map_err(Error::file("write", &folder))?;
    let told = found.lines.join("\n");
    std::fs::write(folder.with_extension("txt"), told).map_err(Error::file("write", &folder))?;
    Ok(folder)
}
