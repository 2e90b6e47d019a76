//! What is known of a node before a build.

/// What is known of a node before a build.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// Whether it would run.
    pub state: State,
    /// How long it took the last time that it ran.
    pub seconds: Option<f64>,
}

/// Whether a node would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its result is there.
    Cached,
    /// It would run.
    Runs {
        /// Why, as a part of a sentence: `no earlier result`.
        why: String,
    },
    /// That depends on what others yield, which would run.
    Unknown {
        /// On what, as a part of a sentence; empty where nobody looked.
        why: String,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Unknown { why: String::new() }
    }
}
