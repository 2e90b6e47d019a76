//! Which rules are looked at: `skip=A,B;experimental=C;error=true`, from the `# check=` directive, the build arg
//! `BUILDKIT_DOCKERFILE_CHECK`, which stands in its place, and comments before single instructions, which add to it.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::boolean;

use super::rule::Rule;

/// Which rules are looked at, and what a violation means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Those that are not looked at.
    skip: Names,
    /// The experimental ones that are.
    experimental: Names,
    /// Whether a violation fails the build.
    pub is_error: bool,
}

/// Names of rules. Those that there are not mean nothing, as in BuildKit: another release may have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    all: bool,
    some: BTreeSet<String>,
}

impl Names {
    fn parse(text: &str) -> Self {
        match text {
            "all" => Self {
                all: true,
                some: BTreeSet::new(),
            },
            list => Self {
                all: false,
                some: list.split(',').map(|name| name.trim().to_owned()).collect(),
            },
        }
    }

    fn has(&self, rule: Rule) -> bool {
        self.all || self.some.contains(rule.name())
    }
}

impl Settings {
    /// Reads settings; nothing is the default.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(settings);
        }
        for part in text.splitn(3, ';') {
            let Some((key, value)) = part.split_once('=') else {
                return Err(format!("`{part}` is no setting"));
            };
            let value = value.trim();
            match key.trim() {
                "skip" => settings.skip = Names::parse(value),
                "experimental" => settings.experimental = Names::parse(value),
                "error" => {
                    settings.is_error = boolean(value)
                        .ok_or_else(|| format!("`error` is true or false, not `{value}`"))?;
                }
                other => return Err(format!("unknown setting `{other}`")),
            }
        }
        Ok(settings)
    }

    /// Whether a rule is looked at, with the settings of an instruction added. What those say about errors means nothing.
    pub fn has(&self, rule: Rule, own: Option<&Self>) -> bool {
        let mut all = std::iter::once(self).chain(own);
        match rule.is_experimental() {
            true => all.any(|settings| settings.experimental.has(rule)),
            false => !all.any(|settings| settings.skip.has(rule)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Rule = Rule::UndefinedVar;
    const EXPERIMENTAL: Rule = Rule::InvalidDefinitionDescription;

    #[test]
    fn rules_are_chosen_by_name() {
        for (text, own, usual, experimental) in [
            ("", None, true, false),
            ("skip=all", None, false, false),
            ("skip=UndefinedVar", None, false, false),
            ("skip=StageNameCasing, UndefinedVar", None, false, false),
            ("skip=undefinedvar,NoSuchRule", None, true, false),
            ("skip=InvalidDefinitionDescription", None, true, false),
            ("experimental=all;skip=all", None, false, true),
            (
                "experimental=InvalidDefinitionDescription",
                None,
                true,
                true,
            ),
            ("", Some("skip=UndefinedVar"), false, false),
            ("skip=StageNameCasing", Some("experimental=all"), true, true),
        ] {
            let settings = Settings::parse(text).unwrap();
            let own = own.map(|own| Settings::parse(own).unwrap());
            assert_eq!(settings.has(USUAL, own.as_ref()), usual, "{text}");
            assert_eq!(
                settings.has(EXPERIMENTAL, own.as_ref()),
                experimental,
                "{text}"
            );
        }
    }

    #[test]
    fn settings_have_a_form() {
        for (text, is_error) in [
            ("skip=A, B;error=true", Some(true)),
            ("error=1;experimental=X;skip=Y", Some(true)),
            ("error=F", Some(false)),
            ("error=maybe", None),
            ("skip", None),
            ("warn=all", None),
            // What follows the third part belongs to it.
            ("skip=A;skip=B;error=true;skip=C", None),
        ] {
            let settings = Settings::parse(text).ok();
            assert_eq!(
                settings.map(|settings| settings.is_error),
                is_error,
                "{text}"
            );
        }
    }
}
