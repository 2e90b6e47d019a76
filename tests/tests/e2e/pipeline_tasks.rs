//! What tasks of pipelines are made of: stages of Dockerfiles, what is around a command, single layers, platforms, sources.

use std::path::Path;

use stromatekt_tests::build::Build;
use stromatekt_tests::image::Image;
use stromatekt_tests::{Context, Lab};

/// The build of a pipeline that begins with the base busybox.
fn build<'lab>(lab: &'lab Lab, context: &Context, text: &str) -> Build<'lab> {
    let text = format!("bases: {{busybox: busybox}}\n{text}");
    context.write("pipeline.yaml", text);
    let file = context.path().join("pipeline.yaml");
    lab.build_of(context.path())
        .args([Path::new("-f"), file.as_path()])
}

#[test]
fn tasks_build_on_stages_of_dockerfiles() {
    let lab = Lab::with_busybox();
    let dockerfile = "FROM busybox AS made\nARG VERSION=0\nENV STAGE=made\nWORKDIR /src\nCOPY . .\nRUN ls > list; echo $VERSION > version\n\
                      FROM busybox\nCOPY --from=made /src/version /\nCMD [\"cat\", \"/version\"]\n";
    let context = Context::new(&[("build/Dockerfile", dockerfile), ("src/a", "a")]);
    let text = "sources: {src: ./src}\n\
        tasks:\n  \
          generated: {on: scratch, copy: {from: src, to: /}, files: {/b: b}}\n  \
          made: {dockerfile: './build/Dockerfile#made', args: {VERSION: 3}, context: generated}\n  \
          last: {dockerfile: ./build/Dockerfile, args: {VERSION: 3}, context: src}\n  \
          more: {on: made, run: 'echo $STAGE $PWD > more'}\n\
        images:\n  \
          more: {layers: more}\n  \
          last: {layers: last}\n";
    let image = build(&lab, &context, text)
        .args(["--target", "more"])
        .image();
    let rootfs = image.rootfs();
    assert_eq!(rootfs.lines("src/list"), ["a", "b", "list"]);
    assert_eq!(rootfs.text("src/version"), "3");
    assert_eq!(rootfs.text("src/more"), "made /src");
    assert_eq!(image.env("STAGE").as_deref(), Some("made"));
    // The last stage is the image that the Dockerfile makes.
    let out = tempfile::tempdir().expect("there is room for a directory");
    let place = |name: &str| out.path().join(name);
    let output = |name: &str| format!("type=oci,dest={}", place(name).display());
    build(&lab, &context, text)
        .args(["--target", "last"])
        .output(output("pipeline"))
        .ok();
    lab.build_of(context.path().join("src"))
        .args([Path::new("-f"), &context.path().join("build/Dockerfile")])
        .build_arg("VERSION=3")
        .output(output("dockerfile"))
        .ok();
    lab.stromatekt(["image", "diff"])
        .args([place("pipeline"), place("dockerfile")])
        .run()
        .ok();
    // A mistake in a Dockerfile is shown there.
    context.write("build/Dockerfile", "FROM busybox\nRUN true\nRUN exit 5\n");
    build(
        &lab,
        &context,
        "tasks: {t: {dockerfile: build/Dockerfile}}\nimages: {i: {layers: t}}\n",
    )
    .fails()
    .points_at("build/Dockerfile:3", "exit 5");
}

