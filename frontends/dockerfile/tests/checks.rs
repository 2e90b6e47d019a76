//! Build checks: which rule a Dockerfile does not follow, on which line, with which values.

mod support;

use How::{AllStages, Build, Outlining};
use stromatekt_dockerfile::{
    Checks, Error, ImageConfigs, Lowering, Options, Outline, lower_checked, parse, targets,
};
use stromatekt_oci::config::ImageConfig;
use support::{BASE, options, with_args};

/// What is asked for.
#[derive(Clone, Copy)]
enum How {
    Build,
    AllStages,
    Outlining,
}

/// What is found in a Dockerfile whose bases are all `BASE`: `RULE LINES MESSAGE`, and what lowering it yields.
fn looked_at(
    text: &str,
    options: &Options,
    how: How,
) -> (Vec<String>, Option<Outline>, Option<Error>) {
    let dockerfile = parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let ignored = |source: &str| source == "ignored";
    let mut configs = ImageConfigs::new();
    loop {
        let checks = match Checks::new(&dockerfile, options) {
            Ok(checks) => checks.with_ignored(&ignored),
            Err(error) => return (Vec::new(), None, Some(error)),
        };
        let checks = match how {
            Build => checks,
            AllStages => checks.with_all_stages(),
            Outlining => checks.with_outline(),
        };
        let error = match lower_checked(&dockerfile, "Dockerfile", options, &configs, &checks) {
            Ok(Lowering::NeedsImages(requests)) => {
                configs.extend(requests.into_iter().map(|request| {
                    let config = ImageConfig::parse(BASE.as_bytes(), &request.name).unwrap();
                    ((request.location, request.platform), config)
                }));
                continue;
            }
            Ok(Lowering::Done(_)) => None,
            Err(error) => Some(error),
        };
        let found = checks.found().into_iter().map(|violation| {
            let (first, last) = dockerfile.lines(violation.span);
            let lines = match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            };
            format!("{} {lines} {}", violation.rule.name(), violation.message)
        });
        return (found.collect(), checks.take_outline(), error);
    }
}

fn found_with(text: &str, options: &Options) -> Vec<String> {
    looked_at(text, options, AllStages).0
}

/// Each expectation: the start of what is found up to a `|`, and what else is in it.
#[track_caller]
fn assert_found(text: &str, options: &Options, expected: &[&str]) {
    let found = found_with(text, options);
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            let mut parts = expected.split('|');
            let start = parts.next().unwrap_or_default();
            found.starts_with(&format!("{start} ")) && parts.all(|part| found.contains(part))
        });
    assert!(fits, "{text}\nfound: {found:#?}\nexpected: {expected:#?}");
}

#[test]
fn rules_about_the_text() {
    for (text, expected) in [
        ("FROM a AS b\nRUN c\n", &[][..]),
        ("FROM a AS Foo\n", &["StageNameCasing 1|'Foo'"]),
        ("FROM a as b\n", &["FromAsCasing 1|'as'|'FROM'"]),
        ("from a As b\n", &["FromAsCasing 1|'As'"]),
        // A keyword of its own case is told by another rule.
        (
            "From a as b\n",
            &["ConsistentInstructionCasing 1|'From'|uppercase"],
        ),
        (
            "FROM a\nRUN x \\\n\n  y \\\n\n  z\n",
            &["NoEmptyContinuation 6"],
        ),
        ("FROM a\nRUN x \\\n# no\n  y\n", &[]),
        (
            "FROM a\nrun x\n",
            &["ConsistentInstructionCasing 2|'run'|uppercase"],
        ),
        (
            "from a\nrun x\nRUN \\\n y\n",
            &["ConsistentInstructionCasing 3-4|'RUN'|lowercase"],
        ),
        ("arg A\nFROM a\n", &[]),
        (
            "FROM a AS b\nFROM a AS B\n",
            &["StageNameCasing 2", "DuplicateStageName 2|\"b\""],
        ),
        ("FROM a AS scratch\n", &["ReservedStageName 1|\"scratch\""]),
        ("FROM a AS context\n", &["ReservedStageName 1|\"context\""]),
        ("FROM a\nMAINTAINER me\n", &["MaintainerDeprecated 2"]),
    ] {
        assert_found(text, &options(), expected);
    }
}

