//! Which elements of two lists belong together.

use std::time::{Duration, Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// How long the best match of two lists is searched for; then a worse one is taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// What stands at a place of two lists: indexes of both, or of the one that has it. Equal elements are left out.
pub(crate) fn unequal<T: Ord + std::hash::Hash>(
    left: &[T],
    right: &[T],
) -> Vec<(Option<usize>, Option<usize>)> {
    let mut found = Vec::new();
    // Element by element where that is possible: what was changed in place stays in its place.
    if left.len() == right.len() {
        let places = 0..left.len();
        let unequal = places.filter(|at| left[*at] != right[*at]);
        return unequal.map(|at| (Some(at), Some(at))).collect();
    }
    let deadline = Some(Instant::now() + PATIENCE);
    for op in capture_diff_slices_deadline(Algorithm::Myers, left, right, deadline) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (old, new) = (op.old_range(), op.new_range());
        for step in 0..old.len().max(new.len()) {
            let at =
                |range: &std::ops::Range<usize>| (step < range.len()).then_some(range.start + step);
            found.push((at(&old), at(&new)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_a_list_does_not_shift_the_rest() {
        assert_eq!(unequal(&["a", "b", "c"], &["a", "c"]), [(Some(1), None)]);
        assert_eq!(unequal(&["a"], &["x", "a"]), [(None, Some(0))]);
        assert_eq!(
            unequal(&["a", "b"], &["b", "a"]),
            [(Some(0), Some(0)), (Some(1), Some(1))]
        );
        assert!(unequal::<&str>(&[], &[]).is_empty());
    }
}
