//! Rules about the text alone: they need no values.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{Comments, Dockerfile, Instruction, Kind, Span, WarningKind};

use super::{Checks, Rule};
use crate::source::{CONTEXT, SCRATCH};

impl Checks<'_> {
    /// Looks at the whole text.
    pub(crate) fn file(&self, dockerfile: &Dockerfile) {
        self.instructions(dockerfile);
        self.stage_names(dockerfile);
        self.casing(dockerfile);
    }

    /// Looks at instructions one by one.
    pub(super) fn instructions(&self, dockerfile: &Dockerfile) {
        for warning in &dockerfile.warnings {
            match warning.kind {
                WarningKind::EmptyContinuation => self.report(
                    Rule::NoEmptyContinuation,
                    None,
                    warning.span,
                    "An empty line within the instruction".to_owned(),
                ),
            }
        }
        dockerfile
            .global_args
            .iter()
            .for_each(|instruction| self.alone(instruction));
        for stage in &dockerfile.stages {
            self.alone_from(&stage.from);
            stage
                .instructions
                .iter()
                .for_each(|instruction| self.alone(instruction));
        }
    }

    fn alone(&self, instruction: &Instruction) {
        let comments = &instruction.comments;
        match &instruction.kind {
            Kind::Maintainer(_) => self.report(
                Rule::MaintainerDeprecated,
                Some(comments),
                instruction.span,
                "MAINTAINER is deprecated: use a label".to_owned(),
            ),
            Kind::Arg(args) => {
                let names: Vec<&str> = args.iter().map(|arg| arg.name.as_str()).collect();
                self.description("ARG", &names, comments, instruction.span);
            }
            _ => {}
        }
    }

    fn alone_from(&self, from: &stromatekt_dockerfile_parser::From) {
        let Some((keyword, name)) = &from.alias else {
            return;
        };
        let comments = Some(&from.comments);
        if *name != name.to_lowercase() {
            let message = format!("The name of the stage '{name}' is not in lower case");
            self.report(Rule::StageNameCasing, comments, from.span, message);
        }
        let is_other = match Case::of(&from.keyword) {
            Case::Lower => *keyword != keyword.to_lowercase(),
            Case::Upper => *keyword != keyword.to_uppercase(),
            // The rule about keywords tells it.
            Case::Mixed => false,
        };
        if is_other {
            let message = format!(
                "'{keyword}' is written in another case than '{}'",
                from.keyword
            );
            self.report(Rule::FromAsCasing, comments, from.span, message);
        }
        if let Some(name) = &from.name {
            self.description("FROM", &[&name.value], &from.comments, from.span);
        }
    }

    /// The last comment describes one of these names, or there is none.
    fn description(&self, keyword: &str, names: &[&str], comments: &Comments, span: Span) {
        let Some(last) = comments.last() else { return };
        let about = last.split(' ').next().unwrap_or_default();
        if names.contains(&about) {
            return;
        }
        let name = match names {
            [name] => name,
            _ => "<arg_key>",
        };
        let message = format!("The comment before {keyword} is not `# {name} <description>`");
        self.report(
            Rule::InvalidDefinitionDescription,
            Some(comments),
            span,
            message,
        );
    }

    fn stage_names(&self, dockerfile: &Dockerfile) {
        let mut seen = BTreeSet::new();
        for stage in &dockerfile.stages {
            let Some(name) = stage.from.name.as_ref().map(|name| name.as_str()) else {
                continue;
            };
            if matches!(name, CONTEXT | SCRATCH) {
                let message = format!("The name \"{name}\" has a meaning of its own");
                self.report(Rule::ReservedStageName, None, stage.from.span, message);
            }
            if !seen.insert(name) {
                let message = format!("An earlier stage has the name \"{name}\", too");
                self.report(Rule::DuplicateStageName, None, stage.from.span, message);
            }
        }
    }

    /// Keywords are in the case of most, upper where there are as many of both. Global ARGs are not looked at, as in BuildKit.
    fn casing(&self, dockerfile: &Dockerfile) {
        let keywords = || {
            dockerfile.stages.iter().flat_map(|stage| {
                let from = (stage.from.keyword.as_str(), stage.from.span);
                let instructions = stage.instructions.iter();
                std::iter::once(from)
                    .chain(instructions.map(|found| (found.keyword.as_str(), found.span)))
            })
        };
        let count = |case| {
            keywords()
                .filter(|(word, _)| Case::of(word) == case)
                .count()
        };
        let most = match count(Case::Lower) > count(Case::Upper) {
            true => Case::Lower,
            false => Case::Upper,
        };
        for (word, span) in keywords().filter(|(word, _)| Case::of(word) != most) {
            let name = match most {
                Case::Lower => "lowercase",
                _ => "uppercase",
            };
            let message = format!("'{word}' is not in the case of most keywords ({name})");
            self.report(Rule::ConsistentInstructionCasing, None, span, message);
        }
    }
}

/// The case of a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
    Mixed,
}

impl Case {
    fn of(word: &str) -> Self {
        match word {
            word if word == word.to_lowercase() => Self::Lower,
            word if word == word.to_uppercase() => Self::Upper,
            _ => Self::Mixed,
        }
    }
}
