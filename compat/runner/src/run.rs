//! Running many cases, several at the same time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::case::Case;
use crate::laboratory::Laboratory;
use crate::verdict::Verdict;

/// How many run at the same time when nobody says: builders wait for the disk and for docker a lot.
#[must_use]
pub fn default_jobs() -> usize {
    thread::available_parallelism().map_or(2, usize::from) * 2
}

/// Runs cases, and gives their verdicts in the order of the cases; each is handed over as soon as it is there. Cases that have not begun
/// when `stop` is set are left out.
pub fn run(
    laboratory: &Laboratory,
    cases: &[Case],
    jobs: usize,
    stop: &AtomicBool,
    done: &(dyn Fn(&Verdict) + Sync),
) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, cases.len().max(1)) {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = cases.get(number) else {
                        break;
                    };
                    let verdict = laboratory.run(case);
                    done(&verdict);
                    verdicts
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    verdicts.sort_by_key(|(number, _)| *number);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}
