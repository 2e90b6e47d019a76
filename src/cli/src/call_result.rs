//! The results of calls: as a text in buildx's form, and as the JSON of BuildKit's subrequests (`lint`, `outline`, `targets`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use stromatekt_dockerfile::{Credential, Dockerfile, Outline, Span, Violation};

use crate::error::{DockerfileText, Error, Result};
use crate::excerpt::excerpt;
use crate::progress::rawjson::Range;

/// The version of BuildKit's subrequests.
const VERSION: &str = "1.0.0";

/// What a call has to say.
pub struct CallResult {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: String,
    /// Whether rules are not followed.
    pub has_violations: bool,
    /// What keeps the Dockerfile from being built.
    pub failure: Option<Error>,
}

/// What buildx writes to its metadata file after a call.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "result.json")]
    json: serde_json::Value,
    #[serde(rename = "result.statuscode", skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(rename = "result.txt")]
    text: &'a str,
    version: &'static str,
}

#[derive(Serialize)]
struct LintResults<'a> {
    warnings: Option<Vec<LintWarning<'a>>>,
    sources: [SourceInfo<'a>; 1],
    #[serde(rename = "buildError", skip_serializing_if = "Option::is_none")]
    error: Option<BuildError>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LintWarning<'a> {
    rule_name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    detail: &'a str,
    location: Location,
}

#[derive(Serialize)]
struct SourceInfo<'a> {
    filename: &'a str,
    data: String,
    language: &'static str,
}

#[derive(Serialize)]
struct BuildError {
    message: String,
    location: Location,
}

#[derive(Default, Serialize)]
struct Location {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Range>,
}

#[derive(Serialize)]
struct OutlineJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<CredentialJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<CredentialJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct ArgJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    location: Location,
}

#[derive(Serialize)]
struct CredentialJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    location: Location,
}

#[derive(Serialize)]
struct ListJson<'a> {
    targets: Vec<TargetJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct TargetJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    base: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    location: Location,
}

impl CallResult {
    fn new(text: String, json: &impl Serialize) -> Result<Self> {
        let mut json = serde_json::to_string_pretty(json).map_err(Error::json)?;
        json.push('\n');
        Ok(Self {
            text,
            json,
            has_violations: false,
            failure: None,
        })
    }

    /// What the metadata file says of it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn metadata(&self) -> Result<String> {
        let status = match self.has_violations || self.failure.is_some() {
            true => Some("1"),
            false => None,
        };
        let metadata = Metadata {
            json: serde_json::from_str(&self.json).map_err(Error::json)?,
            status,
            text: &self.text,
            version: VERSION,
        };
        serde_json::to_string_pretty(&metadata).map_err(Error::json)
    }
}

/// A range for each line.
fn location(dockerfile: &Dockerfile, span: Span) -> Location {
    ranges(dockerfile.lines(span))
}

fn ranges((first, last): (u32, u32)) -> Location {
    Location {
        ranges: Range::of_lines(first, last),
    }
}

fn source(text: &DockerfileText) -> SourceInfo<'_> {
    SourceInfo {
        filename: &text.name,
        data: STANDARD.encode(&*text.text),
        language: "Dockerfile",
    }
}

fn build_error(error: &Error) -> BuildError {
    BuildError {
        message: error.to_string(),
        location: error.lines().map(ranges).unwrap_or_default(),
    }
}

/// The result of a check of what is no Dockerfile.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn no_dockerfile(text: &DockerfileText, failure: Error) -> Result<CallResult> {
    let json = LintResults {
        warnings: None,
        sources: [source(text)],
        error: Some(build_error(&failure)),
    };
    Ok(CallResult {
        failure: Some(failure),
        ..CallResult::new(String::new(), &json)?
    })
}

