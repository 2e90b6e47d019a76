//! Patterns for the names of cases and the places of differences: `*` is any text, `?` any one character.

/// Whether all of the text matches.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: the star takes one character more.
    let mut star = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((after, taken)) => {
                    at = after;
                    seen = taken + 1;
                    star = Some((after, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("copy/*", "copy/chmod-symbolic", true),
            ("copy/*", "add/copy/x", false),
            ("history[*].created_by", "history[12].created_by", true),
            ("history[*].created_by", "history[12].comment", false),
            ("/etc", "/etc", true),
            ("/etc", "/etc/passwd", false),
            ("*a*b", "xaxbxab", true),
            ("?", "", false),
            ("?", "é", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
