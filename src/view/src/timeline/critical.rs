//! The critical path: the steps that the whole build waited for, one after the other. Making another step faster gains nothing, unless one of
//! these waited for its turn, which others had.

use std::time::Duration;

use super::{Outcome, Timeline};

/// A step of the critical path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The step.
    pub step: usize,
    /// How long after the end of the one before it started; for the first one, after the build began.
    pub waited: Duration,
}

impl Timeline {
    /// The chain of steps that ends last, each of which could start when the one before it ended. Of a build that failed, the chain that
    /// leads to the failure.
    pub fn critical_path(&self) -> Vec<Link> {
        let mut path = Vec::new();
        let mut next = self.last();
        while let Some(step) = next {
            let start = self.steps[step].span.map(|span| span.start);
            // A step is never its own input's input: an id that came again would be a defect of the one who told.
            let before = self
                .awaited(step)
                .filter(|(input, _)| path.iter().all(|link: &Link| link.step != *input));
            let waited = match before {
                Some((_, waited)) => waited,
                None => start.unwrap_or_default(),
            };
            path.push(Link { step, waited });
            next = before.map(|(input, _)| input);
        }
        path.reverse();
        path
    }

    /// The step that the build ended with.
    fn last(&self) -> Option<usize> {
        let ended = |wanted: fn(&Outcome) -> bool| {
            let steps = self.steps.iter().enumerate();
            steps
                .filter(move |(_, step)| wanted(&step.outcome))
                .filter_map(|(id, step)| Some((step.span?.end, id)))
        };
        // What else failed was stopped by the first failure.
        let failed = ended(|outcome| matches!(outcome, Outcome::Failed(_))).min();
        // What is found costs no time, and is told of at any time.
        failed
            .or_else(|| ended(|outcome| *outcome == Outcome::Done).max())
            .or_else(|| ended(|outcome| *outcome == Outcome::Canceled).max())
            .or_else(|| ended(|_| true).max())
            .map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::timeline::{Span, Step};

    fn timeline(steps: &[(u64, u64, &[usize], Outcome)]) -> Timeline {
        let steps = steps.iter().map(|(start, end, inputs, outcome)| Step {
            name: String::new(),
            origin: None,
            inputs: inputs.to_vec(),
            span: Some(Span {
                start: Duration::from_secs(*start),
                end: Duration::from_secs(*end),
            }),
            outcome: outcome.clone(),
            parts: Vec::new(),
        });
        Timeline {
            title: String::new(),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::from_secs(100),
            steps: steps.collect(),
        }
    }

    fn path(timeline: &Timeline) -> Vec<(usize, u64)> {
        let path = timeline.critical_path();
        path.iter()
            .map(|link| (link.step, link.waited.as_secs()))
            .collect()
    }

    #[test]
    fn it_goes_back_from_the_last_end_by_the_inputs_that_ended_last() {
        use Outcome::{Cached, Done};
        let timeline = timeline(&[
            (0, 5, &[], Done),
            (0, 3, &[], Done),
            (3, 4, &[1], Done),
            (7, 9, &[0, 2], Done),
            // Told of at the very end.
            (12, 12, &[], Cached),
        ]);
        assert_eq!(path(&timeline), [(0, 0), (3, 2)]);
    }

    #[test]
    fn of_a_build_that_failed_it_leads_to_the_failure() {
        use Outcome::{Canceled, Done, Failed};
        let timeline = timeline(&[
            (0, 2, &[], Done),
            (2, 4, &[0], Failed("exit code: 1".into())),
            (2, 5, &[0], Canceled),
        ]);
        assert_eq!(path(&timeline), [(0, 0), (1, 0)]);
    }

    #[test]
    fn of_nothing_it_is_nothing() {
        assert_eq!(path(&timeline(&[])), []);
    }
}
