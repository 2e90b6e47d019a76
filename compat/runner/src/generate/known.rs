//! What the newest BuildKit does otherwise than the one in docker, and what file systems do otherwise: narrow, each with its reason.

use std::collections::BTreeSet;

use stromatekt_compare::{Difference, Kind};

use super::archives::{Kind as MemberKind, Member};
use super::model::{Case, Entry, Instruction};

/// Why a difference is expected, if it is.
#[must_use]
pub fn reason(
    case: &Case,
    has_newest_frontend: bool,
    difference: &Difference,
    torn: &BTreeSet<String>,
) -> Option<&'static str> {
    let (left, right) = (difference.left.as_deref(), difference.right.as_deref());
    match difference.kind {
        Kind::Mode if is_of_umask(case, left?, right?) => Some(
            "the newest BuildKit makes directories that lead to a destination with the mode of --chmod whatever the daemon's umask is",
        ),
        Kind::History
            if !has_newest_frontend && of_healthcheck(left?) && of_healthcheck(right?) =>
        {
            Some("older frontends print a health check otherwise")
        }
        Kind::Layer
            if left.is_some_and(|left| left.starts_with("symbolic link")) && right.is_none() =>
        {
            Some(
                "overlay copies what a renamed directory holds, and links that are copied get another time",
            )
        }
        Kind::HardLinks if has_links(case) => Some(OVERLAY),
        Kind::Content | Kind::Mode | Kind::Owner
            if difference
                .path
                .as_ref()
                .is_some_and(|path| torn.contains(path) || has_links(case) && was_linked(path)) =>
        {
            Some(OVERLAY)
        }
        Kind::Layer
            if has_links(case)
                && left.is_none()
                && right.is_some_and(|right| right.starts_with("file")) =>
        {
            Some(OVERLAY)
        }
        Kind::Layer if right.is_none() && difference.path.as_deref().is_some_and(was_linked) => {
            Some(OVERLAY)
        }
        Kind::Added | Kind::Layer
            if left.is_none() && is_of_untransferred(case, difference.path.as_deref()?) =>
        {
            Some("docker does not transfer what is called so, and a pattern may match nothing")
        }
        _ => None,
    }
}

/// Whether a path is where a pattern was copied to that means something else to docker's transfer.
fn is_of_untransferred(case: &Case, path: &str) -> bool {
    case.instructions.iter().any(|one| {
        let words: Vec<&str> = one
            .arguments
            .iter()
            .map(|word| word.trim_matches(['"', '\'']))
            .collect();
        let Some((to, from)) = words.split_last() else {
            return false;
        };
        let is_odd = |source: &&str| {
            let source = source.trim_start_matches(['/', '.']);
            is_misread(source) || has_wildcard_in_brackets(source)
        };
        !has_flag(one, "--from=")
            && from.iter().any(is_odd)
            && path.starts_with(to.trim_end_matches(['/', '.']))
    })
}

const OVERLAY: &str = "overlay file systems tear hard links apart where one of them is changed, and docker's layers do not tell of all that happens to them";

/// The paths that are of one file in one image, and of several in the other.
#[must_use]
pub fn torn(case: &Case, differences: &[Difference]) -> BTreeSet<String> {
    let of_links = differences
        .iter()
        .filter(|one| one.kind == Kind::HardLinks && has_links(case));
    of_links.filter_map(|one| one.path.clone()).collect()
}

/// Whether a file has a name that operations give to files of two names; the other one may be gone in the end.
fn was_linked(path: &str) -> bool {
    path.ends_with(".1") || path.ends_with(".2")
}

/// Whether a case makes hard links.
fn has_links(case: &Case) -> bool {
    let links = |text: &String| text.contains("ln /") || text.contains("ln -f ");
    let is_link = |member: &Member| matches!(member.kind, MemberKind::HardLink(_));
    case.setup.iter().any(links)
        || case
            .instructions
            .iter()
            .flat_map(|one| &one.arguments)
            .any(links)
        || case
            .files
            .values()
            .any(|entry| matches!(entry, Entry::Archive(members, _) if members.iter().any(is_link)))
}

