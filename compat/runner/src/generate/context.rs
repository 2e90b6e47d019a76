//! Build contexts: trees of files with odd names, links, modes and times.

use super::model::{Case, Entry, shell_word};
use super::random::Random;

/// Names that are easy, and made often, so that paths meet each other.
pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "e.txt", "f.txt", ".h", "g.o"];
/// Names that are not.
pub const ODD_NAMES: [&str; 22] = [
    "sp ace",
    "qu\"ote",
    "it's",
    "é",
    "日本.txt",
    "-dash",
    "[br]",
    "back\\slash",
    "new\nline",
    "tab\tx",
    "$A",
    "${B}",
    "*",
    "?",
    "a*b",
    "..dots",
    "#hash",
    "!bang",
    " lead",
    "trail ",
    "e\u{301}",
    "{x}",
];

/// Adds a tree to the context: files, directories, links, in any order of names.
pub fn tree(r: &mut Random, case: &mut Case, size: usize, odd: usize) {
    for _ in 0..size {
        let path = path(r, 3, odd);
        if blocked(case, &path) {
            continue;
        }
        let entry = match r.below(12) {
            0 | 1 => Entry::Link(link(r, case, &path)),
            2 => {
                if !is_used(case, &path) {
                    case.setup.push(made(&path));
                }
                continue;
            }
            3 => Entry::File(Vec::new()),
            // Equal contents, so that what goes by content has something to mistake.
            4 => Entry::File(b"same\n".to_vec()),
            _ => Entry::File(format!("{path}\n").into_bytes()),
        };
        case.files.insert(path, entry);
    }
}

/// A path of the context.
pub fn path(r: &mut Random, depth: usize, odd: usize) -> String {
    (0..r.between(1, depth))
        .map(|_| name(r, odd))
        .collect::<Vec<_>>()
        .join("/")
}

/// One name.
pub fn name(r: &mut Random, odd: usize) -> &'static str {
    if r.chance(odd) {
        r.text(&ODD_NAMES)
    } else {
        r.text(&NAMES)
    }
}

/// What a link at this path points to: mostly something that is there, since patterns that meet one which dangles are refused.
fn link(r: &mut Random, case: &Case, path: &str) -> String {
    let there: Vec<&String> = case.files.keys().collect();
    if there.is_empty() || r.chance(25) {
        return target(r);
    }
    let to = r.pick(&there).as_str();
    if r.chance(30) {
        format!("/{to}")
    } else {
        format!("{}{to}", "../".repeat(path.matches('/').count()))
    }
}

fn target(r: &mut Random) -> String {
    match r.below(8) {
        0 => format!("/{}", path(r, 2, 0)),
        1 => format!("../{}", path(r, 2, 0)),
        2 => "missing".to_owned(),
        3 => "../../../../outside".to_owned(),
        4 => ".".to_owned(),
        5 => "..".to_owned(),
        _ => path(r, 2, 0),
    }
}

/// Whether something stands in the way of this path: it is there, or a file where it needs a directory.
fn blocked(case: &Case, path: &str) -> bool {
    is_used(case, path)
        || path
            .match_indices('/')
            .any(|(at, _)| case.files.contains_key(&path[..at]))
}

fn is_used(case: &Case, path: &str) -> bool {
    let below = format!("{path}/");
    let below_made = made(&below);
    case.files.contains_key(path)
        || case.files.keys().any(|used| used.starts_with(&below))
        || case
            .setup
            .iter()
            .any(|line| *line == made(path) || line.starts_with(below_made.trim_end_matches('\'')))
}

/// The line that makes an empty directory.
fn made(path: &str) -> String {
    format!("mkdir -p {}", shell_word(&format!("./{path}")))
}

/// Modes, owners, times, hard links, pipes, of what is in the context.
pub fn attributes(r: &mut Random, case: &mut Case) {
    let paths: Vec<String> = case
        .files
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::File(_)))
        .map(|(path, _)| path.clone())
        .filter(|path| !path.contains('\n'))
        .collect();
    if paths.is_empty() {
        return;
    }
    for _ in 0..r.between(1, 5) {
        let path = r.pick(&paths).clone();
        let word = shell_word(&format!("./{path}"));
        let parent = match path.rsplit_once('/') {
            Some((parent, _)) => shell_word(&format!("./{parent}")),
            None => ".".to_owned(),
        };
        let n = r.below(4);
        let line = match r.below(12) {
            0 | 1 => format!(
                "chmod {} {word}",
                r.text(&["600", "755", "4755", "2711", "1644", "000", "777", "6755"])
            ),
            2 => format!(
                "chmod {} {parent}",
                r.text(&["700", "755", "2775", "1777", "711"])
            ),
            3 => format!("chown {} {word}", r.text(&["5:6", "1000", "0:44", "99:99"])),
            4 => format!("chown {} {parent}", r.text(&["5:6", "1000:1000"])),
            5 => format!(
                "touch -d {} {word}",
                r.text(&[
                    "@1500000000",
                    "@1",
                    "@1600000000.5",
                    "1960-01-01",
                    "2039-01-01"
                ])
            ),
            6 => format!("ln -f {word} {parent}/hard{n}"),
            7 => format!("ln -f {word} hard{n}"),
            8 => format!("rm -rf {parent}/pipe; mkfifo {parent}/pipe"),
            9 => format!(
                "python3 -c 'import os,sys; os.setxattr(sys.argv[1], \"{}\", b\"value\")' {word}",
                r.text(&["user.a", "user.b.c", "trusted.t"])
            ),
            10 => format!("ln -sfn {} {parent}/link{n}", shell_word(&target(r))),
            _ => format!("touch -h -d @1400000000 {word}"),
        };
        case.setup.push(line);
    }
}