/// The result of a check. `name` is what people find the Dockerfile by.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn check(
    text: &DockerfileText,
    dockerfile: &Dockerfile,
    name: &str,
    violations: &[Violation],
    failure: Option<Error>,
) -> Result<CallResult> {
    let warnings = violations.iter().map(|violation| LintWarning {
        rule_name: violation.rule.name(),
        description: violation.rule.description(),
        url: violation.rule.url(),
        detail: &violation.message,
        location: location(dockerfile, violation.span),
    });
    let json = LintResults {
        warnings: (!violations.is_empty()).then(|| warnings.collect()),
        sources: [source(text)],
        error: failure.as_ref().map(build_error),
    };
    let mut shown = match violations.len() {
        0 if failure.is_some() => String::new(),
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    let mut sorted: Vec<&Violation> = violations.iter().collect();
    sorted.sort_by_key(|violation| dockerfile.lines(violation.span).0);
    for violation in &sorted {
        let rule = violation.rule;
        let url = rule
            .url()
            .map(|url| format!(" - {url}"))
            .unwrap_or_default();
        let lines = excerpt(name, &text.text, dockerfile.lines(violation.span));
        let _ = write!(
            shown,
            "\nWARNING: {}{url}\n{}\n{lines}",
            rule.name(),
            violation.message
        );
    }
    if failure.is_some() && !violations.is_empty() {
        shown.push('\n');
    }
    Ok(CallResult {
        has_violations: !violations.is_empty(),
        failure,
        ..CallResult::new(shown, &json)?
    })
}

/// The result of `outline`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn outline(
    text: &DockerfileText,
    dockerfile: &Dockerfile,
    outline: &Outline,
) -> Result<CallResult> {
    let json = OutlineJson {
        name: outline.name.as_deref(),
        description: outline.description.as_deref(),
        args: outline
            .args
            .iter()
            .map(|arg| ArgJson {
                name: &arg.name,
                description: arg.description.as_deref(),
                value: &arg.value,
                location: location(dockerfile, arg.span),
            })
            .collect(),
        secrets: credentials_json(dockerfile, &outline.secrets),
        ssh: credentials_json(dockerfile, &outline.ssh),
        sources: [STANDARD.encode(&*text.text)],
    };
    let mut shown = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let name = outline.name.as_deref().unwrap_or("(default)");
        let mut rows = vec![vec!["TARGET:", name]];
        if let Some(description) = &outline.description {
            rows.push(vec!["DESCRIPTION:", description]);
        }
        shown.push_str(&columns(&rows, 1));
        shown.push('\n');
    }
    if !outline.args.is_empty() {
        let mut rows = vec![vec!["BUILD ARG", "VALUE", "DESCRIPTION"]];
        rows.extend(outline.args.iter().map(|arg| {
            let description = arg.description.as_deref().unwrap_or_default();
            vec![arg.name.as_str(), &arg.value, description]
        }));
        shown.push_str(&columns(&rows, 3));
        shown.push('\n');
    }
    for (title, list) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if list.is_empty() {
            continue;
        }
        let mut rows = vec![vec![title, "REQUIRED"]];
        rows.extend(list.iter().map(|credential| {
            let required = if credential.is_required { "true" } else { "" };
            vec![credential.name.as_str(), required]
        }));
        shown.push_str(&columns(&rows, 3));
        shown.push('\n');
    }
    CallResult::new(shown, &json)
}

fn credentials_json<'a>(
    dockerfile: &Dockerfile,
    credentials: &'a [Credential],
) -> Vec<CredentialJson<'a>> {
    credentials
        .iter()
        .map(|credential| CredentialJson {
            name: &credential.name,
            required: credential.is_required,
            location: location(dockerfile, credential.span),
        })
        .collect()
}

/// The result of `targets`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn targets(text: &DockerfileText, dockerfile: &Dockerfile) -> Result<CallResult> {
    let targets = stromatekt_dockerfile::targets(dockerfile);
    let json = ListJson {
        targets: targets
            .iter()
            .map(|target| TargetJson {
                name: target.name.as_deref(),
                default: target.is_default,
                description: target.description.as_deref(),
                base: &target.base,
                platform: target.platform.as_deref(),
                location: location(dockerfile, target.span),
            })
            .collect(),
        sources: [STANDARD.encode(&*text.text)],
    };
    let names: Vec<String> = targets
        .iter()
        .map(|target| match (&target.name, target.is_default) {
            (None, true) => "(default)".to_owned(),
            (None, false) => String::new(),
            (Some(name), true) => format!("{name} (default)"),
            (Some(name), false) => name.clone(),
        })
        .collect();
    let mut rows = vec![vec!["TARGET", "DESCRIPTION"]];
    rows.extend(targets.iter().zip(&names).map(|(target, name)| {
        vec![
            name.as_str(),
            target.description.as_deref().unwrap_or_default(),
        ]
    }));
    CallResult::new(columns(&rows, 1), &json)
}

/// Columns as wide as their widest cell, with so many spaces between them; the last one ends where it ends.
fn columns(rows: &[Vec<&str>], gap: usize) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0) + gap
    };
    let mut text = String::new();
    for row in rows {
        let Some((last, before)) = row.split_last() else {
            continue;
        };
        for (column, cell) in before.iter().enumerate() {
            let _ = write!(text, "{cell:width$}", width = width(column));
        }
        text.push_str(last);
        text.push('\n');
    }
    text
}
