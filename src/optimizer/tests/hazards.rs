//! What more than files of the tree would have to pass from one part of a command to the next keeps it whole.

mod support;

use stromatekt_graph::run::{Mount, MountSource, Run, Sharing};
use stromatekt_optimizer::split::parts_of;
use support::shell;

fn with_env(name: &str, value: &str, text: &str) -> Run {
    let mut run = shell(text);
    run.env.push((name.into(), value.into()));
    run
}

fn with_cache(target: &str, text: &str) -> Run {
    Run {
        mounts: vec![Mount {
            target: target.into(),
            source: MountSource::Cache {
                id: "a".into(),
                sharing: Sharing::Shared,
                from: None,
                mode: 0o755,
                uid: 0,
                gid: 0,
            },
            read_only: false,
        }],
        ..shell(text)
    }
}

/// Why a command is not cut; nothing where it is.
#[track_caller]
fn reason(run: &Run) -> Option<String> {
    let parts = parts_of(run).expect("it is a chain");
    parts.err().map(|refusal| refusal.0)
}

#[track_caller]
fn check(cases: &[(Run, &str)]) {
    for (run, expected) in cases {
        let found = reason(run).unwrap_or_default();
        assert_eq!(&found, expected, "{:?} {:?}", run.args, run.env);
    }
}

#[test]
fn variables_may_lead_to_what_every_container_has() {
    let text = "make && cp $OUT/a /a";
    let fetch = "curl -o ${OUT:-/dev/shm}/a https://example.com/ && make && cp /b /a";
    check(&[
        (with_env("OUT", "/srv", text), ""),
        (shell(text), ""),
        (
            with_env("OUT", "/dev/shm/out", text),
            "`OUT` leads to /dev/shm/out, which is of the container, not of the tree",
        ),
        (with_env("LOG", "/dev/stdout", text), ""),
        (
            with_env("DIR", "v", "make && cp /de${DIR}/shm/a /a"),
            "/de…v/shm/a is of the container, not of the tree",
        ),
        (
            shell(fetch),
            "……/dev/shm/a is of the container, not of the tree",
        ),
        (
            shell("TMPDIR=/dev/shm make && make install"),
            "TMPDIR=/dev/shm is of the container, not of the tree",
        ),
        (
            with_env("URL", "http://localhost/", "make && curl -o /a $URL"),
            "it asks a service of this machine",
        ),
    ]);
}

#[test]
fn paths_of_the_container_are_seen_however_they_are_written() {
    let special = |shown: &str| format!("{shown} is of the container, not of the tree");
    for (words, shown) in [
        ("cp a dev/shm/b", "dev/shm/b"),
        ("cp a ./dev/shm/b", "./dev/shm/b"),
        ("cp a x/../dev/shm/b", "x/../dev/shm/b"),
        ("tar xf a -C dev", "dev"),
        ("cp a /dev/null.d", "/dev/null.d"),
        ("cp a /dev/null*", "/dev/null*"),
        ("cp a //dev/b", "//dev/b"),
    ] {
        let found = reason(&shell(&format!("make && {words} && chmod 700 /b")));
        assert_eq!(found, Some(special(shown)), "{words}");
    }
    for words in [
        "cp a /d*/shm/b",
        "cp a /{dev,tmp}/b",
        "cp a /?ev/b",
        "cp a /tmp/../d[e]v/b",
        "cp a d*/b",
        "echo a > /d[e]v/b",
    ] {
        let found = reason(&shell(&format!("make && {words} && chmod 700 /b")));
        let shown = words.rsplit(' ').next().unwrap();
        let expected = format!("{shown} may be of the container, not of the tree");
        assert_eq!(found, Some(expected), "{words}");
    }
    for words in [
        "cp a /dev/null",
        "cp a src/dev/b",
        "cp a.* *.so s*/b ../*.c /tmp",
        "cp a /o*/b",
        "cp a '/d*/b'",
        "find / -xdev -name b",
        "apk add --no-cache linux-dev",
        "git config dev/x y 2>/dev/null",
    ] {
        let mut run = shell(&format!("make && {words} && chmod 700 /b"));
        run.cwd = "/src".into();
        let found = reason(&run);
        assert!(
            found
                .as_deref()
                .is_none_or(|reason| reason.contains("working directory")),
            "{words}: {found:?}"
        );
    }
}