#[test]
fn rules_about_from() {
    let arg = |value: &str| with_args(&[("A", value)]);
    for (text, options, expected) in [
        ("FROM a$X\n", options(), &["UndefinedArgInFrom 1|'X'"][..]),
        ("ARG X\nFROM a$X\n", options(), &[]),
        (
            "ARG XYZ=1\nFROM a${XYY:-2}\n",
            options(),
            &["UndefinedArgInFrom 2|'XYY'|did you mean XYZ?"],
        ),
        (
            "FROM --platform=$BULIDPLATFORM a\n",
            options(),
            &["UndefinedArgInFrom 1|'BULIDPLATFORM'"],
        ),
        (
            "FROM --platform=$TARGETPLATFORM a\n",
            options(),
            &["RedundantTargetPlatform 1|$TARGETPLATFORM"],
        ),
        ("FROM --platform=$BUILDPLATFORM a\n", options(), &[]),
        (
            "FROM --platform=linux/amd64 a\n",
            options(),
            &["FromPlatformFlagConstDisallowed 1|\"linux/amd64\""],
        ),
        (
            "FROM --platform=linux/x86_64 a AS for_amd64\n",
            options(),
            &[],
        ),
        ("ARG P=linux/amd64\nFROM --platform=$P a\n", options(), &[]),
        (
            "ARG A\nFROM x:$A\n",
            arg("1"),
            &["InvalidDefaultArgInFrom 2|x:$A"],
        ),
        (
            "ARG A=Big\nFROM $A\n",
            arg("small"),
            &["InvalidDefaultArgInFrom 2|$A"],
        ),
        ("ARG A\nFROM x${A:+:$A}\n", arg("1"), &[]),
        (
            "FROM --platform=$TARGETOS/arm64 a\n",
            options(),
            &["InvalidBaseImagePlatform 1|linux/amd64|linux/arm64"],
        ),
    ] {
        assert_found(text, &options, expected);
    }
}

#[test]
fn rules_about_instructions() {
    for (text, expected) in [
        ("CMD x", &["JSONArgsRecommended 2|CMD"][..]),
        (
            "entrypoint x",
            &[
                "ConsistentInstructionCasing 2",
                "JSONArgsRecommended 2|entrypoint",
            ],
        ),
        ("CMD [\"x\"]", &[]),
        ("SHELL [\"sh\"]\nCMD x", &[]),
        ("WORKDIR a\nWORKDIR b", &["WorkdirRelativePath 2|\"a\""]),
        ("WORKDIR /a\nWORKDIR b", &[]),
        ("ENV D=/d\nWORKDIR $D", &[]),
        (
            "CMD [\"a\"]\nCMD [\"b\"]\nCMD [\"c\"]",
            &[
                "MultipleInstructionsDisallowed 2|CMD",
                "MultipleInstructionsDisallowed 3|CMD",
            ],
        ),
        (
            "HEALTHCHECK NONE\nHEALTHCHECK NONE",
            &["MultipleInstructionsDisallowed 2|HEALTHCHECK"],
        ),
        ("ENTRYPOINT [\"a\"]\nFROM a\nENTRYPOINT [\"a\"]", &[]),
        ("ENV a b", &["LegacyKeyValueFormat 2|ENV"]),
        ("LABEL a b", &["LegacyKeyValueFormat 2|LABEL"]),
        (
            "ENV API_KEY=1",
            &["SecretsUsedInArgOrEnv 2|ENV \"API_KEY\""],
        ),
        ("ARG A TOKEN", &["SecretsUsedInArgOrEnv 2|ARG \"TOKEN\""]),
        ("ENV KEY_FILE=1", &[]),
        (
            "COPY ignored kept /x/",
            &["CopyIgnoredFile 2|Copy|\"ignored\""],
        ),
        ("ADD ./ignored /x/", &["CopyIgnoredFile 2|Add|\"ignored\""]),
        ("COPY --from=a ignored /x/", &[]),
        ("EXPOSE 1/TCP 2/udp", &["ExposeProtoCasing 2|'1/TCP'"]),
        (
            "EXPOSE 1:2 [::1]:3:4",
            &[
                "ExposeInvalidFormat 2|'1:2'",
                "ExposeInvalidFormat 2|'[::1]:3:4'",
            ],
        ),
    ] {
        assert_found(&format!("FROM a\n{text}\n"), &options(), expected);
    }
}

