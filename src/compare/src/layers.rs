//! Comparing layers: how many there are, and what each one mentions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::compare::Found;
use crate::comparison::{Difference, Kind};
use crate::image::Image;
use crate::noise::Class;
use crate::root;
use crate::rules::Builder;
use crate::text::{described, shown};
use crate::tree::{Changed, Effect, Mention};

/// `reported` are the places at which the root filesystems differ: what shows there is not told twice.
pub(crate) fn compare(
    left: &Image,
    right: &Image,
    reported: &BTreeSet<String>,
    found: &mut Found<'_>,
) {
    let numbers = |image: &Image| -> Vec<usize> { (0..image.layers.len()).collect() };
    let (mut old, mut new) = (numbers(left), numbers(right));
    if old.len() != new.len() && found.rules.left == Builder::Classic {
        let has_some = |image: &Image, at: &usize| !image.effects[*at].is_nothing();
        old.retain(|at| has_some(left, at));
        new.retain(|at| has_some(right, at));
        if old.len() == new.len() {
            found.add_as(Some(Class::EmptyLayers), count(left, right));
        }
    }
    if old.len() != new.len() {
        found.add(count(left, right));
        return;
    }
    for (old, new) in old.into_iter().zip(new) {
        if left.layers[old].diff_id != right.layers[new].diff_id {
            layer(
                old,
                &left.effects[old],
                &right.effects[new],
                reported,
                found,
            );
        }
    }
}

fn count(left: &Image, right: &Image) -> Difference {
    let side = |image: &Image| Some(image.layers.len().to_string());
    Difference::new("layers", Kind::Layers).sides(side(left), side(right))
}

fn layer(
    number: usize,
    left: &Effect,
    right: &Effect,
    reported: &BTreeSet<String>,
    found: &mut Found<'_>,
) {
    let hides_the_same = left.gone == right.gone;
    let paths: BTreeSet<&PathBuf> = left.mentions.keys().chain(right.mentions.keys()).collect();
    for path in paths {
        let name = shown(path);
        match (left.mentions.get(path), right.mentions.get(path)) {
            (Some(Mention::Node(one, _)), Some(Mention::Node(other, _))) => {
                for (class, mut difference) in root::nodes(&name, one, other, found.rules) {
                    let is_expected = class.is_some_and(|class| found.rules.expects(class));
                    if is_expected || reported.contains(&difference.place) {
                        continue;
                    }
                    difference.place = format!("layer[{number}] {}", difference.place);
                    difference.kind = Kind::Layer;
                    found.add(difference);
                }
            }
            (Some(one), Some(other)) if one.word() == other.word() => {}
            (one, other) => {
                let class = match one.or(other) {
                    Some(Mention::Node(node, changed)) => match (changed, node.is_directory()) {
                        (Changed::No, _) => Some(Class::LayerParents),
                        _ => of_path(path, one.is_some()),
                    },
                    _ => hides_the_same.then_some(Class::Whiteouts),
                };
                // It is missing from, or only in, the root filesystem as well.
                if reported.contains(&name) {
                    continue;
                }
                let difference = Difference::new(format!("layer[{number}] {name}"), Kind::Layer)
                    .at(name)
                    .sides(one.map(Mention::describe), other.map(Mention::describe));
                found.add_as(class, difference);
            }
        }
    }
}

fn of_path(path: &Path, is_left: bool) -> Option<Class> {
    let kind = if is_left { Kind::Missing } else { Kind::Added };
    Class::of_path(&shown(path), kind)
}

impl Effect {
    /// Whether the layer changed nothing.
    fn is_nothing(&self) -> bool {
        let is_kept = |mention: &Mention| matches!(mention, Mention::Node(_, Changed::No));
        self.gone.is_empty() && self.mentions.values().all(is_kept)
    }
}

impl Mention {
    fn word(&self) -> &'static str {
        match self {
            Self::Node(..) => "entry",
            Self::Whiteout => "whiteout",
            Self::Opaque => "opaque whiteout",
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Node(node, _) => described(node),
            other => other.word().to_owned(),
        }
    }
}
