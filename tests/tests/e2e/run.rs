//! RUN: forms, the process that it starts, and the changes that it leaves.

use stromatekt_tests::rootfs::Kind;
use stromatekt_tests::{Context, Image, Lab, Rootfs};

fn image(dockerfile: &str) -> Image {
    Lab::shared()
        .build(&Context::dockerfile(dockerfile))
        .image()
}

fn rootfs(dockerfile: &str) -> Rootfs {
    image(dockerfile).rootfs()
}

#[test]
fn shell_form_goes_through_the_shell() {
    assert_eq!(
        rootfs("FROM busybox\nRUN echo a   b > /x && echo \"$((1 + 2))\" >> /x\n").lines("x"),
        ["a b", "3"]
    );
}

#[test]
fn exec_form_does_not() {
    let rootfs = rootfs("FROM busybox\nRUN [\"touch\", \"/a b\", \"/$HOME\"]\n");
    assert!(rootfs.has("a b"));
    assert!(rootfs.has("$HOME"));
}

#[test]
fn what_is_not_json_is_shell_form() {
    assert_eq!(
        rootfs("FROM busybox\nRUN [ \"a\" = \"a\" ] && echo yes > /x\n").text("x"),
        "yes"
    );
}

#[test]
fn the_shell_instruction_changes_the_shell_of_what_follows() {
    let dockerfile =
        "FROM busybox\nSHELL [\"/bin/sh\", \"-e\", \"-c\"]\nRUN echo \"$-\" > /flags\n";
    assert!(rootfs(dockerfile).text("flags").contains('e'));
}

#[test]
fn continuation_lines_may_have_comments_between_them() {
    let dockerfile = "FROM busybox\nRUN echo one \\\n  # not part of it\n\n  two > /x\n";
    assert_eq!(rootfs(dockerfile).text("x"), "one two");
}

#[test]
fn the_escape_directive_changes_what_continues_a_line() {
    let dockerfile = "# escape=`\nFROM busybox\nRUN echo one `\n  'C:\\two' > /x\n";
    assert_eq!(rootfs(dockerfile).text("x"), "one C:\\two");
}

#[test]
fn the_environment_is_dockers() {
    let rootfs = rootfs("FROM busybox\nENV GIVEN=1\nRUN [\"sh\", \"-c\", \"env > /env\"]\n");
    let lines = rootfs.lines("env");
    assert!(
        lines.contains(&"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        "{lines:?}"
    );
    assert!(lines.contains(&"HOME=/root"), "{lines:?}");
    assert!(lines.contains(&"GIVEN=1"), "{lines:?}");
    assert!(lines.contains(&"PWD=/"), "{lines:?}");
}

#[test]
fn standard_input_is_closed() {
    assert_eq!(
        rootfs("FROM busybox\nRUN wc -c > /bytes\n").text("bytes"),
        "0"
    );
}

#[test]
fn a_user_has_its_groups_and_its_home() {
    let rootfs = rootfs(
        "FROM busybox\nUSER worker\nRUN id > /tmp/id && echo $HOME > /tmp/home && touch /tmp/mine\n",
    );
    let id = rootfs.text("tmp/id");
    assert!(
        id.starts_with("uid=1000(worker) gid=1000(worker) groups="),
        "{id}"
    );
    assert!(
        id.contains("44(video)") && id.contains("100(users)"),
        "{id}"
    );
    assert_eq!(rootfs.text("tmp/home"), "/home/worker");
    assert_eq!(rootfs.entry("tmp/mine").owner, (1000, 1000));
}

#[test]
fn users_may_be_numbers_and_name_a_group() {
    let rootfs = rootfs(
        "FROM busybox\nUSER 1234:5678\nRUN id -u > /tmp/u && id -g > /tmp/g\nUSER worker:video\nRUN id -g > /tmp/named\n",
    );
    assert_eq!(rootfs.text("tmp/u"), "1234");
    assert_eq!(rootfs.text("tmp/g"), "5678");
    assert_eq!(rootfs.text("tmp/named"), "44");
}

#[test]
fn an_unknown_user_is_named() {
    Lab::shared()
        .build(&Context::dockerfile(
            "FROM busybox\nUSER nosuchuser\nRUN true\n",
        ))
        .fails()
        .says(&["nosuchuser"]);
}

#[test]
fn a_layer_has_what_the_step_changed_and_nothing_else() {
    // The base has no /etc/resolv.conf and no /etc/hosts: what is mounted there leaves no trace. It has no /proc, /sys and
    // /dev either: these directories stay, as docker has it.
    let image = image(
        "FROM busybox\nRUN cat /etc/resolv.conf /etc/hosts > /dev/null; touch /made\nRUN mkdir -p /srv/deep && touch /srv/deep/made\n",
    );
    let layer = |up: usize| image.layers[image.layers.len() - up].paths();
    assert_eq!(layer(2), ["dev", "made", "proc", "sys"]);
    assert_eq!(layer(1), ["srv", "srv/deep", "srv/deep/made"]);
}

#[test]
fn a_step_that_changes_nothing_has_an_empty_layer() {
    assert_eq!(
        image("FROM busybox\nRUN true\nRUN true\n").top().entries,
        []
    );
}

#[test]
fn removed_files_are_whiteouts() {
    let image = image("FROM busybox\nRUN rm /etc/group\n");
    assert_eq!(image.top().paths_of_the_step(), ["etc", "etc/.wh.group"]);
    assert!(!image.rootfs().has("etc/group"));
    assert!(image.rootfs().has("etc/passwd"));
}

#[test]
fn a_directory_that_was_replaced_shows_nothing_of_the_old_one() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkdir /d && touch /d/old /d/both && touch /f\nRUN rm -r /d && mkdir /d && touch /d/both /d/new && rm /f && mkdir /f\n",
    );
    assert_eq!(rootfs.beneath("d"), ["both", "new"]);
    assert_eq!(rootfs.entry("f").kind, Kind::Directory);
}

