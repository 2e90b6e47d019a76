//! RUN --mount of each type.

use std::os::unix::net::UnixListener;

use stromatekt_tests::{Context, Lab};

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
        .args(["--ssh", &format!("default={}", socket.display())])
        .args(["--ssh", &format!("other={}", socket.display())])
        .image();
    let rootfs = image.rootfs();
    assert_eq!(rootfs.text("default"), "/run/buildkit/ssh_agent.0");
    assert_eq!(rootfs.text("stat"), "7 666");
    assert!(!rootfs.has("agent") && !rootfs.has("run/buildkit"));
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
