//! Random operations on files, over several RUNs: what layers must tell of.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "operations",
    point: "Files and directories made, changed, moved, replaced and deleted over several layers.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    case.push(Instruction::new("FROM", ["busybox"]));
    if r.chance(60) {
        for path in ["a", "b/a", "b/b", "c/a/b", "c/d", "d/e/a", "e"] {
            if r.chance(60) {
                case.file(&format!("t/{path}"), &format!("{path}\n"));
            }
        }
        if !case.files.is_empty() {
            case.push(Instruction::new("COPY", ["t", "/f"]));
        }
    }
}

fn place(r: &mut Random) -> String {
    if r.chance(4) {
        return r
            .text(&[
                "/tmp/x",
                "/etc/new",
                "/var/tmp",
                "/home/worker",
                "/usr/bin/y",
                "/root",
            ])
            .to_owned();
    }
    let mut path = "/f".to_owned();
    for _ in 0..r.between(1, 3) {
        path.push('/');
        path.push_str(r.text(&["a", "b", "c", "d", "e"]));
    }
    path
}

fn operation(r: &mut Random) -> String {
    let (x, y) = (place(r), place(r));
    let n = r.below(4);
    match r.below(30) {
        0..=3 => format!("echo {n} > {x}"),
        4 | 5 => format!("mkdir -p {x}"),
        6 | 7 => format!("rm -rf {x}"),
        8 | 9 => format!("mv {x} {y}"),
        10 => format!("ln -s {} {x}", r.text(&["a", "../b", "/f/c", "missing"])),
        11 => format!(
            "chmod {} {x}",
            r.text(&["600", "755", "4711", "1777", "000", "2775"])
        ),
        12 => format!("chown -h {}:{} {x}", r.below(9), r.below(9)),
        13 => format!("touch -d @1{n}00000000 {x}"),
        // A copy into itself would go on until paths are too long.
        14 if !y.starts_with(&x) => format!("cp -a {x} {y}"),
        14 => format!("cp -a {x} {x}.c"),
        15 => format!("rm -rf {x} && mkdir -p {x} && echo {n} > {x}/a"),
        16 => format!("rm -rf {x} && echo file > {x}"),
        17 => format!("mv {x} {x}.t && mv {x}.t {x}"),
        18 => format!("echo more >> {x}"),
        19 => format!("true > {x}"),
        20 => format!("cp -p {x} {x}.t && mv {x}.t {x}"),
        // With a name of its own: who opens a pipe waits for somebody at its other end.
        21 => format!("mkfifo {x}.p"),
        // The null device: a copy of what others have in them would not end.
        22 => format!("mknod {x} c 1 3"),
        23 => format!("mkdir -p {x}/b && echo in > {x}/b/c && rm -rf {x}/b"),
        24 => format!("cp -a {x} {x}.n && rm -rf {x} && mv {x}.n {x}"),
        25 => format!("echo {n} > {x}.1 && ln {x}.1 {x}.2"),
        26 => format!("ln -sfn {} {x}", r.text(&["a", "b", "."])),
        27 => format!("find {x} -type f -exec chmod 640 {{}} +"),
        28 => format!("chmod 700 {x} && chmod 755 {x}"),
        // To another place than itself, where it would depend on the order in which directories are read.
        _ => format!("rm -rf /g && cp -a /f /g && mkdir -p /g/new{n}"),
    }
}

fn probe(r: &mut Random, case: &mut Case) {
    if r.chance(10) && !case.files.is_empty() {
        let to = place(r);
        case.push(Instruction::new(
            "COPY",
            ["t".to_owned(), format!("/f/n{}", to.len())],
        ));
        return;
    }
    if r.chance(6) {
        case.push(Instruction::new("WORKDIR", [place(r)]));
        return;
    }
    let commands: Vec<String> = (0..r.between(1, 12))
        .map(|_| format!("{{ {}; }} 2>/dev/null", operation(r)))
        .collect();
    case.push(Instruction {
        frame: ("mkdir -p /f; ".to_owned(), "; true".to_owned()),
        ..Instruction::run(commands)
    });
}
