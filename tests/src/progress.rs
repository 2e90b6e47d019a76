//! The steps that `--progress plain` shows, in the format of buildx: `#4 [2/3] RUN make`, `#4 CACHED`, `#4 0.1 text`.

use std::collections::BTreeMap;

use crate::command::Outcome;

/// One numbered step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// `[2/3] RUN make`.
    pub name: String,
    /// It was found in the cache.
    pub cached: bool,
    /// It was carried out.
    pub done: bool,
    /// What its process wrote.
    pub log: String,
}

/// The steps of a build, in the order of their numbers.
pub fn steps(stderr: &str) -> Vec<Step> {
    let mut steps: BTreeMap<u32, Step> = BTreeMap::new();
    for line in stderr.lines() {
        let Some((number, rest)) = line.strip_prefix('#').and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let Ok(number) = number.parse() else { continue };
        let step = steps.entry(number).or_default();
        if step.name.is_empty() {
            step.name = rest.to_owned();
        } else if rest == "CACHED" {
            step.cached = true;
        } else if rest.starts_with("DONE") {
            step.done = true;
        } else if let Some((time, text)) = rest.split_once(' ')
            && time.parse::<f64>().is_ok()
        {
            step.log.push_str(text);
            step.log.push('\n');
        }
    }
    steps.into_values().collect()
}

impl Outcome {
    /// The one step whose name contains this text.
    #[track_caller]
    pub fn step(&self, text: &str) -> Step {
        let mut found = steps(&self.stderr)
            .into_iter()
            .filter(|step| step.name.contains(text));
        let Some(step) = found.next() else {
            panic!("expected a step {text:?}:\n{self}");
        };
        if let Some(other) = found.next() {
            panic!(
                "{text:?} is both {:?} and {:?}:\n{self}",
                step.name, other.name
            );
        }
        step
    }

    /// Expects these steps to come from the cache.
    #[track_caller]
    pub fn cached(&self, names: &[&str]) -> &Self {
        for name in names {
            assert!(
                self.step(name).cached,
                "expected {name:?} to be CACHED:\n{self}"
            );
        }
        self
    }

    /// Expects these steps to be carried out.
    #[track_caller]
    pub fn ran(&self, names: &[&str]) -> &Self {
        for name in names {
            let step = self.step(name);
            assert!(
                step.done && !step.cached,
                "expected {name:?} to run:\n{self}"
            );
        }
        self
    }

    /// Expects that no step of an instruction ran: what is not `[internal]` is CACHED, but for FROM, which has nothing to do.
    #[track_caller]
    pub fn all_cached(&self) -> &Self {
        for step in steps(&self.stderr) {
            let instruction = step.name.starts_with('[') && !step.name.starts_with("[internal]");
            if instruction && !step.name.contains("] FROM ") {
                assert!(
                    step.cached,
                    "expected {:?} to be CACHED:\n{self}",
                    step.name
                );
            }
        }
        self
    }
}
