//! Instructions that change the image's config.

use serde_json::json;
use stromatekt_tests::{Context, Lab};

#[test]
fn every_instruction_of_the_config_is_in_the_config() {
    let context = Context::dockerfile(
        r#"FROM busybox
MAINTAINER someone@example.org
ENV A=1 B="two words" C=three\ words
ENV OLD the old style
LABEL org.example.a=1 "with space"="x y"
EXPOSE 80 53/udp 8000-8001/tcp
VOLUME /data /more
VOLUME ["/in json"]
STOPSIGNAL SIGINT
USER worker:video
WORKDIR /srv
WORKDIR sub
SHELL ["/bin/ash", "-c"]
CMD echo hi
ENTRYPOINT ["/bin/echo", "x"]
HEALTHCHECK --interval=5s --timeout=1m30s --start-period=1s --start-interval=2s --retries=2 CMD true
"#,
    );
    let image = Lab::shared().build(&context).image();
    let config = image.runtime();
    assert_eq!(image.config["author"], "someone@example.org");
    assert_eq!(image.config["os"], "linux");
    assert_eq!(image.env("A").as_deref(), Some("1"));
    assert_eq!(image.env("B").as_deref(), Some("two words"));
    assert_eq!(image.env("C").as_deref(), Some("three words"));
    assert_eq!(image.env("OLD").as_deref(), Some("the old style"));
    assert_eq!(
        config["Labels"],
        json!({"org.example.a": "1", "with space": "x y"})
    );
    assert_eq!(
        config["ExposedPorts"],
        json!({"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}})
    );
    assert_eq!(
        config["Volumes"],
        json!({"/data": {}, "/more": {}, "/in json": {}})
    );
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(config["User"], "worker:video");
    assert_eq!(config["WorkingDir"], "/srv/sub");
    assert_eq!(config["Shell"], json!(["/bin/ash", "-c"]));
    assert_eq!(config["Cmd"], json!(["/bin/ash", "-c", "echo hi"]));
    assert_eq!(config["Entrypoint"], json!(["/bin/echo", "x"]));
    let second = 1_000_000_000_u64;
    let health = &config["Healthcheck"];
    assert_eq!(health["Test"], json!(["CMD-SHELL", "true"]));
    assert_eq!(health["Interval"], 5 * second);
    assert_eq!(health["Timeout"], 90 * second);
    assert_eq!(health["StartPeriod"], second);
    assert_eq!(health["StartInterval"], 2 * second);
    assert_eq!(health["Retries"], 2);
}

#[test]
fn a_stage_from_scratch_has_the_default_path_and_no_files() {
    let context = Context::dockerfile("FROM scratch\nLABEL empty=yes\n");
    let image = Lab::shared().build(&context).image();
    assert_eq!(
        image.env("PATH").as_deref(),
        Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    );
    assert_eq!(image.layers.len(), 0);
}

#[test]
fn healthcheck_none_takes_the_base_check_away() {
    let context = Context::dockerfile(
        "FROM busybox AS base\nHEALTHCHECK CMD true\nFROM base\nHEALTHCHECK NONE\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.runtime()["Healthcheck"]["Test"], json!(["NONE"]));
}

#[test]
fn an_entrypoint_drops_the_cmd_of_the_base_but_not_its_own() {
    let context = Context::dockerfile(
        "FROM busybox AS base\nCMD [\"base\"]\nFROM base\nENTRYPOINT [\"e\"]\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.runtime()["Cmd"], json!(null));

    let context = Context::dockerfile(
        "FROM busybox AS base\nCMD [\"base\"]\nFROM base\nCMD [\"own\"]\nENTRYPOINT [\"e\"]\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.runtime()["Cmd"], json!(["own"]));
}

#[test]
fn the_last_of_several_cmds_counts() {
    let context = Context::dockerfile("FROM busybox\nCMD one\nCMD [\"two\"]\n");
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.runtime()["Cmd"], json!(["two"]));
}

#[test]
fn env_expands_from_the_values_before_the_instruction() {
    let context =
        Context::dockerfile("FROM busybox\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n");
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.env("abc").as_deref(), Some("bye"));
    assert_eq!(image.env("def").as_deref(), Some("hello"));
    assert_eq!(image.env("ghi").as_deref(), Some("bye"));
}

#[test]
fn env_of_the_base_is_kept_in_its_order() {
    let context =
        Context::dockerfile("FROM scratch AS base\nENV X=1 Y=2\nFROM base\nENV X=3 Z=4\n");
    let image = Lab::shared().build(&context).image();
    assert_eq!(
        image.runtime()["Env"],
        json!([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "X=3",
            "Y=2",
            "Z=4"
        ])
    );
}

#[test]
fn workdir_makes_the_directory_for_the_user() {
    let context =
        Context::dockerfile("FROM busybox\nUSER worker\nWORKDIR /w/deep\nRUN pwd > /tmp/pwd\n");
    let rootfs = Lab::shared().build(&context).rootfs();
    assert_eq!(rootfs.entry("w/deep").owner, (1000, 1000));
    assert_eq!(rootfs.entry("w/deep").mode, 0o755);
    assert_eq!(rootfs.text("tmp/pwd"), "/w/deep");
}

#[test]
fn workdir_expands_variables_and_is_relative_to_the_one_before() {
    let context = Context::dockerfile(
        "FROM busybox\nENV DIR=/a\nWORKDIR $DIR\nWORKDIR b/../c\nWORKDIR \"d e\"\n",
    );
    let image = Lab::shared().build(&context).image();
    assert_eq!(image.runtime()["WorkingDir"], "/a/c/d e");
    assert!(image.rootfs().has("a/c/d e"));
}

#[test]
fn labels_of_the_command_line_win() {
    let context = Context::dockerfile("FROM busybox\nLABEL a=file b=file\n");
    let image = Lab::shared()
        .build(&context)
        .args(["--label", "a=command", "--label", "c=new"])
        .image();
    assert_eq!(
        image.runtime()["Labels"],
        json!({"a": "command", "b": "file", "c": "new"})
    );
}

#[test]
fn onbuild_runs_when_the_image_is_a_base() {
    let lab = Lab::shared();
    let base = Context::dockerfile(
        "FROM busybox\nONBUILD ENV TRIGGERED=yes\nONBUILD COPY given /taken\nONBUILD RUN cat /taken > /seen\n",
    );
    let image = lab.build(&base).args(["-t", "onbuild-base"]).image();
    assert_eq!(
        image.runtime()["OnBuild"],
        json!([
            "ENV TRIGGERED=yes",
            "COPY given /taken",
            "RUN cat /taken > /seen"
        ])
    );
    assert!(
        !image.rootfs().has("taken"),
        "a trigger does not run where it is written"
    );
    lab.build(&base).args(["-t", "onbuild-base"]).ok();

    let context = Context::new(&[
        ("Dockerfile", "FROM onbuild-base\nRUN test -e /seen\n"),
        ("given", "a gift"),
    ]);
    let image = lab.build(&context).image();
    assert_eq!(image.rootfs().text("seen"), "a gift");
    assert_eq!(image.env("TRIGGERED").as_deref(), Some("yes"));
    assert!(
        image.runtime()["OnBuild"]
            .as_array()
            .is_none_or(Vec::is_empty),
        "triggers are spent"
    );
}

#[test]
fn the_history_tells_each_instruction() {
    let context = Context::new(&[
        (
            "Dockerfile",
            "FROM busybox\nENV A=1\nRUN echo x > /x\nCOPY f /f\nCMD [\"sh\"]\n",
        ),
        ("f", "f"),
    ]);
    let image = Lab::shared().build(&context).image();
    let history = image.config["history"].as_array().expect("a history");
    let own: Vec<_> = history
        .iter()
        .rev()
        .take(4)
        .rev()
        .map(|step| {
            (
                step["created_by"].as_str().unwrap_or_default(),
                step["empty_layer"] == true,
            )
        })
        .collect();
    assert_eq!(
        own,
        [
            ("ENV A=1", true),
            ("RUN /bin/sh -c echo x > /x # buildkit", false),
            ("COPY f /f # buildkit", false),
            ("CMD [\"sh\"]", true),
        ]
    );
}

#[test]
fn entries_without_a_layer_have_the_time_of_the_layer_before_or_of_the_first() {
    let context = Context::dockerfile("FROM busybox\nENV A=1\nRUN true\nENV B=2\nRUN true\n");
    let image = Lab::shared().build(&context).args(["--no-cache"]).image();
    let history = image.config["history"].as_array().unwrap();
    let times: Vec<_> = history
        .iter()
        .map(|entry| entry["created"].as_str())
        .collect();
    // The base tells no time, and keeps to that.
    assert_eq!(times[..2], [None, times[2]]);
    assert_eq!(times[3], times[2]);
    assert!(times[2].is_some() && times[2] < times[4], "{times:?}");
    assert_eq!(image.config["created"].as_str(), times[4]);
}
