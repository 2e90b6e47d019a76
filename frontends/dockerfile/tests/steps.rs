//! RUN, COPY, ADD and WORKDIR as operations.

mod support;

use stromatekt_dockerfile::{Entitlement, Options};
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::run::{Mount, MountSource, Network, Security, Sharing};
use stromatekt_graph::{NodeId, Op};
use support::{build, env, error, files, lowered, options, runs, with_args};

/// The copies of the last file operation.
fn copies(text: &str) -> Vec<Copy> {
    let build = build(text);
    let (_, file) = files(&build).pop().unwrap();
    file.actions
        .iter()
        .map(|action| match action {
            FileAction::Copy(copy) => (**copy).clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn patterns(copy: &Copy) -> &[String] {
    match &copy.from {
        CopySource::Tree { patterns, .. } => patterns,
        other => panic!("{other:?}"),
    }
}

fn mounts(flags: &str) -> Vec<Mount> {
    let build = build(&format!("FROM base\nRUN {flags} x\n"));
    runs(&build)[0].mounts.clone()
}

#[test]
fn destinations_are_relative_to_the_working_directory() {
    for (words, destination) in [
        ("a .", "/base/"),
        ("a ./", "/base/"),
        ("a b", "/base/b"),
        ("a b/", "/base/b/"),
        ("a /b/../c/", "/c/"),
        ("a /", "/"),
        ("a $BASE", "/base/1"),
    ] {
        let copies = copies(&format!("FROM base\nCOPY {words}\n"));
        assert_eq!(copies[0].destination, destination, "{words}");
    }
}

#[test]
fn sources_are_copied_in_order_each_by_an_action() {
    let copies = copies(
        "FROM base\nADD --chown=a:b --chmod=u=rwX --exclude=*.o a ../b/ /c* http://h/f.tgz https://h/r.git#v1:d . d/\n",
    );
    let kinds: Vec<String> = copies
        .iter()
        .map(|copy| match &copy.from {
            CopySource::Tree { patterns, .. } => patterns.join(","),
            CopySource::Blob { name, .. } => format!("blob {name}"),
            CopySource::Inline { name, .. } => format!("inline {name}"),
        })
        .collect();
    assert_eq!(kinds, ["a", "b", "c*", "blob f.tgz", ".", "."]);
    let unpack: Vec<Unpack> = copies.iter().map(|copy| copy.unpack).collect();
    let (yes, no) = (Unpack::Archives, Unpack::Never);
    assert_eq!(unpack, [yes, yes, yes, no, no, yes]);
    for copy in &copies {
        assert_eq!(copy.owner.as_deref(), Some("a:b"));
        assert_eq!(copy.mode.as_deref(), Some("u=rwX"));
        assert_eq!(copy.exclude, ["*.o"]);
    }
}

#[test]
fn only_add_unpacks_and_only_as_told() {
    for (instruction, unpack) in [
        ("COPY a.tar /", Unpack::Never),
        ("ADD a.tar /", Unpack::Archives),
        ("ADD --unpack=false a.tar /", Unpack::Never),
        ("ADD --unpack http://h/a.tar /", Unpack::Always),
        ("ADD http://h/a.tar /", Unpack::Never),
    ] {
        let copies = copies(&format!("FROM base\n{instruction}\n"));
        assert_eq!(copies[0].unpack, unpack, "{instruction}");
    }
}

#[test]
fn link_does_not_go_with_chmod() {
    assert!(copies("FROM base\nCOPY --link a b\n")[0].link);
    assert!(!copies("FROM base\nCOPY --link --chmod=1 a b\n")[0].link);
}

#[test]
fn parents_keep_the_pivot() {
    let copies = copies("FROM base\nCOPY --parents ./x/./y/ /z* /d/\n");
    assert_eq!(patterns(&copies[0]), ["x/./y"]);
    assert_eq!(patterns(&copies[1]), ["z*"]);
    assert!(copies.iter().all(|copy| copy.parents));
}

#[test]
fn here_documents_are_files_expanded_unless_quoted() {
    let copies = copies("FROM base\nCOPY <<a <<'b' <<-c /d/\n$BASE \"q\"\na\n$BASE\nb\n\tx\nc\n");
    let contents: Vec<(&str, String)> = copies
        .iter()
        .map(|copy| match &copy.from {
            CopySource::Inline { name, content } => {
                (name.as_str(), String::from_utf8(content.clone()).unwrap())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        contents,
        [
            ("a", "1 \"q\"\n".to_owned()),
            ("b", "$BASE\n".to_owned()),
            ("c", "x\n".to_owned())
        ]
    );
}

#[test]
fn copies_take_from_the_context_stages_and_images() {
    let build = build(
        "FROM base AS a\nRUN x\nFROM base\nCOPY c /\nCOPY --from=a c /\nCOPY --from=0 c /\nCOPY --from=i c /\n",
    );
    let kinds: Vec<&str> = files(&build)
        .iter()
        .map(|(_, file)| match &file.actions[0] {
            FileAction::Copy(copy) => match copy.from {
                CopySource::Tree { from, .. } => kind(&build, from),
                _ => "other",
            },
            FileAction::MakeDirectory { .. } => "directory",
        })
        .collect();
    assert_eq!(kinds, ["context", "run", "run", "image"]);
}

fn kind(build: &stromatekt_dockerfile::Lowered, id: NodeId) -> &'static str {
    match build.graph.node(id).op {
        Op::Context(_) => "context",
        Op::Run(_) => "run",
        Op::Image(_) => "image",
        Op::Scratch(_) => "scratch",
        _ => "other",
    }
}

#[test]
fn remote_sources_are_for_add() {
    for (instruction, part) in [
        ("COPY http://h/f /", "COPY cannot take a URL"),
        (
            "COPY https://h/f.git /",
            "COPY cannot take a git repository",
        ),
        ("ADD --checksum=sha256:00 http://h/f /", "--checksum"),
        ("ADD --checksum=abc f /", "only files from the web"),
        (
            "ADD --checksum=abc http://h/a http://h/b /",
            "a single source",
        ),
        (
            "ADD --keep-git-dir=false https://h/f.git?keep-git-dir=1 /",
            "differ",
        ),
        ("COPY --chmod=9 a b", "invalid mode `9`"),
        (
            "COPY --chmod=$BASE$BASE$BASE$BASE$BASE a b",
            "between 0 and 07777",
        ),
    ] {
        let error = error(&format!("FROM base\n{instruction}\n"));
        assert!(error.to_string().contains(part), "{instruction}: {error}");
    }
}

#[test]
fn a_working_directory_is_made_for_the_user() {
    let build = build("FROM base\nUSER me\nWORKDIR x\nRUN pwd\n");
    let (_, file) = files(&build)[0];
    assert!(
        matches!(&file.actions[0], FileAction::MakeDirectory { path, owner, .. } if path == "/base/x" && owner == "me")
    );
    assert_eq!(runs(&build)[0].cwd, "/base/x");
    assert_eq!(runs(&build)[0].user, "me");
}

#[test]
fn commands_are_run_by_the_shell_of_the_stage() {
    for (text, args) in [
        ("RUN a  b", &["/bin/sh", "-c", "a  b"][..]),
        ("RUN [\"a\", \"b c\"]", &["a", "b c"]),
        ("SHELL [\"/x\", \"-e\"]\nRUN a", &["/x", "-e", "a"]),
        ("RUN $BASE \"$BASE\"", &["/bin/sh", "-c", "$BASE \"$BASE\""]),
        ("RUN <<E\na\nb\nE", &["/bin/sh", "-c", "a\nb\n"]),
        ("RUN <<-E\n\ta\nE", &["/bin/sh", "-c", "a\n"]),
        (
            "RUN cat <<E > /f\na\nE",
            &["/bin/sh", "-c", "cat <<E > /f\na\nE"],
        ),
        ("RUN <<E cat\na\nE", &["/bin/sh", "-c", "<<E cat\na\nE"]),
        (
            "RUN <<A cat; <<B cat\na\nA\nb\nB",
            &["/bin/sh", "-c", "<<A cat; <<B cat\na\nA\nb\nB"],
        ),
    ] {
        let build = build(&format!("FROM base\n{text}\n"));
        assert_eq!(runs(&build)[0].args, args, "{text}");
        assert!(runs(&build)[0].mounts.is_empty(), "{text}");
    }
}

#[test]
fn a_script_with_an_interpreter_is_a_mounted_file() {
    let build = build("FROM base\nRUN <<E\n#!/usr/bin/env python3\nprint()\nE\n");
    let run = runs(&build)[0];
    assert_eq!(run.args, ["/bin/sh", "-c", "/dev/pipes/E"]);
    let mount = &run.mounts[0];
    assert_eq!(mount.target, "/dev/pipes/E");
    assert!(
        matches!(&mount.source, MountSource::Inline { content, mode: 0o755 } if content.starts_with(b"#!/usr")),
        "{mount:?}"
    );
}

#[test]
fn a_bind_shows_the_context_or_another_tree() {
    let found =
        mounts("--mount=target=rel --mount=type=bind,from=other,source=a/../b,target=/z,rw");
    assert_eq!(found[0].target, "/base/rel");
    assert!(found[0].read_only && !found[1].read_only);
    assert!(matches!(&found[0].source, MountSource::Bind { path, .. } if path == "/"));
    assert!(matches!(&found[1].source, MountSource::Bind { path, .. } if path == "/b"));
}

#[test]
fn a_cache_is_known_by_its_id_and_made_as_told() {
    let found = mounts(
        "--mount=type=cache,target=/b/ --mount=type=cache,id=x,target=/a,sharing=locked,mode=0700,uid=1,from=o",
    );
    assert!(
        matches!(&found[1].source, MountSource::Cache { id, sharing: Sharing::Shared, from: None, mode: 0o755, .. } if id == "/b"),
        "{found:?}"
    );
    assert!(
        matches!(&found[0].source, MountSource::Cache { id, sharing: Sharing::Locked, from: None, mode: 0o700, uid: 1, gid: 0 } if id == "x"),
        "{found:?}"
    );
    let build = lowered(
        "FROM base\nRUN --mount=type=cache,target=/c x\n",
        &with_args(&[("BUILDKIT_CACHE_MOUNT_NS", "n")]),
    );
    assert!(
        matches!(&runs(&build)[0].mounts[0].source, MountSource::Cache { id, .. } if id == "n//c")
    );
}

#[test]
fn secrets_and_sockets_have_their_places() {
    let build = build(
        "FROM base\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B --mount=type=secret,target=/c/d,required \
         --mount=type=ssh --mount=type=ssh,id=k echo $B\n",
    );
    let run = runs(&build)[0];
    let shown: Vec<(&str, String)> = run
        .mounts
        .iter()
        .map(|mount| {
            let what = match &mount.source {
                MountSource::Secret {
                    id,
                    env,
                    file,
                    required,
                    mode,
                    ..
                } => {
                    format!("secret {id} {env:?} {file} {required} {mode:o}")
                }
                MountSource::Ssh { id, mode, .. } => format!("ssh {id} {mode:o}"),
                other => panic!("{other:?}"),
            };
            (mount.target.as_str(), what)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("/c/d", "secret d None true true 400".to_owned()),
            ("/run/buildkit/ssh_agent.0", "ssh default 600".to_owned()),
            ("/run/buildkit/ssh_agent.1", "ssh k 600".to_owned()),
            ("/run/secrets/a", "secret a None true false 400".to_owned()),
            (
                "/run/secrets/b",
                "secret b Some(\"B\") false false 400".to_owned()
            ),
        ]
    );
    assert!(env(run).contains(&"SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0".to_owned()));
    let label = build
        .graph
        .nodes()
        .last()
        .map(|_| support::labels(&build).pop().unwrap());
    assert!(label.unwrap().ends_with("echo ****"));
}

#[test]
fn mounts_are_expanded_and_checked() {
    let build = build("FROM base\nARG T=/t K=cache\nRUN --mount=type=$K,target=$T x\n");
    assert_eq!(runs(&build)[0].mounts[0].target, "/t");
    for flags in [
        "--mount=type=$BASE,target=/x",
        "--mount=type=tmpfs,target=/",
        "--mount=type=tmpfs,size=x,target=/y",
    ] {
        let error = error(&format!("FROM base\nRUN {flags} x\n"));
        assert!(error.to_string().starts_with("--mount"), "{flags}: {error}");
        assert!(error.span.is_some());
    }
}

#[test]
fn permissions_must_be_given() {
    let text =
        "FROM base\nRUN --network=host a\nRUN --security=insecure b\nRUN --network=none c\nRUN d\n";
    assert!(error(text).help().unwrap().contains("--allow network.host"));
    let allowed = Options {
        allow: [Entitlement::NetworkHost, Entitlement::SecurityInsecure].into(),
        ..options()
    };
    let build = lowered(text, &allowed);
    let networks: Vec<Network> = runs(&build).iter().map(|run| run.network).collect();
    assert_eq!(
        networks,
        [
            Network::Host,
            Network::Default,
            Network::None,
            Network::Default
        ]
    );
    assert_eq!(runs(&build)[1].security, Security::Insecure);
    let forced = Options {
        network: Network::Host,
        ..options()
    };
    let build = lowered(
        "FROM base\nRUN a\nRUN --network=default b\nRUN --network=none c\n",
        &forced,
    );
    let networks: Vec<Network> = runs(&build).iter().map(|run| run.network).collect();
    assert_eq!(networks, [Network::Host, Network::Host, Network::None]);
}

#[test]
fn what_is_not_supported_says_so() {
    let error = error("FROM base\nRUN --device=vendor.com/x=y true\n");
    assert!(error.to_string().contains("not supported"), "{error}");
    assert!(error.help().is_some());
}
