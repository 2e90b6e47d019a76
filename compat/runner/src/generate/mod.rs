//! Dockerfiles and contexts by chance, to find what two builders do not do alike.
//!
//! A case has one theme and several probes of it, since a build costs more than an instruction; a fifth of
//! the cases have a mistake in them, which both builders must refuse at the same line.

mod archives;
mod context;
mod copies;
mod fuzz;
mod heredocs;
mod ignores;
mod known;
mod metadata;
mod minimize;
mod model;
mod mounts;
mod operations;
mod pair;
mod random;
mod stages;
mod words;
mod wrong;

pub use fuzz::{Plan, Summary, fuzz};
pub use minimize::minimize;
pub use model::{Case, Entry, Instruction, Outcome};
pub use pair::{Found, Pair, Verdict};

use random::Random;

/// One field to try: how its cases begin, and what is tried in them.
pub struct Theme {
    /// Its name, part of the case's.
    pub name: &'static str,
    point: &'static str,
    begin: fn(&mut Random, &mut Case),
    probe: fn(&mut Random, &mut Case),
}

/// All themes, and how often they come.
const THEMES: [(usize, &Theme); 10] = [
    (18, &words::THEME),
    (10, &metadata::THEME),
    (10, &heredocs::THEME),
    (18, &copies::THEME),
    (6, &copies::ODD_THEME),
    (12, &archives::THEME),
    (8, &ignores::THEME),
    (14, &operations::THEME),
    (6, &mounts::THEME),
    (10, &stages::THEME),
];

/// The names of all themes.
pub fn themes() -> impl Iterator<Item = &'static str> {
    THEMES.iter().map(|(_, theme)| theme.name)
}

/// The case of a seed.
#[must_use]
pub fn generate(seed: u64) -> Case {
    let mut r = Random::new(seed);
    let theme = r.weighted(&THEMES);
    let mut case = Case::new(format!("generated-{seed}"));
    theme.point.clone_into(&mut case.point);
    (theme.begin)(&mut r, &mut case);
    for _ in 0..r.between(3, 9) {
        (theme.probe)(&mut r, &mut case);
    }
    case.carriage_returns = r.chance(2);
    if r.chance(20) {
        wrong::spoil(&mut r, &mut case);
    }
    case
}

/// The theme of a seed.
#[must_use]
pub fn theme(seed: u64) -> &'static str {
    Random::new(seed).weighted(&THEMES).name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_case() {
        for seed in 0..200 {
            assert_eq!(generate(seed), generate(seed), "{seed}");
        }
        assert_ne!(generate(1).instructions, generate(2).instructions);
    }

    #[test]
    fn all_themes_come() {
        let come: BTreeSet<&str> = (0..200).map(theme).collect();
        assert_eq!(come, themes().collect());
    }

    #[test]
    fn what_is_wrong_is_rare_and_most_cases_parse() {
        let (mut wrong, mut parsed) = (0, 0);
        for seed in 0..300 {
            let case = generate(seed);
            if case.outcome == Outcome::Failure {
                wrong += 1;
            } else if stromatekt_dockerfile_parser::parse(&case.dockerfile()).is_ok() {
                parsed += 1;
            }
        }
        assert!((30..90).contains(&wrong), "{wrong} are wrong");
        assert!(parsed * 100 > (300 - wrong) * 85, "{parsed} are parsed");
    }

    #[test]
    fn a_case_is_a_folder_that_the_corpus_takes() {
        let folder = tempfile::tempdir().expect("there is room");
        for seed in 0..60 {
            let case = generate(seed);
            let path = folder.path().join(&case.name);
            case.write(&path).expect("it is writable");
            let read = crate::Case::load(&path, &case.name).expect("it is sound");
            assert_eq!(read.point, case.point);
            assert_eq!(
                read.definition.setup.unwrap_or_default().trim_end(),
                case.script()
            );
        }
    }
}
