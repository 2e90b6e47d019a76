//! What each instruction takes, and what it refuses and where.

use stromatekt_dockerfile_parser::{
    CommandLine, Copy, Error, Escape, Healthcheck, Instruction, Kind, Network, Run, Security, Word,
    parse, parse_instruction,
};

fn one(text: &str) -> Instruction {
    parse_instruction(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn values(words: &[Word]) -> Vec<&str> {
    words.iter().map(Word::as_str).collect()
}

fn run(text: &str) -> Run {
    match one(text).kind {
        Kind::Run(run) => run,
        other => panic!("{text}: {other:?}"),
    }
}

fn copy(text: &str) -> Copy {
    match one(text).kind {
        Kind::Copy(copy) => copy,
        other => panic!("{text}: {other:?}"),
    }
}

/// The text that an error points to.
fn place<'a>(text: &'a str, error: &Error) -> &'a str {
    &text[error.span.start..error.span.end]
}

#[test]
fn a_dockerfile_is_global_args_and_stages() {
    let text = "# syntax=docker/dockerfile:1\n# escape=`\n# check=skip=all;error=true\nARG A=1\narg B\n\
                from --platform=$P debian:$A as Build\nRUN x\nFrom Build\n";
    let dockerfile = parse(text).unwrap();
    assert_eq!(dockerfile.directives.escape, Escape::Backtick);
    assert_eq!(
        dockerfile.directives.syntax.unwrap().value,
        "docker/dockerfile:1"
    );
    assert_eq!(
        dockerfile.directives.check.unwrap().value,
        "skip=all;error=true"
    );
    assert_eq!(dockerfile.global_args.len(), 2);
    let [build, last] = dockerfile.stages.as_slice() else {
        panic!("{:?}", dockerfile.stages);
    };
    assert_eq!(build.from.base.value, "debian:$A");
    assert_eq!(build.from.name.as_ref().unwrap().value, "build");
    assert_eq!(build.from.platform.as_ref().unwrap().value, "$P");
    assert_eq!(
        &text[build.from.base.span.start..build.from.base.span.end],
        "debian:$A"
    );
    assert_eq!(build.instructions[0].text, "RUN x");
    assert_eq!(build.from.keyword, "from");
    assert_eq!(
        build.from.alias,
        Some(("as".to_owned(), "Build".to_owned()))
    );
    assert_eq!((last.from.name.clone(), last.instructions.len()), (None, 0));
    assert!(dockerfile.warnings.is_empty());
}

#[test]
fn a_whole_text_can_be_wrong() {
    for (text, message, shown) in [
        ("", "no instructions", ""),
        ("# only\n\n", "no instructions", ""),
        ("ARG A\n", "no stage", ""),
        ("RUN x\nFROM a\n", "RUN stands before the first FROM", "RUN"),
        ("FROM a\nrum x\n", "unknown instruction: rum", "rum"),
        ("FROM a b\n", "one argument, or three", "b"),
        ("FROM a AS b c\n", "one argument, or three", "AS b c"),
        ("FROM a to b\n", "one argument, or three", "to b"),
        ("FROM\n", "one argument, or three", "FROM"),
        ("FROM a AS 1b\n", "cannot be the name", "1b"),
        ("FROM a AS b/c\n", "cannot be the name", "b/c"),
        (
            "FROM --platfrom=x a\n",
            "FROM has no flag --platfrom",
            "--platfrom=x",
        ),
        ("FROM a\n\\", "unknown instruction: ", ""),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains(message), "{text:?}: {error}");
        assert_eq!(place(text, &error), shown, "{text:?}");
        assert!(error.help().is_some(), "{text:?}");
    }
    let help = |text: &str| parse(text).unwrap_err().help().unwrap();
    assert_eq!(help("FROM a\nrum x"), "did you mean `RUN`?");
    assert_eq!(help("FROM a\nCPOY x y"), "did you mean `COPY`?");
    assert_eq!(help("FORM a"), "did you mean `FROM`?");
}