#[test]
fn a_cache_directory_may_be_empty_again() {
    let pip = "/root/.cache/pip";
    let at = |path: &str| format!("{path} is in the cache directory at {pip}");
    let home = at("…/.cache/pip/a");
    let absolute = at("/root/.cache/pip/a");
    let relative = at("../root/.cache/pip/a");
    check(&[
        (with_cache(pip, "pip install a && make"), ""),
        (
            with_cache(pip, "pip install --cache-dir /root/.cache/pip a && make"),
            "",
        ),
        (
            with_cache(pip, "PIP_CACHE_DIR=/root/.cache/pip pip install a && make"),
            "",
        ),
        (
            with_cache("/root/.npm", "npm ci --prefer-offline && make"),
            "",
        ),
        (
            with_cache(
                pip,
                "curl -o /root/.cache/pip/a https://example.com/ && make && cp /root/.cache/pip/a /a",
            ),
            &absolute,
        ),
        (with_cache(pip, "make && cp ~/.cache/pip/a /a"), &home),
        (
            with_cache(pip, "make && cp ../root/.cache/pip/a /a"),
            &relative,
        ),
        (
            with_cache(
                "/usr/local/cargo/registry",
                "cargo fetch && make CARGO_NET_OFFLINE=true",
            ),
            "it takes what the cache directory at /usr/local/cargo/registry has",
        ),
        (
            with_cache(
                "/usr/local/cargo/registry",
                "cargo fetch && cargo build --frozen",
            ),
            "it takes what the cache directory at /usr/local/cargo/registry has",
        ),
        // Where some keep what they installed, and what they built.
        (
            with_cache("/root/.cache", "npm ci && make"),
            "what is written to the cache directory at /root/.cache might be gone",
        ),
        (
            with_cache("/root/.m2", "mvn install && make"),
            "what is written to the cache directory at /root/.m2 might be gone",
        ),
    ]);
    let mut run = with_cache(pip, "pip install a && make");
    run.env
        .push(("CARGO_TARGET_DIR".into(), format!("{pip}/target")));
    let expected = format!("`CARGO_TARGET_DIR` leads into the cache directory at {pip}");
    assert_eq!(reason(&run), Some(expected));
    run.env.pop();
    run.env.push(("PIP_CACHE_DIR".into(), pip.into()));
    assert_eq!(reason(&run), None);
    run.env.push(("NPM_CONFIG_OFFLINE".into(), "true".into()));
    let expected = "`NPM_CONFIG_OFFLINE` has it take what its cache directory has";
    assert_eq!(reason(&run).as_deref(), Some(expected));
    run.env.pop();
    run.cwd = format!("{pip}/a");
    let expected = format!("its working directory {pip}/a is in a cache directory");
    assert_eq!(reason(&run), Some(expected));
}

#[test]
fn the_shell_and_its_libraries_must_stay() {
    let told = |words: &str| {
        reason(&shell(&format!(
            "apk add --no-cache a && {words} && echo b"
        )))
    };
    for words in [
        "rm -rf /bin",
        "rm -rf /usr /opt",
        "rm -rf /usr/bin/",
        "rm -f /bin/*",
        "rm -f /bin/[a-z]*",
        "rm -rf bin",
        "rm -rf /{bin,lib}",
        "rm -rf /lib/ld-musl-x86_64.so.1",
        "rm -f /usr/lib/x86_64-linux-gnu/*",
        "rm -f /usr/lib/x86_64-linux-gnu/libc.so.6",
        "rm -f /usr/lib/*.so",
        "rm -f /*/*",
        "mv /usr/lib /opt",
        "rsync -a --delete /new/ /",
        "find /bin -type l -delete",
        "find / -xdev -type f -delete",
        "find / -name '*sh' -delete",
        "find / -type f -o -name '*.pyc' -delete",
        "find / ! -name '*.pyc' -exec rm {} +",
    ] {
        let program = words.split(' ').next().unwrap();
        let expected = format!("`{program}` may remove the shell that would run the rest");
        assert_eq!(told(words), Some(expected), "{words}");
    }
    for (words, shown) in [
        ("rm /bin/busybox", "/bin/busybox"),
        ("cp /tmp/sh /bin", "/tmp/sh"),
        ("cp bash /usr/bin/", "bash"),
        ("apk del bash", "bash"),
        ("ln -sf dash /usr/bin/sh", "/usr/bin/sh"),
    ] {
        let expected = format!("{shown} may be the shell that would run the rest");
        assert_eq!(told(words), Some(expected), "{words}");
    }
    for words in [
        "rm -rf /usr/lib/python3*/test",
        "rm -f /usr/lib/*.a",
        "rm -f /usr/lib/libfoo.so.1 /usr/bin/qemu-*",
        "rm -rf \"$GNUPGHOME\" /var/lib/apt/lists/*",
        "rm -rf $(dirname /a)",
        "mv a /usr/bin/",
        "ln -s /usr/lib/a /usr/bin",
        "find / -name '*.pyc' -delete",
        "find /usr/local -depth \\( -type d -name test -o -type f -name '*.pyc' \\) -exec rm -rf '{}' +",
        "find /usr/lib -name '*.a' -delete",
        "find / -perm /6000 -exec chmod a-s '{}' +",
        "apk del .build",
    ] {
        assert_eq!(told(words), None, "{words}");
    }
    // Behind the last command there is no shell.
    assert_eq!(reason(&shell("make && ls && rm -rf /lib")), None);
    let mut run = shell("apk add --no-cache a && apk del .build && echo b");
    run.args[0] = "/bin/bash".into();
    let expected = "it may remove the shell that would run the rest";
    assert_eq!(reason(&run).as_deref(), Some(expected));
}