/// Whether the newest BuildKit refuses what the one in docker takes: sources of `--parents` without wildcards that are not there.
#[must_use]
pub fn is_refused_by_newest(instruction: &Instruction, error: &str) -> bool {
    error.ends_with(": not found") && has_flag(instruction, "--parents")
}

/// Whether docker cannot even ask for a context: it sends paths in a header that takes no line ends, and patterns as regular expressions.
#[must_use]
pub fn cannot_be_transferred(error: &str) -> bool {
    error.contains("header key \"followpaths\"")
        || error.contains("failed to match includepatterns: syntax error in pattern")
}

/// Whether it is a mistake in a pattern, which docker finds only where matching comes to it.
#[must_use]
pub fn is_found_late(error: &str) -> bool {
    error.contains(": the pattern \"") && error.contains("\" is malformed: ")
}

/// Whether docker looks at what it leaves out: below a directory that `--exclude` names it looks for each entry's place all the same, and is
/// surprised where a file is on the way.
#[must_use]
pub fn looks_at_excluded(instruction: &Instruction, error: &str) -> bool {
    error.contains("lstat /")
        && error.ends_with(": not a directory")
        && has_flag(instruction, "--exclude=")
}

/// Whether docker misses what is in the context, since it gets only what is copied: the directory of a pattern that matches nothing; what a
/// link leads to that was found through a pattern in the middle of a path; and names with spaces at their ends, which it takes off, or with an
/// exclamation mark or a backslash, which mean something to it.
#[must_use]
pub fn is_not_transferred(instruction: &Instruction, error: &str) -> bool {
    if has_flag(instruction, "--from=") {
        return false;
    }
    let directory = error
        .rsplit_once("lstat /")
        .and_then(|(_, rest)| rest.strip_suffix(": no such file or directory"));
    let is_pattern = |word: &String| word.contains(['*', '?', '[']);
    let name = error
        .strip_suffix("\": not found")
        .and_then(|rest| rest.rsplit_once("\"/"));
    // Where a link leads that was found in a directory of many.
    let is_deep = |word: &String| {
        word.rsplit_once('/')
            .is_some_and(|(above, _)| is_pattern(&above.to_owned()))
    };
    // With patterns to leave out, it does not look for what is copied beforehand.
    let looks_late = has_flag(instruction, "--exclude=");
    let words = &instruction.arguments;
    directory.is_some_and(|path| words.iter().any(is_pattern) || looks_late && is_misread(path))
        || name.is_some() && words.iter().any(is_deep)
        || name.is_some_and(|(_, name)| is_misread(name))
}

/// Whether docker's transfer, which takes what it is asked for as patterns of an ignore file, takes a name for another.
fn is_misread(name: &str) -> bool {
    name.trim() != name || name.starts_with('!') || name.contains('\\')
}

/// Whether it has a wildcard as one of several characters: docker's transfer makes a regular expression of it that means something else.
fn has_wildcard_in_brackets(pattern: &str) -> bool {
    pattern.split('[').skip(1).any(|rest| {
        rest.split_once(']')
            .is_some_and(|(characters, _)| characters.contains(['*', '?']))
    })
}

/// Whether docker refuses an archive with a symbolic link on the way to one of its members that has more `..` than directories above it. Its
/// releases differ: older ones, and stromatekt, take the destination for the root there, as a process in it would.
#[must_use]
pub fn leads_above_the_destination(instruction: &Instruction, error: &str) -> bool {
    instruction.keyword.eq_ignore_ascii_case("ADD") && error.ends_with(": path escapes from parent")
}

fn has_flag(instruction: &Instruction, start: &str) -> bool {
    instruction.flags.iter().any(|flag| flag.starts_with(start))
}

