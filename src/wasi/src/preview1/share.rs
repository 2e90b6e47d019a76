//! How many files modules may have open together: they are descriptors of this program, whose other steps need some, too.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Resource, getrlimit};

use super::abi::Errno;

/// What all modules of this process have open.
static OPEN: AtomicU64 = AtomicU64::new(0);

/// The right to have one more file open; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    open: &'static AtomicU64,
}

impl Share {
    /// One of those that are left: of what this process may have open, half is for modules.
    pub fn take() -> Result<Self, Errno> {
        let (most, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Self::of(&OPEN, most / 2)
    }

    fn of(open: &'static AtomicU64, most: u64) -> Result<Self, Errno> {
        let before = open.fetch_add(1, Ordering::Relaxed);
        let share = Self { open };
        match before < most {
            true => Ok(share),
            false => Err(Errno::TooManyOpenInAll),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_than_there_are_and_they_come_back() {
        static ONES: AtomicU64 = AtomicU64::new(0);
        let take = || Share::of(&ONES, 2);
        let (one, other) = (take(), take());
        assert!(one.is_ok() && other.is_ok());
        for _ in 0..3 {
            assert_eq!(take().err(), Some(Errno::TooManyOpenInAll));
        }
        drop(one);
        assert!(take().is_ok());
    }
}