#[test]
fn commands_run_in_what_is_said_around_them() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[("secret", "key")]);
    let text = "tasks:\n  \
          tool: {on: scratch, files: {/tool: {content: \"#!/bin/sh\\necho tool\\n\", mode: 755}}}\n  \
          t:\n    \
            on: busybox\n    \
            env: {OUTER: outer, BOTH: outer}\n    \
            workdir: /out\n    \
            mounts: [{target: /tools, from: tool}]\n    \
            network: none\n    \
            steps:\n      \
              - directories: {path: ., owner: '33:44', time: 86400}\n      \
              - run: [/tools/tool > tool, {args: [sh, -c, 'echo $0 > args', zero]}]\n        \
                mounts: [{type: file, target: conf, content: inline}, {type: tmpfs, target: /t}, {type: secret, id: s, env: S}]\n        \
                env: {BOTH: inner}\n      \
              - run: |\n          \
                  echo $OUTER $BOTH > env\n          \
                  hostname > host; grep mirror /etc/hosts > hosts\n          \
                  ulimit -n > limit; id -u > /tmp/id; pwd > /tmp/pwd\n        \
                workdir: ../work\n        \
                hostname: builder\n        \
                hosts: {mirror: [10.0.0.1, '::1']}\n        \
                ulimits: {nofile: '100:200'}\n\
        images: {i: {layers: t}}\n";
    let secret = format!("id=s,src={}", context.path().join("secret").display());
    let image = build(&lab, &context, text)
        .args(["--secret", &secret])
        .image();
    let rootfs = image.rootfs();
    for (path, content) in [
        ("out/tool", "tool"),
        ("out/args", "zero"),
        ("work/env", "outer outer"),
        ("work/host", "builder"),
        ("work/limit", "100"),
        ("tmp/id", "0"),
        ("tmp/pwd", "/work"),
    ] {
        assert_eq!(rootfs.text(path), content, "{path}");
    }
    assert_eq!(rootfs.lines("work/hosts").len(), 2);
    assert_eq!(image.layers.len(), 2);
    assert!(!rootfs.has("tools/tool") && !rootfs.has("t/x"));
    assert_eq!(image.env("OUTER"), None, "it was the task's alone");
}

#[test]
fn single_layers_are_chosen_and_expected() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[]);
    let tasks = |expected: &str| {
        format!(
            "tasks:\n  \
               t: {{on: busybox, layers: per-step, steps: [{{files: {{/1: one}}}}, {{files: {{/2: two}}}}, {{files: {{/3: three}}}}]}}\n  \
               u: {{on: ['busybox', 't.layers[1..2]'], files: {{/4: four}}, expect: {{layer: '{expected}'}}}}\n\
             images:\n  i: {{layers: u}}\n  j: {{layers: [scratch, 't.layers[0]', u]}}\n"
        )
    };
    let unknown = format!("sha256:{}", "0".repeat(64));
    let told = build(&lab, &context, &tasks(&unknown))
        .fails()
        .says(&[&unknown])
        .points_at("pipeline.yaml:4", "expect");
    let found = told
        .stderr
        .split("has the digest ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .expect("the digest is told");
    let out = tempfile::tempdir().expect("there is room for a directory");
    let output = format!("type=oci,tar=false,dest={}/{{image}}", out.path().display());
    build(&lab, &context, &tasks(found)).output(output).ok();
    let image = Image::read(&out.path().join("i"));
    let rootfs = image.rootfs();
    assert!(!rootfs.has("1") && rootfs.has("2") && rootfs.has("3") && rootfs.has("4"));
    assert_eq!(image.layers.len(), 4);
    let image = Image::read(&out.path().join("j"));
    assert_eq!(image.rootfs().beneath(""), ["1", "4"]);
}

#[test]
fn a_pipeline_is_built_for_each_of_its_platforms() {
    let lab = Lab::with_busybox();
    let context = Context::new(&[]);
    let text = "tasks:\n  \
          t: {on: scratch, files: {/for: '${target.platform} on ${host.os}'}}\n\
        images:\n  i: {layers: t, platforms: [linux/amd64, linux/arm64]}\n  \
          one: {layers: t, platforms: linux/arm64, tags: 'app:${target.arch}'}\n";
    let out = tempfile::tempdir().expect("there is room for a directory");
    build(&lab, &context, text)
        .args(["--target", "i"])
        .output(format!("type=oci,tar=false,dest={}", out.path().display()))
        .ok();
    let (_, images) = Image::read_index(out.path());
    let texts = images
        .iter()
        .map(|(_, image)| image.rootfs().text("for").to_owned());
    let texts: Vec<String> = texts.collect();
    assert_eq!(texts, ["linux/amd64 on linux", "linux/arm64 on linux"]);
    build(&lab, &context, text).args(["--target", "one"]).ok();
    let stored = lab.images();
    assert!(
        stored.contains("arm64") && !stored.contains("amd64"),
        "{stored}"
    );
}
