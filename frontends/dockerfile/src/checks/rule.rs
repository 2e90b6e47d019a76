//! The rules, by the names that docker knows them by: one table.

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A stage has capital letters in its name.
    StageNameCasing,
    /// `from … AS`, or `FROM … as`.
    FromAsCasing,
    /// An empty line in the midst of an instruction.
    NoEmptyContinuation,
    /// A keyword is not in the case of most.
    ConsistentInstructionCasing,
    /// Two stages have the same name.
    DuplicateStageName,
    /// A stage is called `scratch` or `context`.
    ReservedStageName,
    /// CMD or ENTRYPOINT in shell form.
    JsonArgsRecommended,
    /// MAINTAINER.
    MaintainerDeprecated,
    /// FROM uses an arg that nobody declared.
    UndefinedArgInFrom,
    /// The first WORKDIR is not absolute.
    WorkdirRelativePath,
    /// A variable is used that nothing sets.
    UndefinedVar,
    /// CMD, ENTRYPOINT or HEALTHCHECK several times in a stage.
    MultipleInstructionsDisallowed,
    /// `ENV name value`.
    LegacyKeyValueFormat,
    /// The base is for another platform than was asked for.
    InvalidBaseImagePlatform,
    /// `FROM --platform=$TARGETPLATFORM`.
    RedundantTargetPlatform,
    /// The name of an ARG or a variable says that it is a secret.
    SecretsUsedInArgOrEnv,
    /// Without build args, FROM names no image.
    InvalidDefaultArgInFrom,
    /// `FROM --platform=linux/amd64`.
    FromPlatformFlagConstDisallowed,
    /// COPY of what the ignore file leaves out.
    CopyIgnoredFile,
    /// A comment before a named thing does not describe it.
    InvalidDefinitionDescription,
    /// `EXPOSE 80/TCP`.
    ExposeProtoCasing,
    /// `EXPOSE 8080:80`.
    ExposeInvalidFormat,
}

/// What the table says of a rule.
struct Entry {
    rule: Rule,
    name: &'static str,
    /// The last part of the address of docker's page about it; that page has the name of the rule in lower case.
    page: Option<&'static str>,
    description: &'static str,
    is_experimental: bool,
}

const fn entry(
    rule: Rule,
    name: &'static str,
    page: &'static str,
    description: &'static str,
) -> Entry {
    Entry {
        rule,
        name,
        page: Some(page),
        description,
        is_experimental: false,
    }
}

/// All rules, in the order of their declaration above.
const TABLE: [Entry; 22] = [
    entry(
        Rule::StageNameCasing,
        "StageNameCasing",
        "stage-name-casing",
        "Names of stages are written in lower case",
    ),
    entry(
        Rule::FromAsCasing,
        "FromAsCasing",
        "from-as-casing",
        "FROM and its AS are written in the same case",
    ),
    entry(
        Rule::NoEmptyContinuation,
        "NoEmptyContinuation",
        "no-empty-continuation",
        "An empty line within an instruction is deprecated: docker will refuse it one day",
    ),
    entry(
        Rule::ConsistentInstructionCasing,
        "ConsistentInstructionCasing",
        "consistent-instruction-casing",
        "All keywords of a Dockerfile are written in the same case, upper or lower",
    ),
    entry(
        Rule::DuplicateStageName,
        "DuplicateStageName",
        "duplicate-stage-name",
        "Each stage has a name of its own",
    ),
    entry(
        Rule::ReservedStageName,
        "ReservedStageName",
        "reserved-stage-name",
        "Words with a meaning of their own are no names for stages",
    ),
    entry(
        Rule::JsonArgsRecommended,
        "JSONArgsRecommended",
        "json-args-recommended",
        "A shell between docker and the process keeps signals from it: CMD and ENTRYPOINT are better written as JSON",
    ),
    entry(
        Rule::MaintainerDeprecated,
        "MaintainerDeprecated",
        "maintainer-deprecated",
        "MAINTAINER is deprecated: a label names the author",
    ),
    entry(
        Rule::UndefinedArgInFrom,
        "UndefinedArgInFrom",
        "undefined-arg-in-from",
        "FROM can use the args alone that are declared before the first FROM",
    ),
    entry(
        Rule::WorkdirRelativePath,
        "WorkdirRelativePath",
        "workdir-relative-path",
        "A relative WORKDIR without an absolute one before it means another directory once the base has another",
    ),
    entry(
        Rule::UndefinedVar,
        "UndefinedVar",
        "undefined-var",
        "Variables are set before they are used",
    ),
    entry(
        Rule::MultipleInstructionsDisallowed,
        "MultipleInstructionsDisallowed",
        "multiple-instructions-disallowed",
        "CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage: the last one alone counts",
    ),
    entry(
        Rule::LegacyKeyValueFormat,
        "LegacyKeyValueFormat",
        "legacy-key-value-format",
        "A name and its value with a space between them is a form of old: write `=`",
    ),
    Entry {
        rule: Rule::InvalidBaseImagePlatform,
        name: "InvalidBaseImagePlatform",
        page: None,
        description: "The base image is for the platform that is built for",
        is_experimental: false,
    },
    entry(
        Rule::RedundantTargetPlatform,
        "RedundantTargetPlatform",
        "redundant-target-platform",
        "Bases are for the target platform anyway: $TARGETPLATFORM in FROM says nothing",
    ),
    entry(
        Rule::SecretsUsedInArgOrEnv,
        "SecretsUsedInArgOrEnv",
        "secrets-used-in-arg-or-env",
        "Secrets are given with `RUN --mount=type=secret`: everybody who has the image sees its ARGs and ENVs",
    ),
    entry(
        Rule::InvalidDefaultArgInFrom,
        "InvalidDefaultArgInFrom",
        "invalid-default-arg-in-from",
        "With the defaults of its args alone, FROM names an image",
    ),
    entry(
        Rule::FromPlatformFlagConstDisallowed,
        "FromPlatformFlagConstDisallowed",
        "from-platform-flag-const-disallowed",
        "The platform in FROM comes from an arg, lest the Dockerfile can be built for one platform alone",
    ),
    entry(
        Rule::CopyIgnoredFile,
        "CopyIgnoredFile",
        "copy-ignored-file",
        "What is copied is not left out of the context by .dockerignore",
    ),
    Entry {
        is_experimental: true,
        ..entry(
            Rule::InvalidDefinitionDescription,
            "InvalidDefinitionDescription",
            "invalid-definition-description",
            "The comment right before a stage or an ARG describes it: `# NAME description`; others have an empty comment behind them",
        )
    },
    entry(
        Rule::ExposeProtoCasing,
        "ExposeProtoCasing",
        "expose-proto-casing",
        "Protocols in EXPOSE are written in lower case",
    ),
    entry(
        Rule::ExposeInvalidFormat,
        "ExposeInvalidFormat",
        "expose-invalid-format",
        "EXPOSE has ports of the container alone: docker will refuse addresses and ports of the host one day",
    ),
];

