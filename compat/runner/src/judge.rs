//! From what the builders did to the verdict on a case.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use stromatekt_compare::{Builder, Class, Difference, Image, Kind, LayerCache, Rules, compare};
use stromatekt_oci::Platform;

use crate::blame;
use crate::builders::Built;
use crate::case::Case;
use crate::definition::{Definition, Failure, Reference};
use crate::expect;
use crate::pattern;
use crate::verdict::{Acceptance, Finding, Noise, Outcome, Verdict};

/// What the builders did with a case.
#[derive(Clone, Debug)]
pub struct Builds {
    /// What is not older than this got its time in a build.
    pub started: SystemTime,
    /// stromatekt.
    pub stromatekt: Built,
    /// Those that it is compared with.
    pub references: Vec<(Reference, Built)>,
}

/// The verdict on a case.
#[must_use]
pub fn judge(
    case: &Case,
    builds: &Builds,
    layers: &LayerCache,
    times: BTreeMap<&'static str, Duration>,
) -> Verdict {
    let mut findings = ends(case, builds);
    let mut noise = Noise::new();
    let failed = !builds.stromatekt.success;
    if let (Some(failure), true) = (&case.definition.fails, failed) {
        findings.extend(blames(failure, builds));
    } else if !failed {
        let (found, classes) = images(case, builds, layers);
        findings.extend(found);
        noise = classes;
    }
    let (findings, accepted) = accept(case, builds, findings);
    Verdict {
        name: case.name.clone(),
        outcome: if findings.is_empty() {
            Outcome::Passed
        } else {
            Outcome::Failed(findings)
        },
        times,
        accepted,
        noise,
    }
}

/// Success or failure, for each builder.
fn ends(case: &Case, builds: &Builds) -> Vec<Finding> {
    let must_fail = case.definition.fails.is_some();
    let mut findings = Vec::new();
    let mut check =
        |who: &str, against: Option<Reference>, built: &Built| match (must_fail, built.success) {
            (true, true) => findings.push(Finding::new(
                against,
                "build",
                format!("{who} succeeds, and should fail"),
            )),
            (false, false) => findings.push(Finding::new(
                against,
                "build",
                format!("{who} fails:\n{}", built.tail()),
            )),
            _ => {}
        };
    check("stromatekt", None, &builds.stromatekt);
    for (reference, built) in &builds.references {
        check(reference.name(), Some(*reference), built);
    }
    if builds.stromatekt.output.contains("panicked at") {
        findings.push(Finding::new(None, "panic", builds.stromatekt.tail()));
    }
    findings
}

/// Whether all failures blame the same, and say what they should.
fn blames(failure: &Failure, builds: &Builds) -> Vec<Finding> {
    let mut findings = Vec::new();
    let stromatekt = builds.stromatekt.blames.as_ref();
    let expected = failure.line.map(|line| line..=line);
    if let Some(expected) = &expected
        && !stromatekt.is_some_and(|lines| blame::overlap(lines, expected))
    {
        let text = format!(
            "stromatekt blames {}, and should blame {}:\n{}",
            blame::show(stromatekt),
            blame::show(Some(expected)),
            builds.stromatekt.tail()
        );
        findings.push(Finding::new(None, "failure.line", text));
    }
    for (reference, built) in &builds.references {
        if built.success {
            continue;
        }
        let theirs = built.blames.as_ref();
        let agree = match (theirs, &expected) {
            (Some(theirs), Some(expected)) => blame::overlap(theirs, expected),
            // Docker tells no line of some.
            (None, _) => true,
            (Some(theirs), None) => stromatekt.is_some_and(|ours| blame::overlap(ours, theirs)),
        };
        if !agree {
            let (who, whose) = match &expected {
                Some(expected) => ("the case", blame::show(Some(expected))),
                None => ("stromatekt", blame::show(stromatekt)),
            };
            let text = format!(
                "{reference} blames {}, {who} {whose}:\n{}",
                blame::show(theirs),
                built.tail()
            );
            findings.push(Finding::new(Some(*reference), "failure.line", text));
        }
    }
    if let Some(says) = &failure.says
        && !flat(&builds.stromatekt.output).contains(&flat(says))
    {
        let text = format!(
            "stromatekt does not say {says:?}:\n{}",
            builds.stromatekt.tail()
        );
        findings.push(Finding::new(None, "failure.says", text));
    }
    findings
}

