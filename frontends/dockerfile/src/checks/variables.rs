//! Variables that remember which of them were asked for.

use std::cell::RefCell;

use stromatekt_dockerfile_parser::{Variables, distance};

use crate::environment::Environment;

/// How far a name may be from one that is meant (BuildKit's `suggest`).
const NEAR: usize = 2;

/// The variables of an environment, and which names were asked for.
pub struct Asked<'a> {
    environment: &'a Environment,
    set: RefCell<Vec<String>>,
    unset: RefCell<Vec<String>>,
}

impl<'a> Asked<'a> {
    /// Nothing was asked for yet.
    pub fn new(environment: &'a Environment) -> Self {
        Self {
            environment,
            set: RefCell::default(),
            unset: RefCell::default(),
        }
    }

    /// The names that are set, each once.
    pub fn set(&self) -> Vec<String> {
        self.set.borrow().clone()
    }

    /// The names that are not, each once.
    pub fn unset(&self) -> Vec<String> {
        self.unset.borrow().clone()
    }
}

impl Variables for Asked<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        let value = self.environment.get(name);
        let names = if value.is_some() {
            &self.set
        } else {
            &self.unset
        };
        let mut names = names.borrow_mut();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        value
    }
}

/// `(did you mean …?)`, where one of the names is near.
pub fn did_you_mean<'n>(
    name: &str,
    sigil: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> String {
    let nearest = names
        .into_iter()
        .map(|known| (distance(name, known), known))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if (1..=NEAR).contains(&distance) => {
            format!(" (did you mean {sigil}{known}?)")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_nearby_are_meant() {
        let names = ["PATH", "VERSION"];
        for (name, expected) in [
            ("VERSON", " (did you mean $VERSION?)"),
            ("path", ""),
            ("PTAH", " (did you mean $PATH?)"),
            ("VERSION", ""),
            ("X", ""),
        ] {
            assert_eq!(did_you_mean(name, "$", names), expected, "{name}");
        }
    }
}
