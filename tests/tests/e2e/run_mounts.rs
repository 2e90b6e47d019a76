//! RUN --mount of each type.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use stromatekt_tests::lab::processes_with;
use stromatekt_tests::{Context, Lab, command};

#[test]
fn bind_shows_the_context_read_only_and_leaves_nothing() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nRUN --mount=target=/ctx cat /ctx/sub/a > /a; touch /ctx/b 2> /denied; true\n",
        ),
        ("sub/a", "from the context"),
    ]);
    let image = Lab::shared().build(&context).image();
    let rootfs = image.rootfs();
    assert_eq!(rootfs.text("a"), "from the context");
    assert!(
        rootfs.text("denied").contains("Read-only"),
        "{}",
        rootfs.text("denied")
    );
    assert_eq!(image.top().paths_of_the_step(), ["a", "denied"]);
    assert!(!context.path().join("b").exists());
}

#[test]
fn bind_takes_a_part_of_a_stage() {
    let context = Context::dockerfile(
        "FROM busybox AS other\nRUN mkdir /out && echo built > /out/result\n\
         FROM busybox\nRUN --mount=type=bind,from=other,source=/out,target=/in cat /in/result > /copy\n\
         RUN --mount=type=bind,from=other,src=out/result,dst=/one cat /one > /single\n",
    );
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.text("copy"), "built");
    assert_eq!(rootfs.text("single"), "built");
    assert!(!rootfs.has("in") && !rootfs.has("one") && !rootfs.has("out"));
}

#[test]
fn what_is_written_into_a_writable_bind_is_thrown_away() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nRUN --mount=target=/ctx,rw echo changed > /ctx/a && cat /ctx/a > /seen\n\
             RUN --mount=target=/ctx cat /ctx/a > /after\n",
        ),
        ("a", "original"),
    ]);
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.text("seen"), "changed");
    assert_eq!(rootfs.text("after"), "original");
    assert_eq!(
        std::fs::read_to_string(context.path().join("a")).expect("still there"),
        "original"
    );
}

#[test]
fn a_bind_source_that_is_not_there_is_named() {
    let context = Context::dockerfile("FROM busybox\nRUN --mount=source=missing,target=/m true\n");
    Lab::shared().build(&context).fails().says(&["missing"]);
}

#[test]
fn cache_mounts_keep_files_between_builds_and_out_of_layers() {
    let context = |text: &str| {
        Context::dockerfile(&format!(
            "FROM busybox\nRUN --mount=type=cache,target=/cache,id=kept-between-builds echo {text} >> /cache/log && cp /cache/log /log\n"
        ))
    };
    let lab = Lab::shared();
    let image = lab.build(&context("one")).image();
    assert_eq!(image.top().paths_of_the_step(), ["log"]);
    assert_eq!(
        lab.build(&context("two")).rootfs().lines("log"),
        ["one", "two"]
    );
}

#[test]
fn cache_mounts_are_told_apart_by_id_and_begin_as_they_are_described() {
    let context = Context::dockerfile(
        "FROM busybox AS seed\nRUN mkdir /seed && echo sown > /seed/grain\n\
         FROM busybox\n\
         RUN --mount=type=cache,target=/c,id=first touch /c/x\n\
         RUN --mount=type=cache,target=/c,id=second ls /c > /second\n\
         RUN --mount=type=cache,target=/c,id=seeded,from=seed,source=/seed cat /c/grain > /grain\n\
         RUN --mount=type=cache,target=/c,id=owned,uid=12,gid=34,mode=0700 stat -c '%u %g %a' /c > /owned\n\
         RUN --mount=type=cache,target=/c,id=first,ro ls /c > /first; touch /c/y || true\n",
    );
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.text("second"), "");
    assert_eq!(rootfs.text("grain"), "sown");
    assert_eq!(rootfs.text("owned"), "12 34 700");
    assert_eq!(rootfs.text("first"), "x");
}

