//! What a Dockerfile can build: its stages, with what the comments before them say.

use stromatekt_dockerfile_parser::{Dockerfile, Span};

/// A stage that can be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, in lower case; only stages with one can be asked for.
    pub name: Option<String>,
    /// Whether it is built where none is asked for.
    pub is_default: bool,
    /// What the comment before it says of it.
    pub description: Option<String>,
    /// Its base, as it is written.
    pub base: String,
    /// Its platform, as it is written.
    pub platform: Option<String>,
    /// Where it starts.
    pub span: Span,
}

/// The stages, in order.
#[must_use]
pub fn targets(dockerfile: &Dockerfile) -> Vec<Target> {
    let last = dockerfile.stages.len().saturating_sub(1);
    let stages = dockerfile.stages.iter().enumerate();
    stages
        .map(|(index, stage)| {
            let from = &stage.from;
            let name = from.name.as_ref().map(|name| name.value.clone());
            Target {
                description: from
                    .comments
                    .about(name.as_deref().unwrap_or_default())
                    .map(str::to_owned),
                name,
                is_default: index == last,
                base: from.base.value.clone(),
                platform: from
                    .platform
                    .as_ref()
                    .map(|platform| platform.value.clone()),
                span: from.span,
            }
        })
        .collect()
}
