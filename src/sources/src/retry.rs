//! How often and how soon what failed for a passing reason is tried again.

use std::time::Duration;

/// A handful of attempts, each after a longer pause.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

/// More failures in a row than this are no accident.
const MOST: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Retry {
    /// Waits, and says whether to try again.
    pub async fn again(&mut self) -> bool {
        if self.failures == MOST {
            return false;
        }
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(self.failures)).await;
        self.failures += 1;
        true
    }

    /// Forgets the failures: there was progress.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}
