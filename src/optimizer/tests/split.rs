//! Where a chain of commands is cut, where it is not, and why.

mod support;

use stromatekt_graph::op::Diff;
use stromatekt_graph::run::{Executor, Mount, MountSource, Run, Security, Sharing};
use stromatekt_graph::{Graph, Node, NodeId, Op};
use stromatekt_optimizer::split::parts_of;
use stromatekt_optimizer::{Pass, Passes, optimize};
use support::{run, scratch, shell};

/// The parts with ` | ` between them, or the reason.
fn told(run: &Run) -> String {
    match parts_of(run) {
        None => "no chain".into(),
        Some(Ok(parts)) => parts.join(" ⟫ "),
        Some(Err(refusal)) => refusal.0,
    }
}

#[test]
fn chains_are_cut_behind_what_takes_long() {
    for (text, parts) in [
        (
            "apt-get install -y gcc && make",
            "apt-get install -y gcc ⟫ make",
        ),
        (
            "apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/* && make all && make install",
            "apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/* ⟫ make all ⟫ make install",
        ),
        (
            "apt-get update && apt-get install -y --no-install-recommends a && apt-get clean && mkdir /x && chmod 1777 /x",
            "apt-get update && apt-get install -y --no-install-recommends a && apt-get clean ⟫ mkdir /x && chmod 1777 /x",
        ),
        (
            "mkdir -p /src && curl -fsSL https://example.com/a.tgz | tar xz -C /src && ./configure --prefix=/usr && make -j\"$(nproc)\"",
            "mkdir -p /src && curl -fsSL https://example.com/a.tgz | tar xz -C /src ⟫ ./configure --prefix=/usr ⟫ make -j\"$(nproc)\"",
        ),
        (
            "apk add --no-cache build-base && make -C /src && cp /src/a /a",
            "apk add --no-cache build-base ⟫ make -C /src ⟫ cp /src/a /a",
        ),
        (
            "apk add --no-cache a && apk add --no-cache b",
            "nothing but hash",
        ),
        (
            "DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata && ln -sf /usr/share/zoneinfo/UTC /etc/localtime",
            "DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata ⟫ ln -sf /usr/share/zoneinfo/UTC /etc/localtime",
        ),
        (
            "pip install --no-cache-dir -r requirements.txt && useradd -m app",
            "pip install --no-cache-dir -r requirements.txt ⟫ useradd -m app",
        ),
        ("npm ci && npm run build", "hash"),
        (
            "git clone --depth 1 https://example.com/r.git /r && make -C /r >/tmp/log 2>&1",
            "git clone --depth 1 https://example.com/r.git /r ⟫ make -C /r >/tmp/log 2>&1",
        ),
        (
            "dnf install -y gcc && dnf clean all && gcc -o /a /a.c",
            "dnf install -y gcc && dnf clean all ⟫ gcc -o /a /a.c",
        ),
        (
            "dnf install -y gcc && dnf install -y make && make",
            "dnf install -y gcc ⟫ dnf install -y make ⟫ make",
        ),
        (
            "apt-get install -y \"gcc-${VERSION:-12}\" 'a && b' && test -x /usr/games/gcc",
            "apt-get install -y \"gcc-${VERSION:-12}\" 'a && b' ⟫ test -x /usr/games/gcc",
        ),
        (
            "apt-get install -y a\\ \\&\\&b && echo \"$HOME ${HOME%/*} $5\"",
            "`$5` is about the shell itself",
        ),
        (
            "apt-get install -y a && echo \"it's $HOME; ${X:+b} && done\" > /etc/motd",
            "apt-get install -y a ⟫ echo \"it's $HOME; ${X:+b} && done\" > /etc/motd",
        ),
        (
            "  apt-get install -y a   &&\techo b  ",
            "apt-get install -y a ⟫ echo b",
        ),
        (
            "python -m venv /venv && /venv/bin/pip install x",
            "it is not known what `/venv/bin/pip` leaves in the shell or running",
        ),
        ("python3 -m pip install build && python3 -m build", "hash"),
        (
            "curl -o /a https://example.com/dev/a && make",
            "curl -o /a https://example.com/dev/a ⟫ make",
        ),
        (
            "apt-get install -y nginx && ln -sf /dev/stdout /var/log/nginx/access.log",
            "apt-get install -y nginx ⟫ ln -sf /dev/stdout /var/log/nginx/access.log",
        ),
        (
            "apt-get install -y a && find / -name '*.pyc' -delete && make 2>/dev/null",
            "apt-get install -y a ⟫ find / -name '*.pyc' -delete && make 2>/dev/null",
        ),
        (
            "cargo fetch && rustup target add wasm32-wasip1",
            "cargo fetch ⟫ rustup target add wasm32-wasip1",
        ),
        ("go mod download && touch $(go env GOROOT)/x", "hash"),
        (
            "yarn && yarn cache clean && date > /stamp",
            "yarn && yarn cache clean ⟫ date > /stamp",
        ),
    ] {
        let found = told(&shell(text));
        match parts {
            "hash" | "nothing but hash" => assert_eq!(
                found,
                "what stands behind depends on the moment of what is done first, or on where the shell found a command",
                "{text}"
            ),
            parts => assert_eq!(found, parts, "{text}"),
        }
    }
}