#[test]
fn commands_are_lists_or_texts() {
    for (text, expected) in [
        (r#"RUN ["a", "b c"]"#, Ok(&["a", "b c"][..])),
        (r#"run [ "a" ]"#, Ok(&["a"])),
        ("RUN []", Ok(&[])),
        ("RUN a  \"b\"", Err("a  \"b\"")),
        ("RUN ['a']", Err("['a']")),
        (r#"RUN ["a"] && b"#, Err(r#"["a"] && b"#)),
        ("RUN", Err("")),
        ("RUN -- --x", Err("--x")),
    ] {
        match (&run(text).command, expected) {
            (CommandLine::Exec(words), Ok(expected)) => {
                assert_eq!(values(words), expected, "{text}")
            }
            (CommandLine::Shell(found), Err(expected)) => {
                assert_eq!(found.value, expected, "{text}")
            }
            (other, _) => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn run_has_flags() {
    let found = run(
        "RUN --mount=type=cache,target=/a --mount='type=bind,\"source=a,b\",from=x' --network=none \
         --security=insecure --device=v.com/c=d,required=true make",
    );
    assert_eq!(found.network, Network::None);
    assert_eq!(found.security, Security::Insecure);
    assert_eq!(found.mounts.len(), 2);
    let entries: Vec<_> = found.mounts[1].entries().collect();
    assert_eq!(
        entries,
        [
            ("type", Some("bind")),
            ("source", Some("a,b")),
            ("from", Some("x"))
        ]
    );
    assert_eq!(
        (found.mounts[0].from(), found.mounts[1].from()),
        (None, Some("x"))
    );
    assert_eq!(found.devices[0].name, "v.com/c=d");
    assert!(found.devices[0].required);
}

#[test]
fn run_has_documents_and_one_alone_is_a_script() {
    let script = run("RUN <<-EOF\n\ta\n\tEOF\n");
    assert_eq!(script.script().unwrap().text(), "a\n");
    for text in [
        "RUN <<EOF sh\na\nEOF",
        "RUN cat <<EOF\na\nEOF",
        "RUN <<a <<b\na\nb",
        "RUN x",
        r#"RUN ["<<EOF"]"#,
    ] {
        assert_eq!(run(text).script(), None, "{text}");
    }
    assert_eq!(run("RUN <<a <<b\na\nb").heredocs.len(), 2);
}

#[test]
fn copies_have_sources_documents_and_a_destination() {
    let found = copy(
        "COPY --from=x --chown=a:b --chmod=755 --link --parents=false --exclude=a --exclude=b 1 <<E 2 <<'F' /d/\n\
         e\nE\n$f\nF\n",
    );
    assert_eq!(values(&found.files.sources), ["1", "2"]);
    assert_eq!(found.files.destination.value, "/d/");
    let documents: Vec<(&str, &str, bool)> = found
        .files
        .documents
        .iter()
        .map(|document| {
            (
                document.name.as_str(),
                document.content.as_str(),
                document.expand,
            )
        })
        .collect();
    assert_eq!(documents, [("E", "e\n", true), ("F", "$f\n", false)]);
    assert_eq!(values(&found.files.exclude), ["a", "b"]);
    assert!(found.files.link && !found.parents);
    assert_eq!(found.from.unwrap().value, "x");
    let json = copy(r#"COPY ["a b", "c"]"#);
    assert_eq!(values(&json.files.sources), ["a b"]);
    let twice = copy("COPY <<a <<a /\n1\na\n2\na\n");
    assert!(
        twice
            .files
            .documents
            .iter()
            .all(|document| document.content == "2\n")
    );
    match one("ADD --checksum=c --keep-git-dir --unpack=false a b").kind {
        Kind::Add(add) => {
            assert_eq!(add.checksum.unwrap().value, "c");
            assert_eq!((add.keep_git_dir, add.unpack), (Some(true), Some(false)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn health_checks_have_times() {
    match one("HEALTHCHECK --interval=1m30s --timeout=0 --start-period=1ms --start-interval=2s --retries=3 CMD a b").kind {
        Kind::Healthcheck(Healthcheck::Command {
            command: CommandLine::Shell(text),
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        }) => {
            assert_eq!(text.value, "a b");
            assert_eq!((interval, timeout), (90_000_000_000, 0));
            assert_eq!((start_period, start_interval, retries), (1_000_000, 2_000_000_000, 3));
        }
        other => panic!("{other:?}"),
    }
    for text in [
        "HEALTHCHECK NONE",
        "healthcheck none",
        "HEALTHCHECK --interval=9 NONE",
    ] {
        assert_eq!(
            one(text).kind,
            Kind::Healthcheck(Healthcheck::None),
            "{text}"
        );
    }
    assert!(matches!(
        one(r#"HEALTHCHECK cmd ["a"]"#).kind,
        Kind::Healthcheck(Healthcheck::Command {
            command: CommandLine::Exec(_),
            ..
        })
    ));
}

#[test]
fn triggers_are_kept_as_texts() {
    for (text, trigger) in [
        ("ONBUILD RUN make", "RUN make"),
        ("onbuild  run make  all ", "run make  all "),
        ("ONBUILD RUN a \\\n b", "RUN a  b"),
        ("ONBUILD RUN <<E\na\nE\n", "RUN <<E\na\nE"),
        ("ONBUILD COPY --from=x a b", "COPY --from=x a b"),
        ("ONBUILD SOON x", "SOON x"),
        ("ONBUILD EXPOSE", "EXPOSE"),
    ] {
        match one(text).kind {
            Kind::OnBuild(found) => assert_eq!(found.trigger, trigger, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_others_take_words_or_texts() {
    for (text, expected) in [
        ("EXPOSE 9 80/udp $P", &["$P", "80/udp", "9"][..]),
        ("VOLUME /a  \"/b", &["/a", "\"/b"]),
        (r#"VOLUME ["/a b", " /c "]"#, &["/a b", "/c"]),
        (r#"SHELL ["/bin/sh", "-c"]"#, &["/bin/sh", "-c"]),
        ("USER a b", &["a b"]),
        ("WORKDIR /a  b ", &["/a  b"]),
        ("STOPSIGNAL --x 9", &["9"]),
        ("MAINTAINER a <b@c>", &["a <b@c>"]),
        ("ARG --x a b=c d=\"e f\"", &["a", "b", "d"]),
    ] {
        let found = match one(text).kind {
            Kind::Expose(words) | Kind::Volume(words) | Kind::Shell(words) => words,
            Kind::User(word)
            | Kind::WorkDir(word)
            | Kind::StopSignal(word)
            | Kind::Maintainer(word) => {
                vec![word]
            }
            Kind::Arg(args) => args.into_iter().map(|arg| arg.name).collect(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(values(&found), expected, "{text}");
    }
    match one("ARG a= b").kind {
        Kind::Arg(args) => {
            assert_eq!(args[0].default.as_ref().unwrap().value, "");
            assert_eq!(args[1].default, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_instructions_are_refused_where_they_are_wrong() {
    for (text, shown) in [
        ("FROM a", "FROM a"),
        ("RUN a\nRUN b", "RUN b"),
        ("", ""),
        ("RUN --mount=type=cache --netwrok=none x", "--netwrok=none"),
        ("RUN --network=all x", "--network=all"),
        ("RUN --network= x", "--network="),
        ("RUN --security=none x", "--security=none"),
        (r#"RUN --mount=a\"b x"#, r#"--mount=a\"b"#),
        ("RUN --mount= x", "--mount="),
        (
            "RUN --mount=from=$x,target=/a x",
            "--mount=from=$x,target=/a",
        ),
        ("RUN --device=a,b x", "--device=a,b"),
        ("RUN --device=a,required=x y", "--device=a,required=x"),
        ("RUN [\"a\", 1]", "1"),
        ("COPY a", "COPY a"),
        ("COPY", "COPY"),
        ("COPY a <<E\nE", "<<E"),
        ("COPY --form=a b c", "--form=a"),
        ("COPY --link=yes b c", "--link=yes"),
        ("COPY --from=a --from=b c d", "--from=b"),
        ("COPY --chown c d", "--chown"),
        ("COPY [1, \"a\"]", "1"),
        ("ADD --from=x a b", "--from=x"),
        ("ENV", "ENV"),
        ("ENV a", "a"),
        ("ENV a=b c", "c"),
        ("ENV =b", "=b"),
        ("LABEL --x a=b", "--x"),
        ("ARG", "ARG"),
        ("ARG =b", "=b"),
        ("EXPOSE", "EXPOSE"),
        ("VOLUME", "VOLUME"),
        ("VOLUME [\" \"]", "\" \""),
        ("USER", "USER"),
        ("WORKDIR", "WORKDIR"),
        ("STOPSIGNAL", "STOPSIGNAL"),
        ("MAINTAINER", "MAINTAINER"),
        ("CMD --x y", "--x"),
        ("SHELL", "SHELL"),
        ("SHELL []", "SHELL []"),
        ("SHELL sh -c", "sh -c"),
        ("HEALTHCHECK", "HEALTHCHECK"),
        ("HEALTHCHECK CMD", "HEALTHCHECK CMD"),
        ("HEALTHCHECK CMD []", "HEALTHCHECK CMD []"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE x"),
        ("HEALTHCHECK SOME x", "SOME"),
        ("HEALTHCHECK --interval=1us CMD x", "--interval=1us"),
        ("HEALTHCHECK --timeout=1 CMD x", "--timeout=1"),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries=-1"),
        ("ONBUILD", "ONBUILD"),
        ("ONBUILD FROM x", "FROM"),
        ("ONBUILD onbuild RUN x", "onbuild"),
        ("ONBUILD MAINTAINER x", "MAINTAINER"),
        ("ONBUILD --x RUN y", "--x"),
        ("ONBUILD ENV a", "a"),
        ("ONBUILD CMD [1]", "1"),
        ("RUN <<E\n", "<<E"),
    ] {
        match parse_instruction(text) {
            Err(error) => assert_eq!(place(text, &error), shown, "{text}: {error}"),
            Ok(found) => panic!("{text} was taken: {found:?}"),
        }
    }
}

#[test]
fn lines_may_end_and_continue_in_every_way() {
    let text = "\u{feff}FROM a\r\nRUN b \\\r\n\r\n  c\r\nCOPY <<E /\r\nx\r\nE\r\n";
    let dockerfile = parse(text).unwrap();
    let instructions = &dockerfile.stages[0].instructions;
    assert_eq!(instructions[0].text, "RUN b   c");
    assert_eq!(dockerfile.lines(instructions[0].span), (2, 4));
    assert_eq!(dockerfile.lines(instructions[1].span), (5, 7));
    assert!(dockerfile.text[instructions[0].span.start..].starts_with("RUN"));
    assert_eq!(dockerfile.warnings.len(), 1);
    assert_eq!(dockerfile.lines(dockerfile.warnings[0].span), (4, 4));
    match &instructions[1].kind {
        Kind::Copy(copy) => assert_eq!(copy.files.documents[0].content, "x\r\n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn instructions_keep_the_comments_before_them_and_all_their_lines() {
    let text = "# escape=\\\n# A is a\n\nARG A\n# gone\n#\n# base of all\nFROM x AS base\nrun a \\\n b\\\n# c\n\n";
    let dockerfile = parse(text).unwrap();
    let arg = &dockerfile.global_args[0];
    assert_eq!(arg.comments.about("A"), Some("is a"));
    let stage = &dockerfile.stages[0];
    assert_eq!(stage.from.comments.about("base"), Some("of all"));
    assert_eq!(stage.from.comments.about("gone"), None);
    let run = &stage.instructions[0];
    assert_eq!(run.keyword, "run");
    assert_eq!(dockerfile.lines(run.span), (9, 12));
    assert_eq!(dockerfile.lines(dockerfile.warnings[0].span), (12, 12));
}
