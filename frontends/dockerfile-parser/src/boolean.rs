//! True and false as Go reads them (`strconv.ParseBool`), and so all of docker's options.

/// What a text says; nothing where it is neither.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::boolean;

    #[test]
    fn other_words_are_neither() {
        for (text, expected) in [
            ("1", Some(true)),
            ("True", Some(true)),
            ("F", Some(false)),
            ("", None),
            ("yes", None),
            ("tRUE", None),
        ] {
            assert_eq!(boolean(text), expected, "{text}");
        }
    }
}