#[test]
fn cache_mounts_of_builds_that_name_another_namespace_are_others() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=cache,target=/c,id=of-a-namespace ls /c > /found; touch /c/x\n",
    );
    let lab = Lab::shared();
    let found = |namespace: &str| {
        let arg = format!("BUILDKIT_CACHE_MOUNT_NS={namespace}");
        let build = lab.build(&context).args(["--no-cache"]);
        build.build_arg(&arg).rootfs().text("found").to_owned()
    };
    assert_eq!(["one", "two", "one"].map(found), ["", "", "x"]);
}

#[test]
fn a_locked_cache_mount_has_one_user_at_a_time() {
    // Each step fails where it finds the other one's mark.
    let step = "RUN --mount=type=cache,target=/c,id=locked,sharing=locked mkdir /c/lock && sleep 0.3 && rmdir /c/lock && touch /done";
    let context = Context::dockerfile(&format!(
        "FROM busybox AS a\n{step}-a\nFROM busybox AS b\n{step}-b\nFROM scratch\nCOPY --from=a /done-a /\nCOPY --from=b /done-b /\n"
    ));
    assert_eq!(
        Lab::shared().build(&context).rootfs().beneath(""),
        ["done-a", "done-b"]
    );
}

#[test]
fn a_private_cache_mount_is_not_seen_by_a_step_beside() {
    let step = "RUN --mount=type=cache,target=/c,id=private,sharing=private mkdir /c/lock && sleep 0.3 && rmdir /c/lock && touch /done";
    let context = Context::dockerfile(&format!(
        "FROM busybox AS a\n{step}-a\nFROM busybox AS b\n{step}-b\nFROM scratch\nCOPY --from=a /done-a /\nCOPY --from=b /done-b /\n"
    ));
    assert_eq!(
        Lab::shared().build(&context).rootfs().beneath(""),
        ["done-a", "done-b"]
    );
}

#[test]
fn tmpfs_is_empty_and_leaves_nothing() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m stat -f -c %T /t > /kind && touch /t/x && (dd if=/dev/zero of=/t/big bs=1M count=2 2> /full || true)\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.rootfs().text("kind"), "tmpfs");
    assert!(
        image.rootfs().text("full").contains("No space"),
        "{}",
        image.rootfs().text("full")
    );
    assert_eq!(image.top().paths_of_the_step(), ["full", "kind"]);
}

#[test]
fn secrets_are_files_or_variables_and_never_in_a_layer() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\n\
             RUN --mount=type=secret,id=token cat /run/secrets/token > /a && stat -c '%u %g %a' /run/secrets/token > /stat\n\
             RUN --mount=type=secret,id=token,target=/etc/token,uid=5,gid=6,mode=0444 cat /etc/token > /b && stat -c '%u %g %a' /etc/token > /stat2\n\
             RUN --mount=type=secret,id=token,env=TOKEN echo \"$TOKEN\" > /c\n\
             RUN --mount=type=secret,id=from-env cat /run/secrets/from-env > /d\n\
             RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent\n",
        ),
        ("secret.txt", "s3cret"),
    ]);
    let source = format!(
        "id=token,src={}",
        context.path().join("secret.txt").display()
    );
    let (image, outcome) = Lab::shared()
        .build(&context)
        .args([
            "--secret",
            &source,
            "--secret",
            "id=from-env,env=THE_SECRET",
        ])
        .env("THE_SECRET", "of the environment")
        .image_and_outcome();
    let rootfs = image.rootfs();
    for copy in ["a", "b", "c"] {
        assert_eq!(rootfs.text(copy), "s3cret");
    }
    assert_eq!(rootfs.text("d"), "of the environment");
    assert_eq!(rootfs.text("stat"), "0 0 400");
    assert_eq!(rootfs.text("stat2"), "5 6 444");
    assert!(
        !rootfs.has("run/secrets/token") && !rootfs.has("etc/token") && !rootfs.has("run/secrets")
    );
    assert!(!outcome.stderr.contains("s3cret"), "{outcome}");
    assert!(!image.config.to_string().contains("s3cret"));
}

