//! What came of a case.

use std::collections::BTreeMap;
use std::time::Duration;

use stromatekt_compare::Class;

use crate::case::Case;
use crate::definition::Reference;

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// `GROUP/NAME`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long each builder took, by its name.
    pub times: BTreeMap<&'static str, Duration>,
    /// The differences that are right, as the case says, with what occurred of each.
    pub accepted: Vec<Acceptance>,
    /// How many differences there are that any two builds may have, by class.
    pub noise: Noise,
}

/// Numbers of differences that make none, by class.
pub type Noise = BTreeMap<Class, usize>;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// With these differences.
    Failed(Vec<Finding>),
    /// It was not run, for a reason.
    Skipped(String),
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The builder whose result is another one; none where stromatekt or the case alone is wrong.
    pub against: Option<Reference>,
    /// Where: a place of the comparison, or `build`, `failure.line`, `failure.says`, `expect …`, `accept`, `case`, `panic`.
    pub place: String,
    /// What is different, for people; may have several lines.
    pub text: String,
}

impl Finding {
    /// A finding.
    #[must_use]
    pub fn new(
        against: Option<Reference>,
        place: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self {
            against,
            place: place.into(),
            text: text.into(),
        }
    }
}

/// A difference that the case says is right, and that did occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The places, as the case has them.
    pub difference: String,
    /// Why it is right.
    pub why: String,
    /// How often it occurred.
    pub count: usize,
}

impl Verdict {
    /// A case that failed.
    #[must_use]
    pub fn failed(
        case: &Case,
        findings: Vec<Finding>,
        times: BTreeMap<&'static str, Duration>,
    ) -> Self {
        Self {
            name: case.name.clone(),
            outcome: Outcome::Failed(findings),
            times,
            accepted: Vec::new(),
            noise: Noise::new(),
        }
    }

    /// A case that was not run.
    #[must_use]
    pub fn skipped(case: &Case, why: &str) -> Self {
        Self {
            name: case.name.clone(),
            outcome: Outcome::Skipped(why.to_owned()),
            times: BTreeMap::new(),
            accepted: Vec::new(),
            noise: Noise::new(),
        }
    }

    /// Its line in the output, with what is wrong indented below.
    #[must_use]
    pub fn lines(&self) -> String {
        const MOST: usize = 30;
        let word = match &self.outcome {
            Outcome::Passed => "ok  ",
            Outcome::Failed(_) => "FAIL",
            Outcome::Skipped(_) => "skip",
        };
        let times: Vec<String> = self
            .times
            .iter()
            .map(|(who, time)| format!("{who} {:.2} s", time.as_secs_f64()))
            .collect();
        let mut text = format!("{word} {}  {}", self.name, times.join(", "))
            .trim_end()
            .to_owned();
        match &self.outcome {
            Outcome::Passed => {}
            Outcome::Skipped(why) => text.push_str(&format!("  {why}")),
            Outcome::Failed(findings) => {
                for finding in findings.iter().take(MOST) {
                    let against = finding
                        .against
                        .map_or(String::new(), |against| format!("{against}: "));
                    let detail = finding.text.replace('\n', "\n       ");
                    text.push_str(&format!("\n     {against}{}: {detail}", finding.place));
                }
                if findings.len() > MOST {
                    text.push_str(&format!("\n     … and {} more", findings.len() - MOST));
                }
            }
        }
        text
    }
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that were not run.
    pub skipped: usize,
}

impl Count {
    /// Counts.
    #[must_use]
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut count = Self::default();
        for verdict in verdicts {
            match verdict.outcome {
                Outcome::Passed => count.passed += 1,
                Outcome::Failed(_) => count.failed += 1,
                Outcome::Skipped(_) => count.skipped += 1,
            }
        }
        count
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}
