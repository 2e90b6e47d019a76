//! Work on many files, spread over the cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::error::{Error, Result};

/// More threads than this only wait for the file system.
const MAX_THREADS: usize = 16;

/// What `work` gives for each item, in their order. Each thread has a state of its own, for descriptors and buffers that it keeps from
/// item to item; items that follow each other mostly come to the same thread. Of several errors, the one
/// of the first item is given.
pub(crate) fn map<T, S, R>(
    items: &[T],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> Result<R> + Sync,
) -> Result<Vec<R>>
where
    T: Sync,
    R: Send,
{
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(MAX_THREADS).min(items.len());
    if threads <= 1 {
        let mut state = state();
        return items.iter().map(|item| work(&mut state, item)).collect();
    }
    let grain = (items.len() / (threads * 8)).clamp(1, 64);
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let run = || {
        let mut state = state();
        let mut done = Done {
            results: Vec::new(),
            failed: None,
        };
        loop {
            let start = next.fetch_add(grain, Ordering::Relaxed);
            if start >= items.len() {
                return done;
            }
            let end = items.len().min(start + grain);
            for (index, item) in (start..end).zip(&items[start..end]) {
                if has_failed.load(Ordering::Relaxed) {
                    return done;
                }
                match work(&mut state, item) {
                    Ok(result) => done.results.push((index, result)),
                    Err(error) => {
                        has_failed.store(true, Ordering::Relaxed);
                        done.failed = Some((index, error));
                        return done;
                    }
                }
            }
        }
    };
    let done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for other in others {
            match other.join() {
                Ok(more) => {
                    done.results.extend(more.results);
                    let failed = done.failed.into_iter().chain(more.failed);
                    done.failed = failed.min_by_key(|(index, _)| *index);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    if let Some((_, error)) = done.failed {
        return Err(error);
    }
    let mut results = done.results;
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// What one thread has done, by the places of the items.
struct Done<R> {
    results: Vec<(usize, R)>,
    failed: Option<(usize, Error)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        for length in [0, 1, 2, 7, 1000] {
            let items: Vec<usize> = (0..length).collect();
            let doubled = map(&items, || (), |(), item| Ok(item * 2)).unwrap();
            assert_eq!(
                doubled,
                items.iter().map(|item| item * 2).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let items: Vec<usize> = (0..10_000).collect();
        let error = map(
            &items,
            || (),
            |(), item| match item {
                77.. => Err(Error::Mode {
                    mode: String::new(),
                    reason: "",
                }),
                _ => Ok(()),
            },
        );
        assert!(error.is_err());
    }
}