#[test]
fn a_directory_may_become_a_file_and_a_link() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkdir /d /e && touch /d/x /e/x\nRUN rm -r /d /e && echo file > /d && ln -s d /e\n",
    );
    assert_eq!(rootfs.text("d"), "file");
    assert_eq!(rootfs.entry("e").link, "d");
    assert!(!rootfs.has("d/x"));
}

#[test]
fn a_rename_is_a_whiteout_and_a_file() {
    let image = image("FROM busybox\nRUN mkdir /d && echo 1 > /d/a\nRUN mv /d /e\n");
    let rootfs = image.rootfs();
    assert!(!rootfs.has("d"));
    assert_eq!(rootfs.text("e/a"), "1");
    let mut paths = image.top().paths_of_the_step();
    paths.sort_unstable();
    assert_eq!(paths, [".wh.d", "e", "e/a"]);
}

#[test]
fn a_change_of_mode_owner_or_time_alone_is_a_change() {
    let image = image(
        "FROM busybox\nRUN chmod 600 /etc/passwd && chown 7:8 /etc/group && touch -d @86400 /bin/busybox\n",
    );
    let rootfs = image.rootfs();
    assert_eq!(rootfs.entry("etc/passwd").mode, 0o600);
    assert!(
        rootfs.text("etc/passwd").starts_with("root:"),
        "the content comes along"
    );
    assert_eq!(rootfs.entry("etc/group").owner, (7, 8));
    assert_eq!(rootfs.entry("bin/busybox").mtime, 86400);
    let mut paths = image.top().paths_of_the_step();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["bin", "bin/busybox", "etc", "etc/group", "etc/passwd"]
    );
}

#[test]
fn hard_links_stay_one_file() {
    let image = image("FROM busybox\nRUN echo x > /a && ln /a /b && ln /a /c\n");
    let rootfs = image.rootfs();
    assert_eq!(rootfs.entry("a").kind, Kind::File);
    assert_eq!(rootfs.entry("b").kind, Kind::HardLink);
    assert_eq!(rootfs.entry("c").kind, Kind::HardLink);
    assert_eq!(image.rootfs().text("c"), "x");
}

#[test]
fn a_new_name_of_an_old_file_is_enough_to_have_it() {
    let rootfs = rootfs("FROM busybox\nRUN echo x > /a\nRUN ln /a /b\n");
    assert_eq!(rootfs.text("a"), "x");
    assert_eq!(rootfs.text("b"), "x");
}