#[test]
fn what_belongs_to_one_moment_stays_together() {
    let whole = "what stands behind depends on the moment of what is done first, or on where the shell found a command";
    for (text, parts) in [
        ("apt-get update && apt-get install -y a", whole),
        (
            "apt-get update && apt-get install -y a && apt-get install -y b",
            whole,
        ),
        (
            "apt-get update && apt-get install -y a && make && apt-get install -y b && make",
            "apt-get update && apt-get install -y a && make && apt-get install -y b ⟫ make",
        ),
        (
            "apt-get update && apt-get install -y a && make && apt-get purge -y a && touch /x",
            "apt-get update && apt-get install -y a ⟫ make && apt-get purge -y a ⟫ touch /x",
        ),
        (
            "apk update && apk add a && echo ok",
            "apk update && apk add a ⟫ echo ok",
        ),
        ("apk add -U a && apk add b", whole),
        ("yum makecache && yum install -y a", whole),
        (
            "curl -O https://example.com/a && curl -O https://example.com/a.sum",
            whole,
        ),
        // What is not as it should be is fetched again, and so is what a commit is looked for in.
        (
            "wget https://example.com/a && git clone https://example.com/b && tar xf a && make",
            "wget https://example.com/a && git clone https://example.com/b && tar xf a ⟫ make",
        ),
        (
            "curl -O https://example.com/a && echo \"0  a\" | sha256sum -c && tar xf a && make && make install",
            "curl -O https://example.com/a && echo \"0  a\" | sha256sum -c && tar xf a ⟫ make ⟫ make install",
        ),
        (
            "curl -O https://example.com/a && apk add --no-cache tar && sha256sum -c a.sum && make && echo a",
            "curl -O https://example.com/a && apk add --no-cache tar && sha256sum -c a.sum && make ⟫ echo a",
        ),
        (
            "git clone https://example.com/b /b && apk add --no-cache gcc && git -C /b checkout v1 && make && chmod 700 /a",
            "git clone https://example.com/b /b && apk add --no-cache gcc && git -C /b checkout v1 && make ⟫ chmod 700 /a",
        ),
        (
            "git clone https://example.com/b /b && git -C /b checkout v1",
            whole,
        ),
        ("apt-get update && make && apt-cache policy a", whole),
        // The shell remembers where it found a command.
        ("pip install --upgrade pip && pip install a", whole),
        (
            "make && make install && ldconfig",
            "make ⟫ make install ⟫ ldconfig",
        ),
        (
            "tar --version && apk add --no-cache tar && tar xf /a",
            whole,
        ),
        (
            "curl -o /usr/local/bin/make https://example.com/make && make && chmod 700 /a",
            "curl -o /usr/local/bin/make https://example.com/make ⟫ make ⟫ chmod 700 /a",
        ),
        (
            "make && curl -o /usr/local/bin/make https://example.com/make && make",
            whole,
        ),
    ] {
        let found = told(&shell(text));
        assert_eq!(found, parts, "{text}");
    }
}

