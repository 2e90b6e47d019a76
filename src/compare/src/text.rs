//! How paths, times, files and differences of texts are written.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use similar::TextDiff;
use stromatekt_kernel::Timestamp;
use stromatekt_oci::time::{from_epoch, rfc3339};

use crate::tree::{Node, NodeKind};

/// How many lines of a difference are shown.
const MAX_LINES: usize = 30;
/// How many characters of a line are shown.
const MAX_WIDTH: usize = 160;
/// How long the shortest difference is searched for.
const PATIENCE: Duration = Duration::from_millis(100);

/// A path of an image, from its root, on one line: what is no text, or no printable one, is escaped.
pub(crate) fn shown(path: &Path) -> String {
    let mut text = String::from("/");
    text.push_str(&printable(path.as_os_str().as_encoded_bytes()));
    text
}

/// Bytes on one line.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() || character == '\\' {
                true => text.extend(character.escape_default()),
                false => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A file in short: `file 0644 0:0, 12 bytes`.
pub(crate) fn described(node: &Node) -> String {
    let mut text = node.kind.name().to_owned();
    if !matches!(node.kind, NodeKind::Symlink(_)) {
        let _ = write!(text, " {}", mode(node.mode));
    }
    let _ = write!(text, " {}:{}", node.uid, node.gid);
    match &node.kind {
        NodeKind::File(content) => {
            let _ = write!(text, ", {}", bytes(content.size));
        }
        NodeKind::Symlink(target) => {
            let _ = write!(text, " -> {}", printable(target.as_encoded_bytes()));
        }
        NodeKind::CharDevice(major, minor) | NodeKind::BlockDevice(major, minor) => {
            let _ = write!(text, ", {major}:{minor}");
        }
        NodeKind::Directory | NodeKind::Fifo => {}
    }
    text
}

pub(crate) fn mode(mode: u32) -> String {
    format!("{mode:04o}")
}

pub(crate) fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_owned(),
        size => format!("{size} bytes"),
    }
}

pub(crate) fn time(time: Timestamp) -> String {
    let at = from_epoch(time.seconds)
        .and_then(|at| at.checked_add(Duration::from_nanos(time.nanoseconds.into())));
    match at {
        Some(at) if time.seconds >= 0 => rfc3339(at),
        _ => format!("{}.{:09} s", time.seconds, time.nanoseconds),
    }
}

/// How one text differs from another, as `diff -u` shows it, without more lines than a person wants to see.
pub(crate) fn difference(left: &str, right: &str) -> Option<String> {
    let diff = TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(left, right);
    let mut text = String::new();
    let mut lines = 0;
    let mut more = 0;
    let unified = diff.unified_diff().context_radius(2).to_string();
    for line in unified.lines() {
        if lines == MAX_LINES {
            more += 1;
            continue;
        }
        lines += 1;
        let mut characters = line.chars();
        let shown: String = characters.by_ref().take(MAX_WIDTH).collect();
        let cut = if characters.next().is_some() {
            "…"
        } else {
            ""
        };
        let escaped = printable_line(&shown);
        let _ = writeln!(text, "{escaped}{cut}");
    }
    if more > 0 {
        let _ = writeln!(text, "… {more} more lines");
    }
    (!text.is_empty()).then_some(text)
}

/// A line without what would move a terminal's cursor.
fn printable_line(line: &str) -> String {
    let mut text = String::new();
    for character in line.chars() {
        match character.is_control() && character != '\t' {
            true => text.extend(character.escape_default()),
            false => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_on_one_line() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        for (bytes, text) in [
            (&b"etc/x"[..], "/etc/x"),
            (b"a\nb", "/a\\nb"),
            (b"a\xff", "/a\\xff"),
            ("ä ö".as_bytes(), "/ä ö"),
            (b"", "/"),
        ] {
            assert_eq!(shown(Path::new(OsStr::from_bytes(bytes))), text);
        }
    }

    #[test]
    fn differences_of_texts_are_short() {
        assert_eq!(
            difference("a\nb\n", "a\nc\n").unwrap(),
            "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        );
        let long: String = (0..1000).map(|line| format!("{line}\n")).collect();
        let shown = difference("", &long).unwrap();
        assert_eq!(shown.lines().count(), MAX_LINES + 1);
        assert!(shown.ends_with("… 971 more lines\n"), "{shown}");
        assert!(difference("", &"x".repeat(10_000)).unwrap().len() < 1000);
    }

    #[test]
    fn times_before_the_epoch_are_shown_too() {
        assert_eq!(time(Timestamp::from_seconds(-5)), "-5.000000000 s");
        assert!(time(Timestamp::from_seconds(0)).starts_with("1970-01-01T00:00:00"));
    }
}