#[test]
fn special_files_and_modes_survive() {
    let rootfs = rootfs(
        "FROM busybox\nRUN mkfifo /fifo && mknod /zero c 1 5 && mknod /blk b 7 0 && touch /s && chmod 6755 /s && mkdir /t && chmod 1777 /t && ln -s nowhere /l\n",
    );
    assert_eq!(rootfs.entry("fifo").kind, Kind::Fifo);
    assert_eq!(rootfs.entry("zero").kind, Kind::CharacterDevice);
    assert_eq!(rootfs.entry("blk").kind, Kind::BlockDevice);
    assert_eq!(rootfs.entry("s").mode, 0o6755);
    assert_eq!(rootfs.entry("t").mode, 0o1777);
    assert_eq!(rootfs.entry("l").link, "nowhere");
}

#[test]
fn odd_names_and_big_files_survive() {
    let long = "n".repeat(200);
    let rootfs = rootfs(&format!(
        "FROM busybox\nRUN mkdir -p /{long}/{long} && echo deep > /{long}/{long}/é && touch \"$(printf 'back\\134slash')\" && head -c 5000000 /dev/zero > /big && truncate -s 100M /sparse\n"
    ));
    assert_eq!(rootfs.text(&format!("{long}/{long}/é")), "deep");
    assert!(rootfs.has("back\\slash"), "{:?}", rootfs.beneath(""));
    assert_eq!(rootfs.data("big").len(), 5_000_000);
    assert_eq!(rootfs.data("sparse").len(), 100 << 20);
}

#[test]
fn capabilities_seccomp_and_masked_paths_are_dockers() {
    let rootfs = rootfs(
        "FROM busybox\nRUN grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status > /status\n\
         RUN (echo 1 > /proc/sys/vm/drop_caches) 2> /denied; head -c 1 /proc/kcore 2> /dev/null | wc -c > /kcore; ls /proc/acpi /sys/firmware > /masked 2>&1; unshare -m true 2>> /denied || echo refused > /unshare\n",
    );
    let status = rootfs.lines("status");
    assert!(status.contains(&"CapEff:\t00000000a80425fb"), "{status:?}");
    assert!(status.contains(&"CapBnd:\t00000000a80425fb"), "{status:?}");
    assert!(status.contains(&"Seccomp:\t2"), "{status:?}");
    assert!(rootfs.text("denied").contains("Read-only file system"));
    assert_eq!(rootfs.text("kcore"), "0");
    assert_eq!(rootfs.text("unshare"), "refused");
}

#[test]
fn the_usual_devices_are_there() {
    let rootfs = rootfs(
        "FROM busybox\nRUN ls /dev > /dev-list && test -d /dev/shm && test -c /dev/null && echo x > /dev/shm/x && ls /proc/self/fd > /fds\n",
    );
    let devices = rootfs.lines("dev-list");
    for device in [
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
        "stdout", "tty", "urandom", "zero",
    ] {
        assert!(
            devices.contains(&device),
            "{device} is missing: {devices:?}"
        );
    }
    // 0, 1, 2 and the directory itself: nothing of the builder leaks in.
    assert_eq!(rootfs.lines("fds"), ["0", "1", "2", "3"]);
}

#[test]
fn network_none_has_loopback_alone() {
    let rootfs = rootfs("FROM busybox\nRUN --network=none ls /sys/class/net > /net\n");
    assert_eq!(rootfs.text("net"), "lo");
}

#[test]
fn network_host_has_the_hosts_interfaces() {
    let mut host: Vec<_> = std::fs::read_dir("/sys/class/net")
        .expect("sysfs is mounted")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    host.sort();
    let context = Context::dockerfile(
        "FROM busybox\nRUN --network=host tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort > /net\n",
    );
    let lab = Lab::shared();
    lab.build(&context)
        .fails()
        .says(&["network.host", "--allow"]);
    let rootfs = lab
        .build(&context)
        .args(["--allow", "network.host"])
        .rootfs();
    assert_eq!(rootfs.lines("net"), host);
    // Whoever gives that network to all steps has granted it.
    lab.build(&context).args(["--network", "host"]).ok();
}