#[test]
fn cheap_chains_stay_whole() {
    let reason = "nothing before its end takes so long that a step of its own would save time";
    for text in [
        "mkdir /a && touch /a/b && chmod 600 /a/b",
        "echo a && apt-get install -y b",
        "apt-get install -y b && rm -rf /var/lib/apt/lists/*",
        "echo a && npm ci && npm cache clean --force && rm -rf /tmp/x",
    ] {
        assert_eq!(told(&shell(text)), reason, "{text}");
    }
}

#[test]
fn what_may_leak_keeps_a_chain_whole() {
    let install = "apt-get install -y a";
    for (rest, reason) in [
        ("cd /src && make", "`cd` changes the shell's directory"),
        (
            "export A=b && make",
            "`export` changes the shell's variables",
        ),
        ("A=b && make", "an assignment changes the shell's variables"),
        (
            "A=b : && make",
            "an assignment before `:` changes the shell's variables",
        ),
        ("set -x && make", "`set` changes the shell's options"),
        (
            ". /etc/profile && make",
            "`.` runs other commands in the shell",
        ),
        (
            "source /env && make",
            "`source` runs other commands in the shell",
        ),
        ("eval make", "`eval` runs other commands in the shell"),
        ("exec make", "`exec` replaces the shell"),
        ("exec 2>/log && make", "`exec` replaces the shell"),
        (
            "trap 'rm a' EXIT && make",
            "`trap` changes what the shell does when it ends",
        ),
        (
            "umask 077 && make",
            "`umask` changes the modes of what the shell makes",
        ),
        (
            "ulimit -n 10 && make",
            "`ulimit` changes the shell's limits",
        ),
        ("alias a=b && make", "`alias` changes the shell's commands"),
        (
            "read A < /a && make",
            "`read` changes the shell's variables",
        ),
        (
            "printf -v A x && make",
            "`printf` may change the shell's variables (`-v`)",
        ),
        (
            "f() { make; } && f",
            "`(` starts a shell of its own, or a function",
        ),
        (
            "(cd /src && make)",
            "`(` starts a shell of its own, or a function",
        ),
        ("{ make; }", "`{` is a word of the shell's own"),
        (
            "if true; then make; fi",
            "`if` is a word of the shell's own",
        ),
        (
            "for a in b; do make; done",
            "`for` is a word of the shell's own",
        ),
        ("! make", "`!` is a word of the shell's own"),
        ("[[ -f /a ]] && make", "`[[` is a word of the shell's own"),
        ("make & echo b", "`&` leaves a job in the background"),
        (
            "make &>/log && echo b",
            "`&` leaves a job in the background",
        ),
        ("make || true", "`||` decides by how a command ended"),
        ("make ; echo b", "`;` goes on after a failure"),
        ("make |& tee log", "shells differ in what `|&` is"),
        ("make # all", "it has a comment"),
        ("cat <<E\na\nE", "it has a here-document"),
        ("cat <<<a", "it has a here-document"),
        ("make\nmake", "it has several lines"),
        ("> /a && make", "a redirect stands without a command"),
        (
            "make 3>&1",
            "it redirects another file descriptor than the usual three",
        ),
        (
            "make >&log",
            "it redirects another file descriptor than the usual three",
        ),
        ("make < 1>log", "a redirect names no file"),
        (
            "make {fd}>log",
            "shells differ in what `}` before a redirect is",
        ),
        (
            "diff <(ls) /a",
            "shells differ in what a parenthesis after a redirect is",
        ),
        ("echo $$", "`$$` is about the shell itself"),
        ("echo \"$?\"", "`$?` is about the shell itself"),
        ("echo $!", "`$!` is about the shell itself"),
        ("echo $-", "`$-` is about the shell itself"),
        ("echo $_", "`$_` is about the shell itself"),
        ("echo ${RANDOM}", "`$RANDOM` is about the shell itself"),
        ("echo $PPID", "`$PPID` is about the shell itself"),
        (
            "echo $((A=1))",
            "arithmetic may change the shell's variables",
        ),
        ("echo ${A:=b}", "`${A=…}` changes the shell's variables"),
        ("echo ${A/b/c}", "not all shells have this expansion of `A`"),
        (
            "echo ${!A}",
            "it has an expansion that is about the shell itself, or that not all shells have",
        ),
        ("echo $'a'", "shells differ in what `$` before a quote is"),
        ("echo `date`", "it has backquotes: write `$(…)` instead"),
        ("echo $(cd /a && pwd)", "`cd` changes the shell's directory"),
        (
            "echo $(frobnicate)",
            "it is not known what `frobnicate` leaves in the shell or running",
        ),
        (
            "frobnicate --all",
            "it is not known what `frobnicate` leaves in the shell or running",
        ),
        (
            "$COMMAND && make",
            "only the shell knows which command it is",
        ),
        (
            "service a start && make",
            "it is not known what `service` leaves in the shell or running",
        ),
        (
            "make start-server && make test",
            "it is not known what `make` leaves in the shell or running",
        ),
        (
            "make -j4 -C /src $TARGET && make test",
            "it is not known what `make` leaves in the shell or running",
        ),
        (
            "npm test",
            "it is not known what `npm test` leaves in the shell or running",
        ),
        (
            "python app.py",
            "it is not known what `python app.py` leaves in the shell or running",
        ),
        (
            "bash -c 'make'",
            "it is not known what `bash` leaves in the shell or running",
        ),
        (
            "curl http://localhost:80/",
            "it asks a service of this machine",
        ),
        (
            "echo 127.0.0.1 a >> /etc/hosts && make",
            "it asks a service of this machine",
        ),
        (
            "echo nameserver 8.8.8.8 > /etc/resolv.conf && make",
            "/etc/resolv.conf is mounted while it runs",
        ),
        (
            "echo a:x:0:0::/a:/bin/sh >> /etc/passwd && make",
            "/etc/passwd says who runs the rest",
        ),
        (
            "touch /dev/shm/a && make",
            "/dev/shm/a is of the container, not of the tree",
        ),
        (
            "tar xf /a -C/dev && make",
            "-C/dev is of the container, not of the tree",
        ),
        (
            "ln -sf /bin/bash /bin/sh && make",
            "/bin/bash may be the shell that would run the rest",
        ),
        ("echo 'a", "a quote is not closed"),
        ("echo $(make", "a parenthesis is not closed"),
        ("make )", "it has a parenthesis that was not opened"),
        ("&& make", "a command is missing"),
    ] {
        let text = format!("{install} && {rest}");
        assert_eq!(told(&shell(&text)), reason, "{text}");
    }
}