impl Rule {
    fn entry(self) -> &'static Entry {
        &TABLE[self as usize]
    }

    /// All rules.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|entry| entry.rule)
    }

    /// The name, as in `# check=skip=NAME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What is right, in a sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        self.entry().description
    }

    /// Docker's page about it, where there is one.
    #[must_use]
    pub fn url(self) -> Option<String> {
        let page = self.entry().page?;
        Some(format!(
            "https://docs.docker.com/go/dockerfile/rule/{page}/"
        ))
    }

    /// Whether it is looked at only where the settings ask for it.
    #[must_use]
    pub fn is_experimental(self) -> bool {
        self.entry().is_experimental
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_rule_of_buildkit_at_its_place() {
        let names: Vec<&str> = Rule::all().map(Rule::name).collect();
        assert_eq!(
            names,
            [
                "StageNameCasing",
                "FromAsCasing",
                "NoEmptyContinuation",
                "ConsistentInstructionCasing",
                "DuplicateStageName",
                "ReservedStageName",
                "JSONArgsRecommended",
                "MaintainerDeprecated",
                "UndefinedArgInFrom",
                "WorkdirRelativePath",
                "UndefinedVar",
                "MultipleInstructionsDisallowed",
                "LegacyKeyValueFormat",
                "InvalidBaseImagePlatform",
                "RedundantTargetPlatform",
                "SecretsUsedInArgOrEnv",
                "InvalidDefaultArgInFrom",
                "FromPlatformFlagConstDisallowed",
                "CopyIgnoredFile",
                "InvalidDefinitionDescription",
                "ExposeProtoCasing",
                "ExposeInvalidFormat",
            ]
        );
        for (place, rule) in Rule::all().enumerate() {
            assert_eq!(rule as usize, place, "{}", rule.name());
        }
    }

    #[test]
    fn pages_are_called_as_their_rules() {
        for rule in Rule::all() {
            let Some(url) = rule.url() else {
                assert_eq!(rule, Rule::InvalidBaseImagePlatform);
                continue;
            };
            let page = url.trim_end_matches('/').rsplit('/').next().unwrap();
            let joined: String = page.split('-').collect();
            assert_eq!(joined, rule.name().to_lowercase());
        }
    }

    #[test]
    fn one_rule_is_experimental() {
        let experimental: Vec<Rule> = Rule::all().filter(|rule| rule.is_experimental()).collect();
        assert_eq!(experimental, [Rule::InvalidDefinitionDescription]);
    }
}