#[test]
fn variables_that_nothing_sets() {
    let undefined = |names: &[&str]| -> Vec<String> {
        let names = names.iter();
        names
            .map(|name| format!("UndefinedVar 2|'${name}'"))
            .collect()
    };
    for (text, names) in [
        ("ENV A=$X B=$X", &["X", "X"][..]),
        ("ENV A=$BASE", &[]),
        ("ENV A=1 B=$A", &["A"]),
        ("ARG A=$B C=$A D", &["B"]),
        ("ARG A\nENV B=$A", &[]),
        ("ENV A=${X:-1} B=${Y:+1}", &["X", "Y"]),
        ("ENV A='$X' B=\\$Y C=\"$Z\"", &["Z"]),
        ("LABEL a=$X", &["X"]),
        ("RUN echo $X", &[]),
        ("RUN --mount=type=cache,target=/$X echo", &["X"]),
        (
            "COPY --chown=$U --chmod=${M:-1} $S $D/",
            &["U", "M", "S", "D"],
        ),
        ("COPY <<E /x\n$X\nE", &["X"]),
        ("COPY <<'E' /x\n$X\nE", &[]),
        ("USER $X", &["X"]),
        ("VOLUME /$X", &["X"]),
        ("STOPSIGNAL ${X:-9}", &["X"]),
        ("EXPOSE ${X:-1}", &[]),
        ("ENV A=$BUILDKIT_SBOM_SCAN_STAGE", &[]),
        ("ONBUILD ENV A=$X", &[]),
    ] {
        let expected = undefined(names);
        let expected: Vec<String> = expected
            .into_iter()
            .map(|line| match text.starts_with("COPY <<E") {
                true => line.replace("UndefinedVar 2", "UndefinedVar 2-4"),
                false => line,
            })
            .collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert_found(&format!("FROM a\n{text}\n"), &options(), &expected);
    }
    assert_found(
        "FROM a\nENV VERSION=1\nENV A=$VERSON\n",
        &options(),
        &["UndefinedVar 3|'$VERSON'|did you mean $VERSION?"],
    );
    // What is given needs no default.
    assert_found("FROM a\nARG A=$B\n", &with_args(&[("A", "1")]), &[]);
    assert_found(
        "FROM a AS b\nARG X\nENV Y=1\nFROM b\nENV Z=$X$Y\n",
        &options(),
        &[],
    );
}

#[test]
fn triggers_are_looked_at_where_they_are_used() {
    assert_found(
        "FROM a AS b\nONBUILD ENV K=$X\nONBUILD WORKDIR c\nFROM b\nWORKDIR d\n",
        &options(),
        &["UndefinedVar 4|'$X'", "WorkdirRelativePath 4|\"c\""],
    );
}

#[test]
fn rules_are_chosen_by_the_directive_the_build_arg_and_comments() {
    let given = |settings: &str| with_args(&[("BUILDKIT_DOCKERFILE_CHECK", settings)]);
    let text = "FROM a AS Foo\nCMD x\n";
    let both = &["StageNameCasing 2", "JSONArgsRecommended 3"][..];
    for (first, options, expected) in [
        ("# check=skip=none", options(), both),
        ("# check=skip=all", options(), &[]),
        (
            "# check=skip=StageNameCasing,JSONArgsRecommended",
            options(),
            &[],
        ),
        // The directive ends at the first space.
        (
            "# check=skip=StageNameCasing, JSONArgsRecommended",
            options(),
            &both[1..],
        ),
        (
            "# check=skip=all",
            given("skip=StageNameCasing"),
            &both[1..],
        ),
        ("# check=oops", given(""), both),
        ("# no directive", options(), both),
    ] {
        assert_found(&format!("{first}\n{text}"), &options, expected);
    }
    for (text, expected) in [
        (
            "# check=skip=JSONArgsRecommended\nCMD x\nENTRYPOINT y",
            &["JSONArgsRecommended 4"][..],
        ),
        (
            "# check=skip=JSONArgsRecommended\n#\nCMD x",
            &["JSONArgsRecommended 4"],
        ),
        ("# check=skip=JSONArgsRecommended\n\nCMD x", &[]),
        (
            "# check=experimental=all\n# z\nARG A",
            &["InvalidDefinitionDescription 4|ARG|# A <description>"],
        ),
        ("# z\nARG A", &[]),
    ] {
        assert_found(&format!("FROM a\n{text}\n"), &options(), expected);
    }
    assert_found(
        "# check=experimental=InvalidDefinitionDescription\n# B it\nARG A\n# A it\nARG A B\n# x\nFROM a AS b\n# y\nARG C D\n",
        &options(),
        &[
            "InvalidDefinitionDescription 3|# A <",
            "InvalidDefinitionDescription 7|FROM|# b <",
            "InvalidDefinitionDescription 9|# <arg_key> <",
        ],
    );
}

