//! The smallest case that still shows a difference.

use super::model::{Case, Entry, Instruction};

/// Leaves out whatever can be left out while `differs` says that the difference stays.
pub fn minimize(case: &Case, mut differs: impl FnMut(&Case) -> bool) -> Case {
    let mut best = case.clone();
    loop {
        let before = best.clone();
        stages(&mut best, &mut differs);
        many(
            &mut best,
            &mut differs,
            |case| case.instructions.len(),
            |case, from, to| {
                let mut at = 0;
                case.instructions.retain(|one| {
                    at += 1;
                    // A stage goes as a whole, above.
                    one.is_from() || !(from..to).contains(&(at - 1))
                });
            },
        );
        many(
            &mut best,
            &mut differs,
            |case| case.args.len(),
            |case, from, to| drop(case.args.drain(from..to)),
        );
        many(
            &mut best,
            &mut differs,
            |case| case.setup.len(),
            |case, from, to| drop(case.setup.drain(from..to)),
        );
        many(
            &mut best,
            &mut differs,
            |case| case.files.len(),
            |case, from, to| {
                let names: Vec<String> = case
                    .files
                    .keys()
                    .skip(from)
                    .take(to - from)
                    .cloned()
                    .collect();
                for name in names {
                    case.files.remove(&name);
                }
            },
        );
        for index in 0..best.instructions.len() {
            parts(&mut best, index, &mut differs);
        }
        members(&mut best, &mut differs);
        lines(&mut best, &mut differs);
        let mut smaller = best.clone();
        smaller.carriage_returns = false;
        take(&mut best, smaller, &mut differs);
        if best == before {
            return best;
        }
    }
}

/// Takes `smaller` when it is another case and the difference stays.
fn take(best: &mut Case, smaller: Case, differs: &mut impl FnMut(&Case) -> bool) -> bool {
    let good = smaller != *best && differs(&smaller);
    if good {
        *best = smaller;
    }
    good
}

/// Drops ranges of a list: halves first, then smaller ones.
fn many(
    best: &mut Case,
    differs: &mut impl FnMut(&Case) -> bool,
    length: impl Fn(&Case) -> usize,
    remove: impl Fn(&mut Case, usize, usize),
) {
    let mut size = length(best).div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < length(best) {
            let mut smaller = best.clone();
            remove(&mut smaller, from, (from + size).min(length(best)));
            if !take(best, smaller, differs) {
                from += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

fn stages(best: &mut Case, differs: &mut impl FnMut(&Case) -> bool) {
    let mut index = 0;
    loop {
        let starts: Vec<usize> = (0..best.instructions.len())
            .filter(|&at| best.instructions[at].is_from())
            .collect();
        let Some(&start) = starts.get(index) else {
            return;
        };
        let end = starts
            .get(index + 1)
            .copied()
            .unwrap_or(best.instructions.len());
        let mut smaller = best.clone();
        smaller.instructions.drain(start..end);
        if starts.len() == 1 || !take(best, smaller, differs) {
            index += 1;
        }
    }
}

/// Flags, arguments and lines of heredocs of one instruction.
fn parts(best: &mut Case, index: usize, differs: &mut impl FnMut(&Case) -> bool) {
    let one = |case: &Case| case.instructions[index].clone();
    many(
        best,
        differs,
        |case| one(case).flags.len(),
        |case, from, to| {
            case.instructions[index].flags.drain(from..to);
        },
    );
    many(
        best,
        differs,
        |case| one(case).arguments.len(),
        |case, from, to| {
            case.instructions[index].arguments.drain(from..to);
        },
    );
    for document in 0..one(best).heredocs.len() {
        many(
            best,
            differs,
            |case| one(case).heredocs[document].0.len(),
            |case, from, to| {
                case.instructions[index].heredocs[document]
                    .0
                    .drain(from..to);
            },
        );
    }
    let plain = Instruction {
        separator: if one(best).separator.contains('\n') {
            " ".to_owned()
        } else {
            one(best).separator
        },
        ..one(best)
    };
    let mut smaller = best.clone();
    smaller.instructions[index] = plain;
    take(best, smaller, differs);
    letters(best, index, differs);
}

/// Characters of the arguments, in short instructions: words are long where they nest.
fn letters(best: &mut Case, index: usize, differs: &mut impl FnMut(&Case) -> bool) {
    let keyword = best.instructions[index].keyword.to_ascii_uppercase();
    if ![
        "ENV",
        "ARG",
        "LABEL",
        "USER",
        "WORKDIR",
        "VOLUME",
        "CMD",
        "ENTRYPOINT",
    ]
    .contains(&keyword.as_str())
    {
        return;
    }
    for argument in 0..best.instructions[index].arguments.len() {
        let text = |case: &Case| -> Vec<char> {
            case.instructions[index].arguments[argument]
                .chars()
                .collect()
        };
        many(
            best,
            differs,
            |case| text(case).len(),
            |case, from, to| {
                let mut letters = text(case);
                letters.drain(from..to);
                case.instructions[index].arguments[argument] = letters.into_iter().collect();
            },
        );
    }
}

/// Members of archives.
fn members(best: &mut Case, differs: &mut impl FnMut(&Case) -> bool) {
    let names: Vec<String> = best.files.keys().cloned().collect();
    for name in names {
        let count = |case: &Case| match case.files.get(&name) {
            Some(Entry::Archive(members, _)) => members.len(),
            _ => 0,
        };
        many(best, differs, count, |case, from, to| {
            if let Some(Entry::Archive(members, _)) = case.files.get_mut(&name) {
                members.drain(from..to);
            }
        });
    }
}

/// Lines of the ignore files.
fn lines(best: &mut Case, differs: &mut impl FnMut(&Case) -> bool) {
    for name in [".dockerignore", "Dockerfile.dockerignore"] {
        let lines = |case: &Case| -> Vec<String> {
            match case.files.get(name) {
                Some(Entry::File(content)) => String::from_utf8_lossy(content)
                    .split_inclusive('\n')
                    .map(str::to_owned)
                    .collect(),
                _ => Vec::new(),
            }
        };
        many(
            best,
            differs,
            |case| lines(case).len(),
            |case, from, to| {
                let mut left = lines(case);
                left.drain(from..to);
                if let Some(Entry::File(content)) = case.files.get_mut(name) {
                    *content = left.concat().into_bytes();
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::minimize;

    #[test]
    fn a_case_shrinks_to_what_makes_the_difference() {
        let seed = (0..)
            .find(|&seed| generate(seed).dockerfile().contains("/etc/passwd"))
            .unwrap();
        let small = minimize(&generate(seed), |case| {
            case.dockerfile().contains("/etc/passwd")
        });
        assert_eq!(
            small.instructions.len(),
            1 + usize::from(!small.instructions[0].text().contains("passwd")),
            "{}",
            small.dockerfile()
        );
        assert!(small.args.is_empty() && small.setup.is_empty());
    }
}