#[test]
fn names_are_resolved_by_whom_the_host_asks() {
    let servers = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("nameserver"));
        lines.map(str::to_owned).collect()
    };
    let host = servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let context = Context::dockerfile("FROM busybox\nRUN cat /etc/resolv.conf > /resolv\n");
    let step = |network: &str| {
        let build = Lab::shared()
            .build(&context)
            .args(["--network", network])
            .rootfs();
        servers(build.text("resolv"))
    };
    // In a network of its own, a step does not reach servers of the host's loopback device.
    assert!(!step("default").is_empty());
    if !host.is_empty() {
        assert_eq!(step("host"), host);
    }
}

#[test]
fn the_default_network_is_a_private_one_that_is_up_before_the_step() {
    if !std::fs::read_to_string("/proc/net/route").is_ok_and(|routes| {
        routes
            .lines()
            .any(|line| line.split('\t').nth(1) == Some("00000000"))
    }) {
        return stromatekt_tests::requirement::skipped(
            "this machine has no default route to share",
        );
    }
    let rootfs =
        rootfs("FROM busybox\nRUN ip route > /route && ip -o addr show scope global > /addr\n");
    assert!(
        rootfs.text("route").contains("default"),
        "{}",
        rootfs.text("route")
    );
    assert!(
        rootfs.text("addr").contains("inet"),
        "{}",
        rootfs.text("addr")
    );
}

#[test]
fn network_of_the_command_line_is_the_default_of_all_steps() {
    let context =
        Context::dockerfile("FROM busybox\nRUN ls /sys/class/net > /net # none by option\n");
    let rootfs = Lab::shared()
        .build(&context)
        .args(["--network", "none"])
        .rootfs();
    assert_eq!(rootfs.text("net"), "lo");
}

#[test]
fn add_host_is_in_etc_hosts() {
    let context = Context::dockerfile("FROM busybox\nRUN cat /etc/hosts > /hosts\n");
    let image = Lab::shared()
        .build(&context)
        .args([
            "--add-host",
            "build.example:10.1.2.3",
            "--add-host",
            "six.example=[::1]",
        ])
        .image();
    let rootfs = image.rootfs();
    let hosts: Vec<Vec<&str>> = rootfs
        .lines("hosts")
        .into_iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert!(
        hosts.contains(&vec!["10.1.2.3", "build.example"]),
        "{hosts:?}"
    );
    assert!(hosts.contains(&vec!["::1", "six.example"]), "{hosts:?}");
    assert!(
        hosts
            .iter()
            .any(|line| line[0] == "127.0.0.1" && line.contains(&"localhost")),
        "{hosts:?}"
    );
    assert_eq!(image.top().paths_of_the_step(), ["hosts"]);
}

#[test]
fn security_sandbox_is_what_there_is_anyway() {
    assert_eq!(
        rootfs("FROM busybox\nRUN --security=sandbox echo in > /x\n").text("x"),
        "in"
    );
}

#[test]
fn a_failing_step_shows_its_exit_code_and_its_last_words() {
    let context = Context::dockerfile(
        "FROM busybox\nRUN echo begun && \\\n  echo broken pipe dream >&2 && exit 42\nRUN never\n",
    );
    let outcome = Lab::shared()
        .build(&context)
        .fails()
        .says(&["exit code: 42", "broken pipe dream"])
        .points_at("Dockerfile:2", "RUN echo begun && \\");
    assert_eq!(outcome.code, Some(1));
    assert!(
        !outcome.stderr.contains("RUN never\n#"),
        "what stands below does not run:\n{outcome}"
    );
}

#[test]
fn a_command_that_is_not_there_is_named() {
    Lab::shared()
        .build(&Context::dockerfile(
            "FROM busybox\nRUN [\"/no/such/program\"]\n",
        ))
        .fails()
        .says(&["/no/such/program"])
        .points_at("Dockerfile:2", "RUN [\"/no/such/program\"]");
}

#[test]
fn processes_left_in_the_background_do_not_hold_the_build() {
    let context = Context::dockerfile("FROM busybox\nRUN sleep 1000 & echo started > /x\n");
    let (image, outcome) = Lab::shared().build(&context).image_and_outcome();
    assert_eq!(image.rootfs().text("x"), "started");
    assert!(outcome.elapsed.as_secs() < 60, "{outcome}");
}