#[test]
fn a_secret_with_nothing_but_an_id_is_the_file_of_that_name() {
    let context = Context::new(&[("token", "of a file")]);
    let path = context.path().join("token").display().to_string();
    context.write(
        "Dockerfile",
        format!("FROM busybox\nRUN --mount=type=secret,id={path},target=/s cat /s > /x\n"),
    );
    let lab = Lab::shared();
    let secret = format!("id={path}");
    let build = lab.build(&context).args(["--secret", &secret]);
    assert_eq!(build.rootfs().text("x"), "of a file");
}

#[test]
fn a_required_secret_that_is_not_given_is_an_error() {
    let context =
        Context::dockerfile("FROM busybox\nRUN --mount=type=secret,id=needed,required=true true\n");
    Lab::shared()
        .build(&context)
        .fails()
        .says(&["needed", "--secret"])
        .points_at(
            "Dockerfile:2",
            "RUN --mount=type=secret,id=needed,required=true true",
        );
}

#[test]
fn another_value_of_a_secret_is_no_reason_to_run_again() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=secret,id=changing,env=S cat /proc/sys/kernel/random/uuid > /id\n",
    );
    let lab = Lab::shared();
    let build = |value| {
        lab.build(&context)
            .args(["--secret", "id=changing,env=VALUE"])
            .env("VALUE", value)
            .rootfs()
    };
    assert_eq!(build("1").text("id"), build("2").text("id"));
}

#[test]
fn ssh_hands_in_the_agents_socket() {
    let directory = tempfile::TempDir::new().expect("there is room for a temporary directory");
    let socket = directory.path().join("agent");
    let _agent = UnixListener::bind(&socket).expect("a socket in an own directory");
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\" && echo $SSH_AUTH_SOCK > /default\n\
         RUN --mount=type=ssh,id=other,target=/agent,uid=7,mode=0666 test -S /agent && stat -c '%u %a' /agent > /stat\n",
    );
    let image = Lab::shared()
        .build(&context)
        .args(["--ssh", "default"])
        .env("SSH_AUTH_SOCK", &socket)
        .args(["--ssh", &format!("other={}", socket.display())])
        .image();
    let rootfs = image.rootfs();
    assert_eq!(rootfs.text("default"), "/run/buildkit/ssh_agent.0");
    assert_eq!(rootfs.text("stat"), "7 666");
    assert!(!rootfs.has("agent") && !rootfs.has("run/buildkit"));
}

/// Makes a key as people do.
fn make_key(context: &Context, name: &str, kind: &str, passphrase: &str) -> String {
    let path = context.path().join(name).display().to_string();
    let arguments = ["-q", "-t", kind, "-N", passphrase, "-C", "", "-f", &path];
    command::program("ssh-keygen", arguments).ok();
    path
}

/// Puts `ssh-add` and its libraries into a context, so that a step can run it in any image. Returns how a step calls it.
fn add_ssh_add(context: &Context) -> String {
    let listed = command::program("ldd", ["/usr/bin/ssh-add"]).ok();
    let libraries = listed.text().split_whitespace();
    let libraries: Vec<&str> = libraries.filter(|word| word.starts_with('/')).collect();
    let name = |path: &str| {
        path.rsplit_once('/')
            .expect("an absolute path")
            .1
            .to_owned()
    };
    for path in libraries.iter().copied().chain(["/usr/bin/ssh-add"]) {
        let content = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        context.write(&format!("tools/{}", name(path)), content);
        context.chmod(&format!("tools/{}", name(path)), 0o755);
    }
    let loader = libraries.iter().find(|path| name(path).starts_with("ld-"));
    let loader = name(loader.expect("a dynamic loader"));
    format!("/ctx/tools/{loader} --library-path /ctx/tools /ctx/tools/ssh-add")
}