#[test]
fn shells_and_options_that_read_no_other_files_are_known() {
    let text = "apt-get install -y a && make";
    for (args, is_cut) in [
        (vec!["/bin/sh", "-c", text], true),
        (vec!["/bin/bash", "-o", "pipefail", "-c", text], true),
        (vec!["/bin/bash", "-euxo", "pipefail", "-c", text], true),
        (vec!["/bin/ash", "-eo", "pipefail", "-c", text], true),
        (vec!["/bin/sh", "-exc", text], true),
        (vec!["/bin/bash", "-lc", text], false),
        (vec!["/bin/bash", "-o", "posix", "-c", text], false),
        (vec!["/bin/sh", text], false),
        (vec!["/bin/sh", "-c", text, "name"], false),
        (vec!["/bin/zsh", "-c", text], false),
        (vec!["sh", "-c", text], false),
        (vec![text], false),
        (vec![], false),
    ] {
        let run = run(&args);
        assert_eq!(
            parts_of(&run).is_some_and(|parts| parts.is_ok()),
            is_cut,
            "{args:?}"
        );
    }
}

#[test]
fn steps_of_which_more_than_files_would_have_to_pass_stay_whole() {
    let text = "apt-get install -y a && make";
    let mount = |target: &str, source, read_only| Mount {
        target: target.into(),
        source,
        read_only,
    };
    let root = shell(text).root;
    let bind = || MountSource::Bind {
        from: root,
        path: "/".into(),
    };
    let cache = |sharing| MountSource::Cache {
        id: "a".into(),
        sharing,
        from: None,
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let secret = MountSource::Secret {
        id: "a".into(),
        env: None,
        file: true,
        required: true,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    for (mount, reason) in [
        (mount("/run/secrets/a", secret, false), None),
        (mount("/in", bind(), true), None),
        (
            mount("/in", bind(), false),
            Some("what is written to the mount at /in would be gone"),
        ),
        (
            mount("/dev/shm", MountSource::Tmpfs { size: Some(1) }, false),
            None,
        ),
        (
            mount("/tmp", MountSource::Tmpfs { size: None }, false),
            Some("what is written to the tmpfs at /tmp would be gone"),
        ),
        (mount("/var/cache/apt", cache(Sharing::Locked), false), None),
        (
            mount("/root/.cache/pip", cache(Sharing::Shared), false),
            None,
        ),
        (
            mount("/root/.cache/pip", cache(Sharing::Private), false),
            Some("the cache directory at /root/.cache/pip might be another one"),
        ),
        (
            mount("/src/target", cache(Sharing::Shared), false),
            Some("what is written to the cache directory at /src/target might be gone"),
        ),
        (
            mount(
                "/dev/pipes/E",
                MountSource::Inline {
                    content: Vec::new(),
                    mode: 0o755,
                },
                true,
            ),
            Some("it has a here-document"),
        ),
    ] {
        let run = Run {
            mounts: vec![mount],
            ..shell(text)
        };
        let found = told(&run);
        assert_eq!(
            found,
            reason.unwrap_or("apt-get install -y a ⟫ make"),
            "{:?}",
            run.mounts
        );
    }
    let insecure = Run {
        security: Security::Insecure,
        ..shell(text)
    };
    assert_eq!(
        told(&insecure),
        "it may change the machine (`--security=insecure`)"
    );
    let wasi = Run {
        executor: Executor::Wasi,
        ..shell(text)
    };
    assert_eq!(told(&wasi), "no chain");
    let with_env = |name: &str, value: &str, text: &str| Run {
        env: vec![(name.into(), value.into())],
        ..shell(text)
    };
    assert_eq!(
        told(&with_env("BASH_ENV", "/a", text)),
        "the shell reads `BASH_ENV` when it starts"
    );
    let locales = "apt-get install -y locales && make";
    assert_eq!(
        told(&with_env("LANG", "C.UTF-8", locales)),
        "apt-get install -y locales ⟫ make"
    );
    assert_eq!(
        told(&with_env("LANG", "de_DE.UTF-8", locales)),
        "the shell's locale would be found by the rest only"
    );
}

#[test]
fn the_working_directory_must_stay() {
    let at = |cwd: &str, text: &str| {
        told(&Run {
            cwd: cwd.into(),
            ..shell(text)
        })
    };
    let may = "it may remove its working directory /app/src";
    for (text, is_whole) in [
        ("rm -rf /app && make && echo a", true),
        ("rm -rf /app/src && make && echo a", true),
        ("rm -rf /app/sr* && make && echo a", true),
        ("rm -rf ../src && make && echo a", true),
        ("rm -rf \"$DIR\" && make && echo a", true),
        ("rm -rf /{app,tmp} && make && echo a", true),
        ("mv /app /old && make && echo a", true),
        ("find / -name src -delete && make && echo a", true),
        ("rm -rf * && make && echo a", false),
        ("rm -rf /app/src/* && make && echo a", false),
        ("rm -rf /app/s && make && echo a", false),
        ("rm -rf /var/lib/apt/lists/* && make && echo a", false),
        ("make && rm -rf /app /x /y", false),
    ] {
        let found = at("/app/src", text);
        assert_eq!(found == may, is_whole, "{text}: {found}");
        assert_ne!(at("/", text), may, "{text}");
    }
    assert_eq!(
        at("/etc/a", "make && echo a"),
        "files in /etc/a may be mounted there"
    );
    assert_eq!(
        at("/usr/bin", "make && echo a"),
        "the shell looks for commands in /usr/bin"
    );
}

#[test]
fn the_parts_are_a_chain_of_steps_with_one_layer() {
    let mut graph = Graph::new();
    let root = scratch(&mut graph);
    let text = "apt-get install -y a && make";
    let whole = graph
        .add(Node {
            op: Op::Run(Box::new(Run {
                root,
                ..shell(text)
            })),
            label: format!("[2/5] RUN {text}"),
            origin: None,
            no_cache: true,
        })
        .unwrap();
    let layer = graph
        .add(Node {
            op: Op::Diff(Diff {
                lower: Some(root),
                upper: whole,
            }),
            label: "layer".into(),
            origin: None,
            no_cache: false,
        })
        .unwrap();
    let optimized = optimize(graph, &[layer], &Passes::only(Pass::Split));
    let labels: Vec<_> = optimized
        .graph
        .nodes()
        .map(|(_, node)| node.label.as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "FROM scratch",
            "[2/5] RUN apt-get install -y a (part 1 of 2)",
            "[2/5] RUN make (part 2 of 2)",
            "layer"
        ]
    );
    let ids: Vec<NodeId> = optimized.graph.nodes().map(|(id, _)| id).collect();
    for (id, before) in [(ids[1], ids[0]), (ids[2], ids[1])] {
        let node = optimized.graph.node(id);
        let Op::Run(run) = &node.op else {
            panic!("{node:?}");
        };
        assert!(node.no_cache);
        assert_eq!(run.root, before);
        assert_eq!(
            run.shown.as_deref(),
            Some("/bin/sh -c apt-get install -y a && make")
        );
    }
    let command = |id| match &optimized.graph.node(id).op {
        Op::Run(run) => run.args[2].as_str(),
        op => panic!("{op:?}"),
    };
    // The shell stays process 1 but for the last command, which it becomes.
    assert_eq!(
        command(ids[1]),
        "apt-get install -y a && for part in; do :; done"
    );
    assert_eq!(command(ids[2]), "make");
    let Op::Diff(diff) = &optimized.graph.node(optimized.roots[0]).op else {
        panic!("{optimized:?}");
    };
    assert_eq!((diff.lower, diff.upper), (Some(ids[0]), ids[2]));
    assert_eq!(optimized.notes.len(), 1);
    assert_eq!(optimized.notes[0].text, "split into 2 steps");
    assert!(optimized.notes[0].is_done);
}

proptest::proptest! {
    #[test]
    fn no_text_is_read_as_more_than_it_is(text in "[a-z$(){}|&;<>\"'`\\\\ \t#!=*~-]{0,40}") {
        if let Ok(links) = stromatekt_optimizer::shell::reader::read(&text, &[]) {
            let mut end = 0;
            for link in &links {
                let between = &text[end..link.start];
                let is_joint = between.trim() == if end == 0 { "" } else { "&&" };
                proptest::prop_assert!(is_joint, "{text:?}: {between:?}");
                proptest::prop_assert!(link.start < link.end, "{text:?}");
                // A part alone is read as what it was in the whole.
                let alone = stromatekt_optimizer::shell::reader::read(&text[link.start..link.end], &[]).unwrap();
                proptest::prop_assert_eq!(&alone[0].commands, &link.commands);
                end = link.end;
            }
            proptest::prop_assert!(text[end..].trim().is_empty(), "{:?}", text);
        }
    }
}