/// A text without what a terminal's width makes of it.
fn flat(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| *word != "|")
        .collect::<Vec<_>>()
        .join(" ")
}

/// What differs between the images, and what is not in stromatekt's that should be.
fn images(case: &Case, builds: &Builds, layers: &LayerCache) -> (Vec<Finding>, Noise) {
    let mut findings = Vec::new();
    let mut noise = Noise::new();
    let unreadable = |whose: &str, against, error: stromatekt_compare::Error| {
        Finding::new(
            against,
            "image",
            format!("{whose}'s cannot be read: {error}"),
        )
    };
    for platform in platforms(&case.definition) {
        let open = |built: &Built| Image::open_with(&built.image, None, &platform, layers);
        let ours = match open(&builds.stromatekt) {
            Ok(image) => image,
            Err(error) => {
                findings.push(unreadable("stromatekt", None, error));
                continue;
            }
        };
        findings.extend(expect::check(&case.definition.expect, &ours));
        for (reference, built) in builds.references.iter().filter(|(_, built)| built.success) {
            match open(built) {
                Ok(theirs) => {
                    let comparison = compare(&theirs, &ours, &rules(*reference, builds.started));
                    for (class, differences) in &comparison.noise {
                        *noise.entry(*class).or_default() += differences.len();
                    }
                    let kept = comparison.differences.iter().filter(|difference| {
                        *reference != Reference::Classic || !is_of_classic(difference)
                    });
                    findings.extend(kept.map(|difference| {
                        Finding::new(
                            Some(*reference),
                            &difference.place,
                            show(*reference, difference),
                        )
                    }));
                }
                Err(error) => findings.push(unreadable(reference.name(), Some(*reference), error)),
            }
        }
    }
    (findings, noise)
}

fn rules(reference: Reference, started: SystemTime) -> Rules {
    match reference {
        // What other builders note of themselves, leave behind or leave out has no place between two that are to be the same.
        Reference::Buildkit => Rules {
            started: Some(started),
            counted: [
                Class::Stubs,
                Class::EmptyLayers,
                Class::DaemonFields,
                Class::BuilderNotes,
            ]
            .into(),
            ..Rules::against(Builder::BuildKit)
        },
        // Its history and its layers are others by nature.
        Reference::Classic => Rules {
            started: Some(started),
            history: false,
            layers: false,
            ..Rules::against(Builder::Classic)
        },
    }
}

/// What the classic builder has otherwise by nature.
fn is_of_classic(difference: &Difference) -> bool {
    match difference.kind {
        // It puts layers of docker's format into manifests of OCI's, where docker keeps images in containerd.
        Kind::Manifest => true,
        // BuildKit says where an image of nothing starts, `/`; it leaves it out, which means the same.
        Kind::Config => {
            difference.place == "config.WorkingDir"
                && difference.left.is_none()
                && difference.right.as_deref() == Some("/")
        }
        _ => false,
    }
}

fn show(reference: Reference, difference: &Difference) -> String {
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    let mut text = format!(
        "{reference} {}, stromatekt {}",
        side(&difference.left),
        side(&difference.right)
    );
    if let Some(lines) = &difference.text {
        text.push('\n');
        text.push_str(lines.trim_end());
    }
    text
}

/// The platforms that a case builds for.
fn platforms(definition: &Definition) -> Vec<Platform> {
    let named = definition.argument(&["--platform"]);
    let parsed: Vec<Platform> = named
        .iter()
        .flat_map(|list| list.split(','))
        .filter_map(|one| one.trim().parse().ok())
        .collect();
    if parsed.is_empty() {
        vec![Platform::host()]
    } else {
        parsed
    }
}

