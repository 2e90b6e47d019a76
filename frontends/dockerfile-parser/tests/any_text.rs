//! Properties of any text: it never panics, and every place is a place in it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stromatekt_dockerfile_parser::{Escape, Expander, Span, parse, parse_instruction};

/// Texts of what means something, so that most of the parser is reached.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => proptest::sample::select(vec![
            "FROM a", "FROM a AS b", "RUN ", "COPY ", "ADD ", "ENV ", "ARG ", "LABEL ", "HEALTHCHECK ", "CMD ", "ONBUILD ",
            "EXPOSE ", "VOLUME ", "SHELL ", "USER ", "WORKDIR ", "# escape=`", "# syntax=", "--from=", "--mount=", "--", "<<E",
            "<<-'E'", "E", "[\"", "\"]", "\", \"", "${", "}", "$x", ":-", "/", "#", "%", "*", "\\", "`", "'", "\"", "=", ",", "\n",
            "\r\n", "\n", " ", "\t", "\u{a0}", "\u{85}", "\u{feff}", "é", "漢", "\u{180b}", "NONE", "CMD", "--interval=1s", "\\u00e9",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,3}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn check(text: &str, span: Span) {
    assert!(span.start <= span.end, "{span:?} in {text:?}");
    assert!(
        text.get(span.start..span.end).is_some(),
        "{span:?} in {text:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(body in texts(), with_stage in any::<bool>()) {
        let text = if with_stage { format!("FROM a\n{body}") } else { body };
        match parse(&text) {
            Ok(dockerfile) => {
                for stage in &dockerfile.stages {
                    check(&text, stage.from.span);
                    check(&text, stage.from.base.span);
                    for instruction in &stage.instructions {
                        check(&text, instruction.span);
                        let (first, last) = dockerfile.lines(instruction.span);
                        prop_assert!(first <= last);
                    }
                }
                for warning in &dockerfile.warnings {
                    check(&text, warning.span);
                }
            }
            Err(error) => {
                check(&text, error.span);
                prop_assert!(!error.to_string().is_empty());
                let _ = error.help();
            }
        }
        let _ = parse_instruction(&text);
    }

    #[test]
    fn expansion_never_panics(text in texts(), value in texts()) {
        let variables: BTreeMap<String, String> = [("x".to_owned(), value)].into();
        for escape in [Escape::Backslash, Escape::Backtick] {
            let expander = Expander::new(escape);
            for expander in [expander, expander.keep_quotes().keep_escapes().keep_unset(), expander.ignore_quotes()] {
                let word = expander.word(&text, &variables);
                let words = expander.words(&text, &variables);
                prop_assert_eq!(word.is_ok(), words.is_ok());
                prop_assert!(words.iter().flatten().all(|word| !word.is_empty()));
            }
        }
    }
}