#[test]
fn keys_in_files_sign_for_steps_and_stay_as_they_are() {
    let context = Context::new(&[]);
    let ssh_add = add_ssh_add(&context);
    let one = make_key(&context, "one", "ed25519", "");
    let two = make_key(&context, "two", "rsa", "");
    context.write(
        "Dockerfile",
        format!(
            "FROM busybox\n\
             RUN --mount=type=ssh --mount=target=/ctx {ssh_add} -L > /keys && {ssh_add} -T /ctx/one.pub /ctx/two.pub\n\
             RUN --mount=type=ssh --mount=target=/ctx cp /ctx/one /key && chmod 600 /key && ! {ssh_add} /key && ! {ssh_add} -D\n\
             RUN --mount=type=ssh --mount=target=/ctx {ssh_add} -L > /after\n\
             RUN --mount=type=ssh,id=other --mount=target=/ctx {ssh_add} -L > /other\n"
        ),
    );
    let rootfs = Lab::shared()
        .build(&context)
        .args(["--ssh", &format!("default={one},{two}")])
        .args(["--ssh", &format!("other={two}")])
        .rootfs();
    let public = [one, two].map(|key| {
        let public = fs::read_to_string(key + ".pub").expect("a public key");
        public.trim().to_owned()
    });
    // OpenSSH's program ends each line by the comment, which is empty.
    let listed = |name: &str| -> Vec<String> {
        let lines = rootfs.text(name);
        lines.lines().map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(listed("keys"), public);
    assert_eq!(listed("after"), public);
    assert_eq!(listed("other"), public[1..]);
}

#[test]
fn nothing_of_keys_is_left_by_a_build_that_is_stopped_or_fails() {
    let (lab, temporary) = (Lab::with_busybox(), Context::new(&[]));
    let context = Context::new(&[]);
    let key = make_key(&context, "key", "ed25519", "");
    let build = |step: &str| {
        let dockerfile = format!("FROM busybox\nRUN --mount=type=ssh {step}\n");
        context.write("Dockerfile", dockerfile);
        lab.build(&context)
            .args(["--ssh", &format!("default={key}")])
            .env("TMPDIR", temporary.path())
    };
    let nothing_is_left = || {
        assert_eq!(lab.processes(), Vec::<String>::new());
        for directory in [temporary.path(), &lab.root().join("scratch")] {
            let left = fs::read_dir(directory).expect("it is there");
            let left: Vec<_> = left.flatten().map(|entry| entry.path()).collect();
            assert_eq!(left, Vec::<PathBuf>::new());
        }
    };
    build("false").fails();
    nothing_is_left();
    let running = build("test -S \"$SSH_AUTH_SOCK\" && exec sleep 76501").start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while processes_with("sleep 76501").is_empty() {
        assert!(Instant::now() < deadline, "the step has not started");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal(Signal::SIGINT);
    running.wait();
    nothing_is_left();
}

#[test]
fn files_that_are_no_keys_for_steps_are_errors_that_name_the_option_and_the_file() {
    let context = Context::new(&[("Dockerfile", "FROM busybox\n"), ("text", "no key")]);
    let key = make_key(&context, "key", "ed25519", "");
    let locked = make_key(&context, "locked", "ed25519", "a passphrase");
    for (path, reason) in [
        (locked, "is a key with a passphrase"),
        (
            context.path().join("absent").display().to_string(),
            "No such file or directory",
        ),
        (
            context.path().join("text").display().to_string(),
            "is neither the socket of an agent nor a private key",
        ),
        (key + ".pub", "nor a private key"),
    ] {
        Lab::shared()
            .build(&context)
            .args(["--ssh", &format!("default={path}")])
            .fails()
            .says(&["`--ssh`", &path, reason]);
    }
}

#[test]
fn a_required_agent_that_is_not_given_is_an_error() {
    let context = Context::dockerfile("FROM busybox\nRUN --mount=type=ssh,required=true true\n");
    Lab::shared().build(&context).fails().says(&["--ssh"]);
}

#[test]
fn mount_options_expand_variables() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nARG WHERE=/ctx\nARG WHAT=sub\nRUN --mount=source=$WHAT,target=${WHERE} cat /ctx/a > /a\n",
        ),
        ("sub/a", "expanded"),
    ]);
    assert_eq!(Lab::shared().build(&context).rootfs().text("a"), "expanded");
}

#[test]
fn directories_that_mount_points_are_made_in_keep_their_times() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/home/a --mount=target=/usr/b/c true\n\
         RUN stat -c %Y /home /usr > /times\n",
    );
    // Those of the base.
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.lines("times"), ["1700000000", "1700000000"]);
}
