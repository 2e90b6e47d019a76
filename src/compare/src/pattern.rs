//! Patterns of paths: `*` is any part of a name, `?` a character of one, `**` any number of names.

/// Whether a pattern means all of a path.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    names(&pattern, &path)
}

/// Goes back only to the last `**`: what stood before it is matched in the first way there is, which is enough.
fn names(pattern: &[&str], path: &[&str]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut again = None;
    loop {
        if pattern.get(at) == Some(&"**") {
            again = Some((at, seen));
            at += 1;
        } else if seen < path.len()
            && pattern
                .get(at)
                .is_some_and(|pattern| name(pattern, path[seen]))
        {
            (at, seen) = (at + 1, seen + 1);
        } else if at == pattern.len() && seen == path.len() {
            return true;
        } else if let Some((star, from)) = again.filter(|(_, from)| *from < path.len()) {
            again = Some((star, from + 1));
            (at, seen) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
}

fn name(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut seen) = (0, 0);
    let mut again = None;
    loop {
        match pattern.get(at) {
            Some('*') => {
                again = Some((at, seen));
                at += 1;
                continue;
            }
            Some('?') if seen < name.len() => {
                (at, seen) = (at + 1, seen + 1);
                continue;
            }
            Some(wanted) if name.get(seen) == Some(wanted) => {
                (at, seen) = (at + 1, seen + 1);
                continue;
            }
            None if seen == name.len() => return true,
            _ => {}
        }
        match again {
            Some((star, from)) if from < name.len() => {
                again = Some((star, from + 1));
                (at, seen) = (star + 1, from + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_within_names_and_double_stars_across() {
        for (pattern, path) in [
            ("/a", "/a"),
            ("/a/*", "/a/b"),
            ("/a/*.pyc", "/a/b.c.pyc"),
            ("/a/**", "/a/b/c"),
            ("/a/**", "/a"),
            ("**/x/**", "/a/b/x/c"),
            ("**/*.pyc", "/usr/lib/m.pyc"),
            ("/a?c*", "/abcde"),
            ("**", ""),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/a", "/a/b"),
            ("/a/*", "/a/b/c"),
            ("/a/*", "/a"),
            ("**/*.pyc", "/usr/lib/m.py"),
            ("/a?", "/a"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