#[test]
fn violations_are_errors_where_that_is_asked_for() {
    let error = |text: &str| looked_at(text, &options(), Build).2;
    let refused = error("# check=error=true\nFROM a AS Foo\nWORKDIR x\nFROM a AS Bar\n").unwrap();
    assert!(
        refused.to_string().contains("StageNameCasing, and"),
        "{refused}"
    );
    assert!(refused.help().is_some());
    for text in [
        "# check=error=true\nFROM a\n",
        "# check=error=true;skip=StageNameCasing\nFROM a AS Foo\n",
        "FROM a\n# check=error=true\nWORKDIR x\n",
    ] {
        assert!(error(text).is_none(), "{text}");
    }
    let unreadable = error("# check=oops\nFROM a\n").unwrap();
    assert!(unreadable.span.is_some(), "{unreadable}");
    assert!(
        Checks::check_build_args(&with_args(&[("BUILDKIT_DOCKERFILE_CHECK", "oops")])).is_err()
    );
}

#[test]
fn a_build_looks_at_what_it_needs_and_as_far_as_it_gets() {
    let text = "FROM a AS b\nCMD x\nFROM a\nMAINTAINER x\nWORKDIR y\n";
    let (found, _, error) = looked_at(text, &options(), Build);
    assert!(error.is_none() && found.len() == 2, "{found:?}");
    assert_eq!(found_with(text, &options()).len(), 3);
    let (found, _, error) = looked_at(
        "FROM a\nWORKDIR y\nENV A=${B?needed}\nCMD x\n",
        &options(),
        Build,
    );
    assert!(error.is_some() && found.len() == 2, "{found:?}");
}

#[test]
fn an_outline_tells_what_a_target_can_be_given() {
    let text = "\
# A the first
ARG A=1
# U is not used
ARG U
# REF refers
ARG REF=${A}x
# low the lowest
FROM a AS low
# C of a stage
ARG C=3
ARG A TARGETARCH
RUN --mount=type=secret,id=tok,required --mount=type=ssh true
RUN --mount=type=secret,id=tok --mount=type=secret,target=/run/x true
FROM scratch AS other
ARG E
FROM a$REF AS apart
RUN --mount=type=ssh,id=key true
# high the highest
FROM low AS high
# C again
ARG C=${C}4
COPY --from=other / /
FROM high
";
    let shown = |target: &str| {
        let options = Options {
            target: Some(target.to_owned()),
            ..options()
        };
        let (_, outline, error) = looked_at(text, &options, Outlining);
        let outline = outline.unwrap_or_else(|| panic!("{error:?}"));
        let mut lines = vec![format!("{:?} {:?}", outline.name, outline.description)];
        lines.extend(outline.args.iter().map(|arg| {
            format!(
                "{}={} {}",
                arg.name,
                arg.value,
                arg.description.as_deref().unwrap_or("-")
            )
        }));
        for list in [&outline.secrets, &outline.ssh] {
            lines.extend(
                list.iter()
                    .map(|one| format!("{} {}", one.name, one.is_required)),
            );
        }
        lines
    };
    assert_eq!(
        shown("low"),
        [
            "Some(\"low\") Some(\"the lowest\")",
            "A=1 the first",
            "C=3 of a stage",
            "tok true",
            "x false",
            "default false",
        ]
    );
    assert_eq!(
        shown("high"),
        [
            "Some(\"high\") Some(\"the highest\")",
            "A=1 the first",
            "E= -",
            "C=34 again",
            "tok true",
            "x false",
            "default false",
        ]
    );
    assert_eq!(
        shown("apart"),
        [
            "Some(\"apart\") None",
            "A=1 the first",
            "REF=1x refers",
            "key false",
        ]
    );
}

#[test]
fn targets_are_the_stages() {
    let text = "# a is first\nFROM $X AS A\n# b: no\nFROM --platform=linux/arm64 y AS b\nFROM a\n";
    let found: Vec<String> = targets(&parse(text).unwrap())
        .iter()
        .map(|target| {
            format!(
                "{:?} {:?} {} {:?} {}",
                target.name, target.description, target.base, target.platform, target.is_default
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "Some(\"a\") Some(\"is first\") $X None false",
            "Some(\"b\") None y Some(\"linux/arm64\") false",
            "None None a None true",
        ]
    );
}
