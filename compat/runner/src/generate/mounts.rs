//! RUN with mounts.

use super::Theme;
use super::model::{Case, Instruction};
use super::random::Random;

/// What can be said about them.
pub const THEME: Theme = Theme {
    name: "mounts",
    point: "RUN with mounts over what is there and over what is not.",
    begin,
    probe,
};

fn begin(r: &mut Random, case: &mut Case) {
    case.file("f", "context\n");
    case.file("d/g", "deep\n");
    case.file("secret.txt", "hidden\n");
    case.args.push(vec![
        "--secret".to_owned(),
        "id=one,src={work}/secret.txt".to_owned(),
    ]);
    case.push(Instruction::new("FROM", ["busybox", "AS", "s"]));
    case.push(Instruction::run(vec![
        "mkdir -p /data/sub".to_owned(),
        "echo s > /data/s".to_owned(),
        "echo t > /data/sub/t".to_owned(),
        "chown 5:6 /data/s".to_owned(),
    ]));
    case.push(Instruction::new("FROM", ["busybox"]));
    if r.chance(50) {
        case.push(Instruction::run(vec![
            "mkdir -p /m/under".to_owned(),
            "echo u > /m/u".to_owned(),
            "touch -d @1500000000 /m".to_owned(),
        ]));
    }
    if r.chance(30) {
        case.push(Instruction::new("WORKDIR", ["/w"]));
    }
    if r.chance(15) {
        case.push(Instruction::new("USER", ["worker"]));
    }
}

fn probe(r: &mut Random, case: &mut Case) {
    let n = case.instructions.len();
    let target = match r.below(4) {
        0 => r
            .text(&["/m", "/etc", "/m/under", "/tmp", "/x/y/z", "/usr/bin/q"])
            .to_owned(),
        1 => format!("rel{n}"),
        _ => format!("/n{n}/t"),
    };
    let key = r.text(&["target", "target", "dst", "destination"]);
    let mut mounts: Vec<String> = Vec::new();
    let mut commands: Vec<String> = Vec::new();
    let out = format!("/tmp/o{n}");
    let list = format!("ls -ln {target} | awk '{{print $1,$3,$4,$NF}}' >> {out}");
    match r.below(9) {
        0 => {
            mounts.push(format!("type=bind,{key}={target}"));
            commands.push(format!("cat {target}/f >> {out}"));
        }
        1 => {
            let source = r.text(&["/data", "data", "/data/sub", "/data/s"]);
            let target = if source == "/data/s" {
                format!("{target}/file")
            } else {
                target.clone()
            };
            mounts.push(format!("type=bind,from=s,source={source},{key}={target}"));
            commands.push(format!(
                "ls -ln {target} | awk '{{print $1,$3,$4}}' >> {out}"
            ));
        }
        2 => {
            mounts.push(format!(
                "from=s,{key}={target},{}",
                r.text(&["rw", "readwrite", "rw=true", "ro=false"])
            ));
            commands.push(format!("touch {target}/gone && echo wrote >> {out}"));
            commands.push(format!("rm -rf {target}/data; ls {target} >> {out}"));
        }
        3 => {
            mounts.push(format!(
                "type=tmpfs,{key}={target}{}",
                r.text(&["", ",size=1048576", ",size=1m"])
            ));
            commands.push(format!("echo t > {target}/t"));
            commands.push(list.clone());
        }
        4 | 5 => {
            let options = r.text(&[
                "",
                ",uid=5,gid=6",
                ",mode=0700",
                ",mode=1777,uid=1000",
                ",sharing=locked",
                ",sharing=private",
                ",from=s,source=/data",
                ",ro",
            ]);
            mounts.push(format!(
                "type=cache,id=gen{}-{{name}},{key}={target}{options}",
                r.below(1000)
            ));
            commands.push(format!("stat -c '%a %u %g' {target} >> {out}"));
            commands.push(format!("echo c > {target}/c && ls {target} >> {out}"));
        }
        6 => {
            let options = r.text(&[
                "",
                ",mode=0444",
                ",uid=1000,gid=44",
                ",mode=400,uid=5",
                ",required=true",
                ",required",
            ]);
            let (target, word) = if r.chance(50) {
                ("/run/secrets/one".to_owned(), String::new())
            } else {
                (format!("{target}/sec"), format!(",{key}={target}/sec"))
            };
            mounts.push(format!("type=secret,id=one{word}{options}"));
            commands.push(format!("cat {target} >> {out}"));
            commands.push(format!("stat -c '%a %u %g' {target} >> {out}"));
        }
        7 => {
            let option = r.text(&["env=TOKEN", "env=TOKEN,id=one", "env=one"]);
            let id = if option.contains("id=") {
                ""
            } else {
                "id=one,"
            };
            mounts.push(format!("type=secret,{id}{option}"));
            commands.push(format!("echo \"$TOKEN/$one\" >> {out}"));
        }
        _ => {
            mounts.push(format!("type=secret,id=absent,{key}={target}/sec"));
            commands.push(format!("ls {target} >> {out} 2>&1 || echo none >> {out}"));
        }
    }
    if r.chance(25) {
        let beside = r.text(&["/m", "/tt", "/w/x", "/data"]);
        // Two mounts at one place are the runtime's own affair.
        if beside != target {
            mounts.push(format!("type=tmpfs,target={beside}"));
        }
    }
    if r.chance(25) {
        commands.push(format!("touch {target}.beside; mkdir -p /made{n}"));
    }
    let mut run = Instruction {
        frame: (String::new(), "; true".to_owned()),
        ..Instruction::run(commands)
    };
    for mount in mounts {
        run = run.flag(format!("--mount={}", mount.replace("{name}", &case.name)));
    }
    if r.chance(10) {
        run = run.flag(r.text(&["--network=none", "--network=default", "--security=sandbox"]));
    }
    case.push(run);
}