#[test]
fn the_working_directory_must_lead_where_it_did() {
    let at = |cwd: &str, text: &str| {
        let run = Run {
            cwd: cwd.into(),
            ..shell(text)
        };
        reason(&run)
    };
    for text in [
        "ln -sfn /b /cur && make && touch a",
        "ln -sfn b /cur && make && touch a",
        "update-alternatives --install /cur cur /b 1 && make && touch a",
    ] {
        let expected = "it may remove its working directory /cur";
        assert_eq!(at("/cur", text).as_deref(), Some(expected), "{text}");
        assert_eq!(at("/", text), None, "{text}");
    }
    assert_eq!(
        at("/cur", "ln -s $PWD/a /usr/local/bin/a && make && touch a"),
        None
    );
    assert_eq!(at("/cur", "make && ln -sfn /b /cur"), None);
}

#[test]
fn the_groups_of_the_user_must_stay() {
    let told = |user: &str, text: &str| {
        let run = Run {
            user: user.into(),
            ..shell(text)
        };
        reason(&run)
    };
    for (user, words, shown) in [
        ("", "addgroup root docker", "root"),
        ("", "adduser root docker", "root"),
        ("", "groupadd -U a,root docker", "a,root"),
        ("app:app", "addgroup app docker", "app"),
    ] {
        let program = words.split(' ').next().unwrap();
        let expected = format!("`{program}` may change the groups of {shown}, who runs the rest");
        let text = format!("{words} && make && id");
        assert_eq!(told(user, &text), Some(expected), "{words}");
        assert_eq!(told(user, &format!("make && {words}")), None, "{words}");
    }
    for words in [
        "addgroup -S app",
        "adduser -D -G app app",
        "useradd -m -d /root2 app",
    ] {
        assert_eq!(told("", &format!("{words} && make && id")), None, "{words}");
    }
}

#[test]
fn commands_that_may_leave_others_running_are_unknown() {
    for words in [
        "wget -b https://example.com/a",
        "wget -qb https://example.com/a",
        "wget --background https://example.com/a",
        "rsync --daemon",
        "git submodule foreach './start &'",
        "mvn spring-boot:start",
        "cmake -P start.cmake",
        "cmake -E env ./start",
        "cmake --build build --target serve",
        "cmake --build build -t all serve",
        "cmake --build build -- serve",
    ] {
        let program = words.split(' ').next().unwrap();
        let found = reason(&shell(&format!("{words} && make"))).unwrap();
        assert!(
            found.starts_with(&format!("it is not known what `{program}")),
            "{words}: {found}"
        );
    }
    for words in [
        "wget -nv https://example.com/a",
        "wget --backups=1 https://example.com/a",
        "git submodule update --init",
        "mvn dependency:go-offline",
        "mvn -pl :a package",
        "cmake -S . -B build",
        "cmake --build build --target install -- -j4",
        "cmake --install build",
    ] {
        assert_eq!(reason(&shell(&format!("{words} && make"))), None, "{words}");
    }
}

#[test]
fn the_shell_goes_on_to_use_what_it_found_first() {
    let whole = "what stands behind depends on the moment of what is done first, or on where the shell found a command";
    let text = "sed --version && make && sed -i s/a/b/ a";
    let path = |path: &str, cwd: &str| {
        let mut run = with_env("PATH", path, text);
        run.cwd = cwd.into();
        reason(&run)
    };
    assert_eq!(path("/usr/local/bin:/usr/bin:/bin", "/src"), None);
    for (path_value, cwd) in [
        ("/opt/tools:/usr/bin:/bin", "/"),
        ("/src/bin:/usr/bin:/bin", "/src"),
        ("bin:/usr/bin:/bin", "/src"),
        (":/usr/bin:/bin", "/src"),
    ] {
        assert_eq!(
            path(path_value, cwd).as_deref(),
            Some(whole),
            "{path_value}"
        );
    }
    let removed = "sed --version && make && apk del sed && make all && sed -i s/a/b/ a";
    assert_eq!(reason(&shell(removed)).as_deref(), Some(whole));
}

#[test]
fn languages_that_come_with_packages_are_found_by_a_new_shell_only() {
    for package in ["glibc-langpack-de", "language-pack-de", "locales"] {
        let text = format!("dnf install -y {package} && make");
        assert_eq!(
            reason(&with_env("LANG", "de_DE.UTF-8", &text)).as_deref(),
            Some("the shell's locale would be found by the rest only"),
            "{package}"
        );
        assert_eq!(reason(&with_env("LANG", "C.UTF-8", &text)), None);
    }
}
