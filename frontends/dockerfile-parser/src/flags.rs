//! The flags of an instruction: `--name=value`, those that it has and no others.

use crate::error::{Error, Problem};
use crate::nearest::nearest;
use crate::span::Word;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing, `true` or `false`.
    Switch,
    /// A value.
    One,
    /// A value, and the flag can be there several times.
    Many,
}

/// The flags that are there.
#[derive(Debug, Default)]
pub struct Flags {
    found: Vec<(&'static str, Word)>,
}

/// Reads flags.
pub fn read(
    instruction: &'static str,
    flags: &[Word],
    known: &[(&'static str, Takes)],
) -> Result<Flags, Error> {
    let mut read = Flags::default();
    for flag in flags {
        let (written, value) = match flag.value.split_once('=') {
            Some((written, value)) => (written, Some(value)),
            None => (flag.as_str(), None),
        };
        let bare = written.strip_prefix("--").unwrap_or(written);
        let written = || written.to_owned();
        let Some(&(name, takes)) = known.iter().find(|(name, _)| *name == bare) else {
            let known: Vec<&'static str> = known.iter().map(|(name, _)| *name).collect();
            return Err(Problem::UnknownFlag {
                instruction,
                flag: written(),
                nearest: nearest(bare, known.iter().copied()).map(|name| format!("--{name}")),
                known,
            }
            .at(flag.span));
        };
        if takes != Takes::Many && read.all(name).next().is_some() {
            return Err(Problem::FlagTwice { flag: written() }.at(flag.span));
        }
        let value = match (takes, value) {
            (Takes::Switch, None) => "true".to_owned(),
            (Takes::Switch, Some(value)) if !value.is_empty() => {
                let lower = value.to_lowercase();
                if lower != "true" && lower != "false" {
                    return Err(Problem::FlagNotBoolean {
                        flag: written(),
                        value: value.to_owned(),
                    }
                    .at(flag.span));
                }
                lower
            }
            (Takes::One | Takes::Many, Some(value)) => value.to_owned(),
            _ => return Err(Problem::FlagValue { flag: written() }.at(flag.span)),
        };
        let word = Word {
            value,
            span: flag.span,
        };
        read.found.push((name, word));
    }
    Ok(read)
}

impl Flags {
    fn all(&self, name: &str) -> impl Iterator<Item = &Word> {
        self.found
            .iter()
            .filter(move |(found, _)| *found == name)
            .map(|(_, word)| word)
    }

    /// Whether a switch is on, if it is there.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.all(name).next().map(|word| word.value == "true")
    }

    /// The value of a flag. An empty value is none.
    pub fn one(&self, name: &str) -> Option<Word> {
        self.all(name).find(|word| !word.value.is_empty()).cloned()
    }

    /// The values of a flag that can be there several times.
    pub fn many(&self, name: &str) -> Vec<Word> {
        self.all(name).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, Takes); 3] = [
        ("on", Takes::Switch),
        ("from", Takes::One),
        ("exclude", Takes::Many),
    ];

    fn parse(flags: &[&str]) -> Result<Flags, Error> {
        let words: Vec<Word> = flags
            .iter()
            .map(|flag| Word {
                value: (*flag).to_owned(),
                ..Word::default()
            })
            .collect();
        read("COPY", &words, &KNOWN)
    }

    #[test]
    fn flags_have_the_values_that_they_take() {
        let flags = parse(&["--on", "--from=a=b", "--exclude=x", "--exclude="]).unwrap();
        assert_eq!(flags.switch("on"), Some(true));
        assert_eq!(flags.one("from").unwrap().value, "a=b");
        assert_eq!(flags.many("exclude").len(), 2);
        assert_eq!(parse(&["--on=False"]).unwrap().switch("on"), Some(false));
        assert_eq!(parse(&["--from="]).unwrap().one("from"), None);
        assert_eq!(parse(&[]).unwrap().switch("on"), None);
    }

    #[test]
    fn others_are_refused() {
        for flags in [
            &["--form=x"][..],
            &["--on", "--on"],
            &["--from=a", "--from=b"],
            &["--from"],
            &["--exclude"],
            &["--on="],
            &["--on=1"],
            &["--"],
            &["--From=x"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
        let help = |flag: &str| parse(&[flag]).unwrap_err().help().unwrap();
        assert_eq!(help("--form=x"), "did you mean `--from`?");
        assert_eq!(help("--whatever"), "its flags are: --on, --from, --exclude");
    }
}
