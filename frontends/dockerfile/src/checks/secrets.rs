//! Names that say that their values are secret.

/// Words that stand for secrets.
const SECRET: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "passwd",
    "password",
    "pword",
    "secret",
    "token",
];
/// Words that say that it is none.
const OPEN: [&str; 3] = ["file", "public", "version"];

/// Whether a name says that its value is a secret: one of the words between its `_`s does, whatever its case.
pub fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&OPEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_name_tell() {
        for (name, expected) in [
            ("TOKEN", true),
            ("github_Token", true),
            ("AUTH_HEADER", true),
            ("A_KEY_B", true),
            ("KEYS", false),
            ("MONKEY", false),
            ("api-key", false),
            ("PUBLIC_KEY", false),
            ("TOKEN_FILE", false),
            ("KEY_VERSION", false),
            ("PASSWORD2", false),
            ("_KEY", true),
        ] {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }
}
