//! Pipelines: the examples, and what only they can do: stacks, swapped bases, conflicts, expectations, several images, manifests of steps.

use std::path::{Path, PathBuf};
use std::process::Command;

use stromatekt_tests::build::Build;
use stromatekt_tests::image::Image;
use stromatekt_tests::lab::base;
use stromatekt_tests::{Context, Lab};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// The busybox base, and the Debian one with Python under the names that examples use.
fn lab() -> Lab {
    let lab = Lab::with_busybox();
    for name in ["debian", "python:3-slim"] {
        let file = base(match name {
            "debian" => "debian",
            _ => "debian-servers",
        });
        let loaded = lab.stromatekt(["image", "load"]).arg(file);
        loaded.args(["--name", name]).run().ok();
    }
    lab
}

fn example(name: &str) -> PathBuf {
    Path::new(EXAMPLES).join("pipelines").join(name)
}

/// A build of the pipeline in a directory.
fn build<'lab>(lab: &'lab Lab, directory: &Path) -> Build<'lab> {
    let file = directory.join("pipeline.yaml");
    lab.build_of(directory)
        .args([Path::new("-f"), file.as_path()])
}

/// A pipeline of its own, with the base busybox.
fn pipeline(text: &str) -> Context {
    let context = Context::new(&[]);
    context.write(
        "pipeline.yaml",
        format!("bases: {{busybox: busybox}}\n{text}"),
    );
    context
}

/// All images of a pipeline, by name.
fn images(lab: &Lab, directory: &Path, names: &[&str]) -> Vec<Image> {
    let out = tempfile::tempdir().expect("there is room for a directory");
    let output = format!("type=oci,tar=false,dest={}/{{image}}", out.path().display());
    build(lab, directory).output(output).run().ok();
    let image = |name: &&str| Image::read(&out.path().join(name));
    names.iter().map(image).collect()
}

#[test]
fn a_dockerfile_and_its_twins_are_one_image() {
    let lab = lab();
    let twin = example("twin");
    let out = tempfile::tempdir().expect("there is room for a directory");
    let built = |file: &Path, name: &str| {
        let path = out.path().join(format!("{name}.tar"));
        let output = format!("type=oci,dest={}", path.display());
        let build = lab.build_of(&twin).args([Path::new("-f"), file]);
        build.output(output).run().ok();
        path
    };
    let dockerfile = built(&twin.join("Dockerfile"), "dockerfile");
    let yaml = built(&twin.join("pipeline.yaml"), "pipeline");
    let differ = |other: &Path| {
        let compared = lab.stromatekt(["image", "diff"]);
        compared.args([&dockerfile, other]).run()
    };
    differ(&yaml).ok();
    for format in ["yaml", "json"] {
        let converted = out.path().join(format!("converted.{format}"));
        let convert = lab.stromatekt(["convert", "--to", format, "-o"]);
        convert
            .arg(&converted)
            .arg(twin.join("Dockerfile"))
            .run()
            .ok();
        differ(&built(&converted, format)).ok();
    }
}

