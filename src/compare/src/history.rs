//! Comparing histories: what was done, by whom, with which remark, and whether it made a layer.

use std::collections::BTreeSet;

use stromatekt_oci::History;

use crate::classic;
use crate::compare::Found;
use crate::comparison::{Difference, Kind};
use crate::noise::Class;
use crate::rules::Builder;
use crate::sequence::unequal;

/// The remark that BuildKit's Dockerfile frontend leaves.
const BUILDKIT: &str = "buildkit.dockerfile.v0";

pub(crate) fn compare(left: &[History], right: &[History], found: &mut Found<'_>) {
    let builder = found.rules.left;
    let key = |entry: &History| {
        // The classic builder makes a layer where something changed, BuildKit where it may have.
        let is_empty = entry.empty_layer && builder != Builder::Classic;
        (form(&entry.created_by, builder), is_empty)
    };
    let keys = |history: &[History]| -> Vec<(String, bool)> { history.iter().map(key).collect() };
    let (left_keys, right_keys) = (keys(left), keys(right));
    let of_one = |entry: &History| {
        let empty = if entry.empty_layer {
            " (empty layer)"
        } else {
            ""
        };
        format!("{}{empty}", entry.created_by)
    };
    let apart = unequal(&left_keys, &right_keys);
    for &(old, new) in &apart {
        let (Some(at), false) = (old.or(new), old.is_some() && new.is_some()) else {
            continue;
        };
        let side = |history: &[History], at: Option<usize>| at.map(|at| of_one(&history[at]));
        let difference = Difference::new(format!("history[{at}]"), Kind::History)
            .sides(side(left, old), side(right, new));
        // BuildKit leaves no entry for a trigger.
        let is_trigger = builder != Builder::BuildKit
            && old
                .map(|old| &left_keys[old])
                .or(new.map(|new| &right_keys[new]))
                .is_some_and(|(done, _)| done.starts_with("ONBUILD "));
        found.add_as(is_trigger.then_some(Class::HistorySpelling), difference);
    }
    for (old, new) in pairs(left.len(), right.len(), &apart) {
        entry(old, &left[old], &right[new], found);
    }
}

/// The entries that belong together, equal or not.
fn pairs(
    left: usize,
    right: usize,
    apart: &[(Option<usize>, Option<usize>)],
) -> Vec<(usize, usize)> {
    let mut only: (BTreeSet<usize>, BTreeSet<usize>) = Default::default();
    for pair in apart {
        match pair {
            (Some(at), None) => only.0.insert(*at),
            (None, Some(at)) => only.1.insert(*at),
            _ => false,
        };
    }
    let rest = |length, only: BTreeSet<usize>| (0..length).filter(move |at| !only.contains(at));
    rest(left, only.0).zip(rest(right, only.1)).collect()
}

fn entry(at: usize, left: &History, right: &History, found: &mut Found<'_>) {
    let builder = found.rules.left;
    let place = |field: &str| format!("history[{at}].{field}");
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if left.created_by != right.created_by {
        let is_same = form(&left.created_by, builder) == form(&right.created_by, builder);
        let difference = Difference::new(place("created_by"), Kind::History)
            .sides(text(&left.created_by), text(&right.created_by));
        found.add_as(is_same.then_some(Class::HistorySpelling), difference);
    }
    if left.comment != right.comment {
        // Builders other than BuildKit leave none.
        let is_note = builder != Builder::BuildKit
            && [&left.comment, &right.comment]
                .iter()
                .all(|comment| comment.is_empty() || *comment == BUILDKIT);
        let difference = Difference::new(place("comment"), Kind::History)
            .sides(text(&left.comment), text(&right.comment));
        found.add_as(is_note.then_some(Class::HistorySpelling), difference);
    }
    if left.author != right.author {
        let difference = Difference::new(place("author"), Kind::History)
            .sides(text(&left.author), text(&right.author));
        // The classic builder writes the maintainer on every entry that follows.
        let is_repeated =
            builder != Builder::BuildKit && (left.author.is_empty() || right.author.is_empty());
        found.add_as(is_repeated.then_some(Class::HistorySpelling), difference);
    }
    if left.empty_layer != right.empty_layer {
        // The classic builder finds that nothing changed after the fact; BuildKit makes a layer with nothing in it.
        let is_expected = builder == Builder::Classic;
        let side = |entry: &History| Some(entry.empty_layer.to_string());
        let difference =
            Difference::new(place("empty_layer"), Kind::History).sides(side(left), side(right));
        found.add_as(is_expected.then_some(Class::EmptyLayers), difference);
    }
    if left.created != right.created {
        let difference = Difference::new(place("created"), Kind::History)
            .sides(left.created.clone(), right.created.clone());
        found.add_as(Some(Class::Created), difference);
    }
}

/// What was done, in the form in which entries are compared.
fn form(created_by: &str, builder: Builder) -> String {
    match builder {
        Builder::BuildKit => classic::spelling(created_by),
        Builder::Classic | Builder::Buildah => classic::normalized(created_by),
    }
}