/// Whether the right mode is one of a `--chmod`, and the left one is what umask 022 leaves of it.
fn is_of_umask(case: &Case, left: &str, right: &str) -> bool {
    let octal = |text: &str| u32::from_str_radix(text, 8).ok();
    let (Some(left), Some(right)) = (octal(left), octal(right)) else {
        return false;
    };
    let asked = case
        .instructions
        .iter()
        .flat_map(|one| &one.flags)
        .filter_map(|flag| octal(flag.strip_prefix("--chmod=")?))
        .any(|mode| mode & 0o777 == right);
    asked && left == right & !0o022
}

fn of_healthcheck(created_by: &str) -> bool {
    created_by.starts_with("HEALTHCHECK ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_modes_of_chmod_flags_are_of_the_umask() {
        let mut case = Case::new("x".to_owned());
        case.push(Instruction::new("COPY", ["a", "/b/"]).flag("--chmod=1777"));
        assert!(is_of_umask(&case, "0755", "0777"));
        assert!(!is_of_umask(&case, "0755", "1777"));
        assert!(!is_of_umask(&case, "0755", "0775"));
        assert!(!is_of_umask(&case, "0777", "0755"));
    }

    #[test]
    fn what_docker_does_not_transfer_is_known_by_its_name() {
        let copy = |from: &str| Instruction::new("COPY", [from, "/x/"]);
        let missing = |path: &str| format!("failed to compute cache key: \"/{path}\": not found");
        for (from, error, is_known) in [
            (
                "d/*",
                "lstat /d: no such file or directory".to_owned(),
                true,
            ),
            (
                "d/f",
                "lstat /d: no such file or directory".to_owned(),
                false,
            ),
            (" lead", missing(" lead"), true),
            ("!bang", missing("!bang"), true),
            ("a", missing("a"), false),
        ] {
            assert_eq!(
                is_not_transferred(&copy(from), &error),
                is_known,
                "{from}: {error}"
            );
        }
        for (from, path, is_known) in [
            ("é/trail ", "é/trail ", true),
            ("trail /back\\slash", "trail /back\\slash", true),
            ("é/f", "é/f", false),
        ] {
            let error = format!("failed to solve: lstat /{path}: no such file or directory");
            let excluding = copy(from).flag("--exclude=**");
            assert_eq!(is_not_transferred(&excluding, &error), is_known, "{path}");
            assert!(!is_not_transferred(&copy(from), &error), "{path}");
        }
        let of_stage = copy("d/*").flag("--from=s");
        assert!(!is_not_transferred(
            &of_stage,
            "lstat /d: no such file or directory"
        ));
    }

    #[test]
    fn a_pattern_that_docker_reads_otherwise_may_match_nothing() {
        for (from, is_known) in [
            ("*[*]*", true),
            ("[a?]", true),
            ("[a]*", false),
            ("*", false),
        ] {
            let mut case = Case::new("x".to_owned());
            case.push(Instruction::json(
                "COPY",
                &[from.to_owned(), "/o6/".to_owned()],
            ));
            assert_eq!(is_of_untransferred(&case, "/o6/a"), is_known, "{from}");
            assert!(!is_of_untransferred(&case, "/o7"), "{from}");
        }
    }

    #[test]
    fn only_archives_lead_above_their_destination() {
        let error = "failed to build: failed to solve: statat l/b: path escapes from parent";
        let instruction = |keyword: &str| Instruction::new(keyword, ["a.tar", "/x/"]);
        assert!(leads_above_the_destination(&instruction("ADD"), error));
        assert!(!leads_above_the_destination(&instruction("COPY"), error));
        let other = "failed to solve: statat l/b: no such file or directory";
        assert!(!leads_above_the_destination(&instruction("ADD"), other));
    }

    #[test]
    fn only_cases_with_hard_links_have_torn_ones() {
        let mut case = Case::new("x".to_owned());
        assert!(!has_links(&case));
        case.setup.push("ln -f a b".to_owned());
        assert!(has_links(&case));
    }
}
