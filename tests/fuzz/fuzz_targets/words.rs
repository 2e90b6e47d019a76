//! Expansion of any word with any variables: `NAME=VALUE` lines, an empty line, and the word.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use stromatekt_dockerfile_parser::{Escape, Expander};

/// No word may become longer, whatever is nested in it.
const LONGEST: usize = 64 << 20;

fuzz_target!(|text: &str| {
    let (variables, word) = text.split_once("\n\n").unwrap_or(("", text));
    let variables: BTreeMap<String, String> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for escape in [Escape::Backslash, Escape::Backtick] {
        let plain = Expander::new(escape);
        for expander in [
            plain,
            plain.keep_quotes().keep_escapes(),
            plain.keep_unset(),
            plain.ignore_quotes(),
        ] {
            let whole = expander.word(word, &variables);
            let words = expander.words(word, &variables);
            if let Ok(whole) = &whole {
                assert!(whole.len() <= LONGEST);
            }
            if let Ok(words) = &words {
                assert!(words.iter().map(String::len).sum::<usize>() <= LONGEST);
                assert!(words.iter().all(|word| !word.is_empty()));
            }
            assert_eq!(whole.is_ok(), words.is_ok(), "{whole:?} {words:?}");
        }
        if !word.contains(['$', '\'', '"', '\\', '`', '\u{feff}']) {
            assert_eq!(plain.word(word, &variables).as_deref(), Ok(word));
        }
    }
});
