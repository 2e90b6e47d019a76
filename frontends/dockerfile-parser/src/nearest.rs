//! Suggestions: the known word that someone probably meant.

/// Nobody mistypes longer names; comparing them would take its time.
const LONGEST: usize = 1_000;

/// The candidate nearest to `word`, if it is near: at most a third of its letters differ, and no more than three.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let limit = length.div_ceil(3).min(3);
    if length > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein's edit distance.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["build", "test", "runtime"];
        assert_eq!(nearest("biuld", names).as_deref(), Some("build"));
        assert_eq!(nearest("buid", names).as_deref(), Some("build"));
        assert_eq!(nearest("Runtimes", names).as_deref(), Some("runtime"));
        assert_eq!(nearest("debian", names), None);
        assert_eq!(nearest("", names), None);
        let long = "a".repeat(1_000_000);
        assert_eq!(nearest(&long, [long.as_str()]), None);
        assert_eq!(nearest("build", [long.as_str()]), None);
    }
}