/// Takes out what the case accepts; what it accepts but did not occur is a finding itself.
fn accept(case: &Case, builds: &Builds, findings: Vec<Finding>) -> (Vec<Finding>, Vec<Acceptance>) {
    let mut left = findings;
    let mut accepted = Vec::new();
    let compared: Vec<Reference> = builds
        .references
        .iter()
        .map(|(reference, _)| *reference)
        .collect();
    for accept in &case.definition.accept {
        let before = left.len();
        left.retain(|finding| {
            let of_builder = accept.builder.is_none() || accept.builder == finding.against;
            !(of_builder && pattern::matches(&accept.difference, &finding.place))
        });
        let count = before - left.len();
        if count > 0 {
            accepted.push(Acceptance {
                difference: accept.difference.clone(),
                why: accept.why.clone(),
                count,
            });
        } else if case
            .references()
            .iter()
            .all(|reference| compared.contains(reference))
        {
            // With fewer builders than the case names, it may have been a difference from one of the others.
            let text = format!(
                "`{}` is accepted, but does not occur: take it out of case.yaml",
                accept.difference
            );
            left.push(Finding::new(accept.builder, "accept", text));
        }
    }
    (left, accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Accepted;

    fn built(success: bool, blames: Option<blame::Lines>) -> Built {
        Built {
            success,
            output: "  x the number\n  | of lines is wrong".to_owned(),
            elapsed: Duration::ZERO,
            image: "nowhere".into(),
            blames,
        }
    }

    fn places(definition: Definition, stromatekt: Built, buildkit: Built) -> Vec<String> {
        let case = Case {
            name: "a/b".to_owned(),
            directory: "nowhere".into(),
            point: "A point.".to_owned(),
            definition,
        };
        let builds = Builds {
            started: SystemTime::UNIX_EPOCH,
            stromatekt,
            references: vec![(Reference::Buildkit, buildkit)],
        };
        match judge(&case, &builds, &LayerCache::new(), BTreeMap::new()).outcome {
            Outcome::Failed(findings) => {
                findings.into_iter().map(|finding| finding.place).collect()
            }
            _ => Vec::new(),
        }
    }

    fn fails(line: Option<u32>, says: Option<&str>) -> Definition {
        Definition {
            fails: Some(Failure {
                line,
                says: says.map(str::to_owned),
            }),
            builders: Some(vec![Reference::Buildkit]),
            ..Definition::default()
        }
    }

    #[test]
    fn failures_must_blame_the_same() {
        let at = |lines| built(false, Some(lines));
        assert_eq!(places(fails(None, None), at(4..=4), at(3..=5)), [""; 0]);
        assert_eq!(places(fails(Some(4), None), at(4..=4), at(3..=5)), [""; 0]);
        assert_eq!(
            places(fails(None, None), at(2..=2), at(3..=5)),
            ["failure.line"]
        );
        assert_eq!(
            places(fails(None, None), built(false, None), at(3..=5)),
            ["failure.line"]
        );
        assert_eq!(
            places(fails(None, None), at(3..=3), built(false, None)),
            [""; 0]
        );
        assert_eq!(
            places(fails(Some(3), None), at(3..=3), built(false, None)),
            [""; 0]
        );
        assert_eq!(
            places(fails(Some(3), None), built(false, None), at(3..=3)),
            ["failure.line"]
        );
        assert_eq!(
            places(fails(Some(1), None), at(3..=3), at(3..=3)),
            ["failure.line", "failure.line"]
        );
    }

    #[test]
    fn what_stromatekt_says_may_be_wrapped() {
        let says = fails(None, Some("the number of lines"));
        assert_eq!(
            places(says, built(false, None), built(false, None)),
            [""; 0]
        );
        let other = fails(None, Some("another number"));
        assert_eq!(
            places(other, built(false, None), built(false, None)),
            ["failure.says"]
        );
    }

    #[test]
    fn who_fails_alone_is_told() {
        let sound = Definition::default();
        assert_eq!(
            places(sound, built(false, None), built(false, None)),
            ["build", "build"]
        );
        assert_eq!(
            places(fails(None, None), built(false, None), built(true, None)),
            ["build"]
        );
    }

    #[test]
    fn accepted_differences_must_occur() {
        let accepting = |difference: &str| Definition {
            accept: vec![Accepted {
                difference: difference.to_owned(),
                why: "It is right.".to_owned(),
                builder: None,
            }],
            ..fails(None, None)
        };
        let at = |lines| built(false, Some(lines));
        assert_eq!(
            places(accepting("failure.*"), at(1..=1), at(3..=3)),
            [""; 0]
        );
        assert_eq!(places(accepting("/etc"), at(3..=3), at(3..=3)), ["accept"]);
    }

    #[test]
    fn platforms_are_those_of_the_arguments() {
        let args = |args: &[&str]| Definition {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..Definition::default()
        };
        assert_eq!(
            platforms(&args(&["--platform", "linux/amd64,linux/arm64"])).len(),
            2
        );
        assert_eq!(
            platforms(&args(&["--platform=linux/s390x"])),
            [Platform::new("linux", "s390x")]
        );
        assert_eq!(platforms(&args(&["--target", "a"])), [Platform::host()]);
    }
}
