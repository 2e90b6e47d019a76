//! Comparing two images, part by part.

use std::collections::BTreeMap;

use crate::comparison::{Comparison, Difference};
use crate::image::Image;
use crate::noise::Class;
use crate::rules::Rules;
use crate::{config, history, layers, manifest, root};

/// What differs between two images.
pub fn compare(left: &Image, right: &Image, rules: &Rules) -> Comparison {
    let mut found = Found {
        rules,
        differences: Vec::new(),
        noise: BTreeMap::new(),
    };
    config::compare(&left.config, &right.config, &mut found);
    if rules.history {
        history::compare(&left.config.history, &right.config.history, &mut found);
    }
    manifest::compare(left, right, &mut found);
    let of_root = root::compare(left, right, &mut found);
    if rules.layers {
        layers::compare(left, right, &of_root, &mut found);
    }
    Comparison {
        left: left.name.clone(),
        right: right.name.clone(),
        differences: found.differences,
        noise: found.noise,
    }
}

/// What was found so far.
pub(crate) struct Found<'a> {
    pub rules: &'a Rules,
    differences: Vec<Difference>,
    noise: BTreeMap<Class, Vec<Difference>>,
}

impl Found<'_> {
    /// Adds what makes a difference under all rules.
    pub fn add(&mut self, difference: Difference) {
        self.differences.push(difference);
    }

    /// Adds what makes none if it is of a class that is expected.
    pub fn add_as(&mut self, class: Option<Class>, difference: Difference) {
        match class.filter(|class| self.rules.expects(*class)) {
            Some(class) => self.noise.entry(class).or_default().push(difference),
            None => self.differences.push(difference),
        }
    }
}
