//! Steps that are WASI modules: their layers beside those of containers, how they fail, and that they are stopped.

use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use stromatekt_tests::build::Build;
use stromatekt_tests::{Context, Lab};

/// Where the example is.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/pipelines/wasi");

/// `(module (func (export "_start") (loop (br 0))))`
const ENDLESS: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\
    \x07\x0a\x01\x06_start\0\0\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

fn build<'lab>(lab: &'lab Lab, context: &Context) -> Build<'lab> {
    let file = context.path().join("pipeline.yaml");
    lab.build(context)
        .args([OsStr::new("-f"), file.as_os_str()])
}

/// A pipeline of a task with a module, which fails before its image is made, and of another task.
fn pipeline(module: &str, other: &str) -> Context {
    let context = Context::new(&[]);
    let text = format!(
        "bases: {{busybox: busybox}}\n\
         tasks:\n  \
           module: {{on: busybox, executor: wasi, mounts: [{{target: /modules}}], {module}}}\n  \
           other: {{on: busybox, {other}}}\n\
         images:\n  image: {{layers: [busybox, module, other]}}\n"
    );
    context
        .write("pipeline.yaml", text)
        .write("endless.wasm", ENDLESS)
        .write("stamp.wasm", example("stamp.wasm"));
    context
}

fn example(name: &str) -> Vec<u8> {
    fs::read(format!("{EXAMPLE}/{name}")).expect("the example")
}

#[test]
fn one_image_has_layers_of_containers_and_of_modules() {
    let lab = Lab::shared();
    let context = Context::new(&[]);
    for name in ["pipeline.yaml", "stamp.wasm"] {
        context.write(name, example(name));
    }
    let (image, outcome) = build(&lab, &context).image_and_outcome();
    let rootfs = image.rootfs();
    assert_eq!(rootfs.text("container"), "made by a container");
    assert_eq!(rootfs.text("module"), "made by a WebAssembly module");
    let made = rootfs.entry("module");
    assert_eq!((made.owner, made.mode & 0o7777), ((0, 0), 0o644));
    assert_eq!(
        image.top().paths(),
        ["module"],
        "nothing is left of the mount"
    );
    outcome.says(&["made by a WebAssembly module"]);
    build(&lab, &context).ok().says(&["CACHED"]);
}

#[test]
fn a_module_that_fails_is_told_with_its_exit_code() {
    let lab = Lab::shared();
    for (run, told) in [
        ("[/modules/stamp.wasm, /no/directory]", "exit code: 44"),
        ("[/modules/stamp.wasm]", "exit code: 64"),
        (
            "[/modules/missing.wasm]",
            "there is no WASI module `/modules/missing.wasm`",
        ),
        ("[/bin/busybox, sh]", "`/bin/busybox` is no WASI module"),
    ] {
        let context = pipeline(&format!("run: {{args: {run}}}"), "run: 'true'");
        build(&lab, &context).fails().says(&[told]);
    }
    let context = pipeline(
        "hostname: here, run: {args: [/modules/stamp.wasm, /module]}",
        "run: 'true'",
    );
    build(&lab, &context)
        .fails()
        .says(&["a WASI module cannot have a host name", "executor `runc`"]);
}

#[test]
fn a_module_is_stopped_when_another_step_fails_and_when_the_build_is() {
    let lab = Lab::with_busybox();
    let endless = "run: {args: [/modules/endless.wasm]}";
    let failing = build(&lab, &pipeline(endless, "run: sleep 1; exit 3")).fails();
    assert!(failing.elapsed < Duration::from_secs(60), "{failing}");
    failing.says(&["exit code: 3"]);
    let context = pipeline(endless, "run: exec sleep 76201");
    let running = build(&lab, &context).start();
    crate::interruptions::wait_for("sleep 76201");
    running.signal(Signal::SIGINT);
    let outcome = running.wait();
    assert!(outcome.code.is_some_and(|code| code != 0), "{outcome}");
    assert!(outcome.elapsed < Duration::from_secs(60), "{outcome}");
}
