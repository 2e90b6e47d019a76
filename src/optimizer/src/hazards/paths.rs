//! What words may name: paths of what every container has mounted, and paths in general, by their text alone.

use std::path::Path;

use stromatekt_graph::path;

use crate::shell::{UNKNOWN, Word};

/// File systems that every container has mounted.
const SPECIAL: &[&str] = &["dev", "proc", "sys"];

/// What of every container's own mounts commands may name: devices that keep nothing, and facts about the machine.
const HARMLESS: &[&str] = &[
    "/dev/null",
    "/dev/random",
    "/dev/stderr",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
];

/// Stands in a pattern for other text.
pub const PATTERN: [char; 4] = ['*', '?', '[', '{'];

/// Whether a path is another one or beneath it.
pub fn is_within(path: &str, of: &str) -> bool {
    Path::new(path).starts_with(of)
}

/// Whether a text has a path of the file systems that every container has mounted; `cwd` is what relative paths are in.
pub fn names_special(text: &str, cwd: &str) -> bool {
    // What is not known may be nothing at all.
    has_special(text, cwd) || has_special(&text.replace(UNKNOWN, ""), cwd)
}

fn has_special(text: &str, cwd: &str) -> bool {
    let rest = without_url(&without_harmless(text));
    SPECIAL.iter().any(|of| {
        rest.match_indices(of).any(|(at, _)| {
            let behind = rest[at + of.len()..].chars().next();
            let mut before = rest[..at].chars().rev();
            let (last, last_but_one) = (before.next(), before.next());
            // `/usr/lib/dev` and `/devel` are other paths; `-o/dev/x` is none.
            let is_start = |c: Option<char>| {
                c.is_none_or(|c| !c.is_alphanumeric() && !"_-".contains(c))
                    || (at <= 3 && text.starts_with('-'))
            };
            let is_end = behind.is_none_or(|c| !c.is_alphanumeric() && !"._-".contains(c));
            let is_path = match last {
                Some('/') => is_start(last_but_one),
                // `dev/x`, or all of the word.
                _ => {
                    cwd == "/"
                        && is_start(last)
                        && last != Some('.')
                        && (behind == Some('/') || rest == *of)
                }
            };
            is_path && is_end
        })
    })
}

/// A text without what of the special paths may be named.
fn without_harmless(text: &str) -> String {
    let mut text = text.to_owned();
    for path in HARMLESS {
        let mut from = 0;
        while let Some(at) = text[from..].find(path).map(|at| from + at) {
            let end = at + path.len();
            let is_whole = !text[end..].starts_with(|c: char| {
                c.is_alphanumeric() || "._-/*?[{".contains(c) || c == UNKNOWN
            });
            if is_whole {
                text.replace_range(at..end, "");
                from = at;
            } else {
                from = end;
            }
        }
    }
    text
}

/// A URL is no path.
fn without_url(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(scheme) = text.find("://") {
        let end = text[scheme..]
            .find(char::is_whitespace)
            .map_or(text.len(), |end| scheme + end);
        text.replace_range(scheme..end, "");
    }
    text
}

/// Whether a pattern may stand for such a path: `/d*/shm`.
pub fn may_be_special(word: &Word, cwd: &str) -> bool {
    if word.is_literal {
        return false;
    }
    let path = path_of(word, cwd);
    let first = path.split('/').nth(1).unwrap_or_default();
    let (start, end) = ends(first);
    let fits = |of: &&str| of.starts_with(start) && of.ends_with(end);
    first.contains(PATTERN) && SPECIAL.iter().any(fits)
}

/// What stands before the first and behind the last of a pattern; all of it, where it is none.
pub fn ends(name: &str) -> (&str, &str) {
    match (name.find(PATTERN), name.rfind(['*', '?', ']', '}'])) {
        (Some(first), Some(last)) => (&name[..first], name.get(last + 1..).unwrap_or_default()),
        (Some(first), None) => (&name[..first], ""),
        _ => (name, name),
    }
}

/// Whether a word has a path that is a directory or in it, where nothing but the shell or the program knows better.
pub fn may_lead_into(word: &Word, cwd: &str, directory: &str) -> bool {
    let text = word.text.as_str();
    let name = directory.rsplit('/').next().unwrap_or_default();
    // `~/.m2`, or `$HOME/.m2`.
    let is_unknown = text.contains(UNKNOWN) && text.contains(&format!("/{name}"));
    is_unknown || text.contains(directory) || is_within(&absolute(text, cwd), directory)
}

/// Whether an operand may be a path, or a directory above it.
pub fn may_be_above(operand: &Word, path: &str) -> bool {
    let text = operand.text.as_str();
    if text.starts_with('-') {
        return false;
    }
    if text.contains([UNKNOWN, '{']) || text.contains("..") || matches!(text, "." | "./") {
        return true;
    }
    if !text.starts_with('/') {
        return false;
    }
    match text.find(['*', '?', '[']) {
        // What a pattern stands for starts like the text before it.
        Some(fixed) => path.starts_with(&text[..fixed]),
        None => is_within(path, &path::clean(text)),
    }
}

/// What a word is as a path from the root on, with its patterns, where what is not known is nothing at all.
pub fn path_of(word: &Word, cwd: &str) -> String {
    let text = word.text.replace(UNKNOWN, "");
    match text.as_str() {
        // No operand at all.
        "" => text,
        text => absolute(text, cwd),
    }
}

/// A path from the root on.
fn absolute(text: &str, cwd: &str) -> String {
    match text.starts_with('/') {
        true => path::clean(text),
        false => path::clean(&format!("{cwd}/{text}")),
    }
}