#[test]
fn what_tasks_changed_is_recombined_without_running_again() {
    let lab = lab();
    let names = ["both", "other", "later", "single", "checked"];
    let recombined = images(&lab, &example("recombination"), &names);
    let [both, other, later, single, checked] = recombined.as_slice() else {
        panic!("five images");
    };
    for image in [both, other, checked] {
        assert_eq!(image.rootfs().text("opt/one/file"), "one");
        assert_eq!(image.rootfs().text("opt/two/file"), "two");
    }
    assert_eq!(later.rootfs().text("opt/two/file"), "three");
    assert_eq!(checked.rootfs().lines("both"), ["one", "two"]);
    assert!(other.rootfs().has("etc/debian_version"));
    assert!(!both.rootfs().has("etc/debian_version"));
    assert_eq!(single.layers.len(), 2);
    // The same layers, byte for byte, on both bases.
    let top = |image: &Image| {
        let digests = image.layers.iter().rev().take(2);
        digests
            .map(|layer| layer.digest.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(top(both), top(other));
    let again = build(&lab, &example("recombination"))
        .output("type=cacheonly")
        .run()
        .ok();
    again.cached(&["[one 1/1]", "[two 1/1]", "[three 1/1]", "[check 1/1]"]);
}

#[test]
fn tasks_that_change_one_path_differently_are_told_unless_their_order_is_said() {
    let lab = Lab::shared();
    let text = |more: &str, two: &str| {
        pipeline(&format!(
            "tasks:\n  one: {{on: busybox, run: 'mkdir /d && echo one > /d/file'}}\n  two: {{on: busybox, run: {two:?}}}\n\
             images:\n  image: {{layers: [busybox, one, two]{more}}}\n"
        ))
    };
    let other = "mkdir /d && echo other > /d/file";
    let context = text("", other);
    build(&lab, context.path())
        .fails()
        .says(&["one and two leave different things at /d/file", "order"])
        .points_at("pipeline.yaml:6", "image: {layers: [busybox, one, two]}");
    let context = text(", ordered: true", other);
    let image = build(&lab, context.path()).image();
    assert_eq!(image.rootfs().text("d/file"), "other");
    // What both made alike is no conflict; nor is a directory of both.
    let context = text("", "mkdir /d && echo one > /d/file && echo more > /d/more");
    let image = build(&lab, context.path()).image();
    assert_eq!(image.rootfs().text("d/more"), "more");
    // One removes what the other changed.
    let context = text("", "mkdir /d && rm /bin/sh; chmod 700 /d");
    build(&lab, context.path()).fails().says(&["/d"]);
}

#[test]
fn what_a_task_removed_is_gone_from_another_base_too() {
    let lab = Lab::with_busybox();
    let context = pipeline(
        "tasks:\n  \
           base: {on: busybox, run: 'mkdir /etc/parts && echo a > /etc/parts/a && echo b > /etc/parts/b'}\n  \
           fixed: {on: base, run: 'echo fixed > /etc/parts/b'}\n  \
           less: {on: base, run: 'rm /etc/parts/a && ln -s b /etc/parts/c && chmod 700 /etc/parts'}\n\
         images:\n  image: {layers: [fixed, less]}\n",
    );
    let image = build(&lab, context.path()).image();
    let rootfs = image.rootfs();
    assert!(!rootfs.has("etc/parts/a"));
    assert!(rootfs.has("etc/parts/c"));
    assert_eq!(rootfs.text("etc/parts/b"), "fixed");
    assert_eq!(rootfs.entry("etc/parts").mode & 0o777, 0o700);
    // The tree that steps see is what the layers say.
    let seen = pipeline(
        "tasks:\n  \
           base: {on: busybox, run: 'mkdir /etc/parts && echo a > /etc/parts/a && echo b > /etc/parts/b'}\n  \
           fixed: {on: base, run: 'echo fixed > /etc/parts/b'}\n  \
           less: {on: base, run: 'rm /etc/parts/a && ln -s b /etc/parts/c && chmod 700 /etc/parts'}\n  \
           look: {on: [fixed, less], run: 'ls -ld /etc/parts > /seen; ls /etc/parts >> /seen; cat /etc/parts/c >> /seen'}\n\
         images:\n  image: {layers: look}\n",
    );
    let image = build(&lab, seen.path()).image();
    let rootfs = image.rootfs();
    let lines = rootfs.lines("seen");
    assert!(lines[0].starts_with("drwx------"), "{lines:?}");
    assert_eq!(lines[1..], ["b", "c", "fixed"]);
}

#[test]
fn an_expectation_that_is_not_met_tells_both_digests_and_what_differs() {
    let lab = Lab::with_busybox();
    let text = |content: &str, expect: &str| {
        pipeline(&format!(
            "tasks:\n  one: {{on: busybox, run: 'echo {content} > /file', expect: {expect}}}\nimages:\n  image: {{layers: one}}\n"
        ))
    };
    let unknown = format!("sha256:{}", "0".repeat(64));
    let context = text("one", &format!("{{files: {{/file: '{unknown}'}}}}"));
    let digest = "sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806";
    build(&lab, context.path())
        .fails()
        .says(&[&unknown, digest, "/file"]);
    let right = format!("{{files: {{/file: '{digest}'}}}}");
    build(&lab, text("one", &right).path()).ok();
    build(&lab, text("two", &right).path())
        .fails()
        .says(&[digest, "line 1"]);
    // The digest of a tree, once it was right, tells in what another one differs.
    let context = text("one", &format!("'{unknown}'"));
    let told = build(&lab, context.path()).fails();
    let found = told
        .stderr
        .split("has the digest ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .expect("the digest is told")
        .to_owned();
    build(&lab, text("one", &format!("'{found}'")).path()).ok();
    build(&lab, text("two", &format!("'{found}'")).path())
        .fails()
        .says(&[&found, "/file differs"]);
}

#[test]
fn each_image_of_a_pipeline_has_its_name_and_its_place() {
    let lab = Lab::with_busybox();
    let greetings = images(&lab, &example("matrix"), &["greet[en]", "greet[de]"]);
    assert_eq!(greetings[0].rootfs().text("greetings/en"), "hello");
    assert_eq!(greetings[1].rootfs().text("greetings/de"), "hallo");
    build(&lab, &example("matrix")).ok();
    let stored = lab.images();
    assert!(stored.contains("examples/greet"), "{stored}");
    build(&lab, &example("matrix"))
        .args(["-t", "one-name"])
        .fails()
        .says(&["2 images", "--target"]);
    let one = build(&lab, &example("matrix")).args(["-t", "one-name", "--target", "greet[de]"]);
    one.ok();
    build(&lab, &example("matrix"))
        .output("type=oci,dest=/dev/null")
        .fails()
        .says(&["/dev/null", "two images"]);
}

#[test]
fn libraries_and_tools_of_other_images_work() {
    let lab = lab();
    let library = build(&lab, &example("library")).image();
    assert!(
        library
            .rootfs()
            .entries()
            .keys()
            .any(|path| path.ends_with("/greet"))
    );
    let page = build(&lab, &example("tools")).image();
    assert_eq!(
        page.rootfs().text("page/index.html"),
        "<h1>hello, world</h1>"
    );
    assert!(!page.rootfs().has("bin/busybox"), "the tools are not in it");
}

#[test]
fn a_mistake_is_shown_where_it_is_with_the_nearest_word() {
    let lab = Lab::shared();
    let context =
        pipeline("tasks:\n  app: {on: busybx, run: x}\nimages:\n  image: {layers: app}\n");
    build(&lab, context.path())
        .fails()
        .says(&["busybx", "did you mean `busybox`?"])
        .points_at("pipeline.yaml:3", "busybx");
    let context = pipeline("import: other.yaml\nimages:\n  image: {layers: other.app}\n");
    context.write(
        "other.yaml",
        "tasks:\n  app: {on: scratch, fils: {/a: b}}\n",
    );
    build(&lab, context.path())
        .fails()
        .says(&["fils", "did you mean `files`?"])
        .points_at("other.yaml:2", "fils");
    let context = pipeline(
        "tasks:\n  app:\n    on: busybox\n    run:\n      - 'true'\n      - exit 7\nimages:\n  image: {layers: app}\n",
    );
    build(&lab, context.path())
        .fails()
        .says(&["exit code: 7", "exit 7"])
        .points_at("pipeline.yaml:7", "exit 7");
    let context = pipeline(
        "tasks:\n  app:\n    on: busybox\n    copy:\n      - {files: pipeline.yaml, to: /a}\n      - {files: missing, to: /b}\nimages:\n  image: {layers: app}\n",
    );
    build(&lab, context.path())
        .fails()
        .says(&["COPY missing /b"])
        .points_at("pipeline.yaml:7", "missing");
}

/// The repository with the example program built, as far as JSON examples read it.
fn repository() -> Context {
    let target = tempfile::tempdir().expect("there is room for a directory");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet"])
        .env("CARGO_TARGET_DIR", target.path())
        .env_remove("RUSTFLAGS")
        .current_dir(format!("{EXAMPLES}/prime"))
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "the example program builds"
    );
    let release = walk(target.path());
    let context = Context::new(&[]);
    context.write(
        "examples/prime/target/release/prime",
        std::fs::read(release).expect("the program"),
    );
    context.chmod("examples/prime/target/release/prime", 0o755);
    for name in [
        "parallel-dependency.json",
        "written-manifest.json",
        "written-manifest.py",
        "minimal.json",
    ] {
        let text = std::fs::read(format!("{EXAMPLES}/{name}")).expect("the example");
        context.write(&format!("examples/{name}"), text);
    }
    context
}

/// Where cargo put the program: below a directory of the target where one is configured.
fn walk(target: &Path) -> PathBuf {
    let direct = target.join("release/prime");
    if direct.exists() {
        return direct;
    }
    let mut below = std::fs::read_dir(target).expect("the target directory");
    below
        .find_map(|entry| {
            let path = entry.ok()?.path().join("release/prime");
            path.exists().then_some(path)
        })
        .expect("the program")
}

#[test]
fn the_json_examples_are_planned_and_built() {
    let lab = lab();
    let repository = repository();
    let run = |args: &[&str]| {
        let command = lab.stromatekt(args).current_dir(repository.path());
        command.run()
    };
    let planned = run(&["./examples/parallel-dependency.json"]).ok();
    assert!(planned.text().contains("no earlier result"), "{planned}");
    run(&[
        "./examples/parallel-dependency.json",
        "--no-dry-run",
        "-o",
        "type=oci,tar=false,dest=out/parallel",
        ".",
    ])
    .ok();
    let image = Image::read(&repository.path().join("out/parallel"));
    let rootfs = image.rootfs();
    assert_eq!(rootfs.lines("data/primes")[..4], ["2", "3", "5", "7"]);
    assert!(rootfs.has("data/many-primes") && rootfs.has("data/twins"));
    let planned = run(&["./examples/parallel-dependency.json", "."]).ok();
    assert!(planned.text().contains("1 to run"), "{planned}");
    run(&[
        "./examples/minimal.json",
        "--no-dry-run",
        "-o",
        "type=oci,tar=false,dest=out/minimal",
    ])
    .ok();
    let minimal = Image::read(&repository.path().join("out/minimal"));
    assert_eq!(minimal.rootfs().beneath("bin"), ["prime"]);
}

#[test]
fn a_step_writes_the_manifest_of_an_image() {
    let lab = lab();
    let repository = repository();
    let output = "type=oci,tar=false,dest=out";
    let build = |output: &str| {
        lab.stromatekt([
            "examples/written-manifest.json",
            "--no-dry-run",
            "-t",
            "written:1",
            "-o",
            output,
        ])
        .current_dir(repository.path())
        .run()
    };
    build(output).ok();
    let (index, images) = Image::read_index(&repository.path().join("out"));
    assert_eq!(images.len(), 1);
    let image = &images[0].1;
    assert_eq!(image.rootfs().lines("primes")[..3], ["2", "3", "5"]);
    assert_eq!(
        index["annotations"]["org.opencontainers.image.description"],
        "A manifest that a step wrote"
    );
    build("type=image").ok();
    assert!(lab.images().contains("written"));
    build("type=local,dest=tree")
        .failed()
        .says(&["no tree of files"]);
    // A layer that was not imported may not be named.
    let script = std::fs::read_to_string(repository.path().join("examples/written-manifest.py"));
    let script = script.expect("the script");
    let wrong = script.replace(
        "for layer in layers],\n    \"annotations\"",
        "for layer in layers[:-1]] + [{**{key: layers[0][key] for key in (\"mediaType\", \"size\")}, \"digest\": \"sha256:\" + \"0\" * 64}],\n    \"annotations\"",
    );
    assert_ne!(script, wrong);
    repository.write("examples/written-manifest.py", wrong);
    build(output)
        .failed()
        .says(&["was not imported before", &"0".repeat(64)]);
}
