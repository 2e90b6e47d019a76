//! Expansion of words and word lists.

use std::collections::BTreeMap;

use stromatekt_dockerfile_parser::{Escape, Expander, WordError};

fn variables() -> BTreeMap<String, String> {
    [
        ("x", "val"),
        ("empty", ""),
        ("path", "/usr/local/lib"),
        ("two", "a b"),
        ("file", "lib.tar.gz"),
        ("wide", "漢字"),
        ("1", "one"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn word(text: &str) -> Result<String, WordError> {
    Expander::new(Escape::Backslash).word(text, &variables())
}

#[test]
fn variables_are_replaced() {
    for (text, expected) in [
        ("$x", "val"),
        ("${x}", "val"),
        ("a$x.b${x}c", "aval.bvalc"),
        ("$xy-${xy}", "-"),
        ("$x_", ""),
        ("$1x", "onex"),
        ("$12", ""),
        ("$", "$"),
        ("$.", "$."),
        ("a$", "a$"),
        ("$?$@", ""),
        ("$$x", "x"),
        ("$wide!", "漢字!"),
        ("${wide#漢}", "字"),
        (r"\$x", "$x"),
        (r"\\$x", r"\val"),
        ("\u{feff}$x", "val"),
    ] {
        assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn quotes_and_escapes_go() {
    for (text, expected) in [
        ("'$x'", "$x"),
        ("\"$x\"", "val"),
        ("a'b'\"c\"d", "abcd"),
        ("\"a'b\"", "a'b"),
        ("'a\"b'", "a\"b"),
        (r"a\b\ c", "ab c"),
        (r"'a\b'", r"a\b"),
        (r#""a\b\"\$\\""#, r#"a\b"$\"#),
        (r"a\", "a"),
        ("''", ""),
        ("a b  c", "a b  c"),
    ] {
        assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
    }
    let backtick = Expander::new(Escape::Backtick);
    assert_eq!(
        backtick.word(r"C:\`$x`` $x", &variables()).as_deref(),
        Ok(r"C:\$x` val")
    );
}

#[test]
fn modifiers_choose_and_cut() {
    for (text, expected) in [
        ("${x:-w}${empty:-w}${no:-w}", "valww"),
        ("${x-w}${empty-w}${no-w}", "valw"),
        ("${x:+w}${empty:+w}${no:+w}", "w"),
        ("${x+w}${empty+w}${no+w}", "ww"),
        ("${x:?m}${empty?m}", "val"),
        ("${no:-$x}", "val"),
        ("${no:-${nope:-${x}}}s", "vals"),
        ("${no:-'$x' \"$x\"}", "$x val"),
        (r"${no:-\}}", "}"),
        ("${no:-}", ""),
        ("${path#*/}", "usr/local/lib"),
        ("${path##*/}", "lib"),
        ("${path%/*}", "/usr/local"),
        ("${path%%/*}", ""),
        ("${file%.gz}", "lib.tar"),
        ("${file%%.*}", "lib"),
        ("${file#\"lib.\"}", "tar.gz"),
        ("${path//\\//-}", "-usr-local-lib"),
        ("${path/\\/usr/}", "/local/lib"),
        ("${file/.*/$x}", "libval"),
        ("${no/a/b}${no#a}", ""),
        ("\"${no:-a}\"", "a"),
    ] {
        assert_eq!(word(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_expanded_says_why() {
    for (text, message) in [
        ("'a", "the quote ' is not closed"),
        ("\"a", "the quote \" is not closed"),
        ("${", "is not closed"),
        ("${x", "is not closed"),
        ("${x:-a", "is not closed"),
        ("${x:", "is not closed"),
        ("${}", "must be followed by the name"),
        ("${:x}", "must be followed by the name"),
        ("${x=a}", "unsupported modifier `=`"),
        ("${x:=a}", "unsupported modifier `:=`"),
        ("${x:#a}", "unsupported modifier `:#`"),
        ("${x.}", "unsupported modifier `.`"),
        ("${no?}", "no: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${no:?set $x}", "no: set val"),
        ("${x/a}", "second `/`"),
        (r"${x#\a}", "invalid escape"),
    ] {
        let error = word(text).unwrap_err();
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(error.help().is_some(), "{text}");
    }
    let deep = format!("{}{}", "${a:-".repeat(100_000), "}".repeat(100_000));
    assert_eq!(word(&deep), Err(WordError::TooDeep));
    let fine = format!("{}x{}", "${a:-".repeat(100), "}".repeat(100));
    assert_eq!(word(&fine).as_deref(), Ok("x"));
}

#[test]
fn lists_are_split_at_spaces_after_expansion() {
    for (text, expected) in [
        ("a b", &["a", "b"][..]),
        ("  a\t b  ", &["a", "b"]),
        ("$two c", &["a", "b", "c"]),
        ("x${two}y", &["xa", "by"]),
        ("\"$two\" 'c d'", &["a b", "c d"]),
        (r"a\ b c", &["a b", "c"]),
        ("$no $empty", &[]),
        ("'' a", &["a"]),
        ("80$x", &["80val"]),
        ("", &[]),
        // The word of a modifier makes BuildKit forget what stands before it.
        ("80${no:-81}2 b", &["812", "b"]),
    ] {
        let words = Expander::new(Escape::Backslash).words(text, &variables());
        assert_eq!(words.unwrap(), expected, "{text}");
    }
}

#[test]
fn quotes_escapes_and_what_is_unset_can_stay() {
    let plain = Expander::new(Escape::Backslash);
    for (expander, text, expected) in [
        (plain.keep_quotes(), r#"'a' "$x""#, r#"'a' "val""#),
        (plain.keep_escapes(), r"\$x\a", r"\$x\a"),
        (plain.keep_unset(), "$no ${no} $x", "$no ${no} val"),
        (
            plain.keep_unset(),
            "${no:-a} ${no/b/c} ${no#d}",
            "${no:-a} ${no/b/c} ${no#d}",
        ),
        (
            plain.ignore_quotes(),
            "it's \"$x\" '\\$x\\a",
            "it's \"val\" '$xa",
        ),
    ] {
        assert_eq!(
            expander.word(text, &variables()).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn no_word_grows_without_end() {
    let mut nested = "${a}".to_owned();
    for _ in 0..9 {
        nested = format!("${{a//a/{nested}}}");
    }
    let variables: BTreeMap<String, String> = [
        ("a".to_owned(), "aaaaaaaaaa".to_owned()),
        ("long".to_owned(), "a".repeat(1 << 19)),
    ]
    .into();
    for text in [
        nested.as_str(),
        "$long$long$long",
        "\"$long$long$long\"",
        "${x:-$long$long$long}",
        "${long//a/$long}",
        "${long/*/${long/*/$long$long$long}}",
        "${long//*/$long\\$0\\$0\\$0}",
        "${long#$long}",
    ] {
        let expander = Expander::new(Escape::Backslash);
        assert_eq!(
            expander.word(text, &variables),
            Err(WordError::TooLong),
            "{text}"
        );
    }
}
