//! Something wrong in a Dockerfile that was right.

use super::model::{Case, Instruction, Outcome};
use super::random::Random;

/// Puts one mistake into the case.
pub fn spoil(r: &mut Random, case: &mut Case) {
    case.outcome = Outcome::Failure;
    let count = case.instructions.len();
    let at = r.below(count);
    match r.below(10) {
        0 => {
            let keyword = &mut case.instructions[at].keyword;
            let end = r.text(&["x", "S", "-", "1"]);
            keyword.push_str(end);
        }
        1 => {
            let flag = r.text(&[
                "--nope",
                "--chwon=1:1",
                "--from",
                "--link=maybe",
                "-x",
                "--mount=type=nope,target=/x",
                "--",
                "--chmod=9",
                "--platform",
            ]);
            case.instructions[at].flags.insert(0, flag.to_owned());
        }
        2 => case.instructions[at].arguments.clear(),
        3 => {
            let arguments = &mut case.instructions[at].arguments;
            let index = r.below(arguments.len().max(1));
            let end = r.text(&[
                "${",
                "${A",
                "${A!x}",
                "\"",
                "'",
                "${:-x}",
                "${A:?unset}",
                "${A:}",
            ]);
            if let Some(argument) = arguments.get_mut(index) {
                argument.push_str(end);
            }
        }
        4 => {
            if case.instructions[at].heredocs.pop().is_none() {
                case.instructions[at].arguments.push("<<EOT".to_owned());
            }
        }
        _ => {
            let wrong = one(r);
            // Behind the first FROM, mostly.
            let at = if r.chance(8) { 0 } else { r.between(1, count) };
            case.instructions.insert(at, wrong);
        }
    }
}

fn one(r: &mut Random) -> Instruction {
    let (keyword, rest) = *r.pick(&[
        ("COPY", "nothing-there /x"),
        ("COPY", "nothing"),
        ("COPY", "--from=nobody-knows:1/x a /x"),
        ("COPY", "--from=99 a /x"),
        ("COPY", "--chown=nosuch Dockerfile /x"),
        ("COPY", "--chown=1:nosuch Dockerfile /x"),
        ("COPY", "--chmod=u+q Dockerfile /x"),
        ("COPY", "--chmod=78 Dockerfile /x"),
        ("COPY", "Dockerfile Dockerfile /no-slash"),
        ("COPY", "[\"a\"]"),
        ("ADD", "--checksum=sha256:00 Dockerfile /x"),
        ("ADD", "http://127.0.0.1:1/none /x/"),
        ("ADD", "missing-*/ /x"),
        ("EXPOSE", "http"),
        ("EXPOSE", "80/tcp/udp"),
        ("EXPOSE", "99999"),
        ("EXPOSE", "90-80"),
        ("EXPOSE", ""),
        ("STOPSIGNAL", "NOSIGNAL"),
        ("STOPSIGNAL", "0"),
        ("STOPSIGNAL", ""),
        ("STOPSIGNAL", "1 2"),
        ("HEALTHCHECK", "--interval=1 CMD x"),
        ("HEALTHCHECK", "--interval=-1s CMD x"),
        ("HEALTHCHECK", "--interval=1us CMD x"),
        ("HEALTHCHECK", "--retries=-1 CMD x"),
        ("HEALTHCHECK", "--retries=x CMD x"),
        ("HEALTHCHECK", "CMD"),
        ("HEALTHCHECK", "NONE x"),
        ("HEALTHCHECK", "RUN x"),
        ("HEALTHCHECK", ""),
        ("SHELL", "/bin/sh"),
        ("SHELL", "[]"),
        ("SHELL", ""),
        ("ENV", "a"),
        ("ENV", "=b"),
        ("ENV", "a=b c"),
        ("ENV", ""),
        ("LABEL", "a"),
        ("LABEL", "=v"),
        ("LABEL", "a=b c"),
        ("ARG", ""),
        ("ARG", "a b c="),
        ("ARG", "=x"),
        ("ARG", "A=a\\ b c='"),
        ("USER", ""),
        ("USER", "a b"),
        ("WORKDIR", ""),
        ("WORKDIR", "$UNSET"),
        ("VOLUME", ""),
        ("VOLUME", "[\"\"]"),
        ("VOLUME", "[]"),
        ("ONBUILD", ""),
        ("ONBUILD", "ONBUILD RUN x"),
        ("ONBUILD", "FROM x"),
        ("ONBUILD", "MAINTAINER x"),
        ("ONBUILD", "NOPE x"),
        ("ONBUILD", "COPY a"),
        ("RUN", ""),
        ("RUN", "--mount=type=bind ls"),
        ("RUN", "--mount=type=cache,target= ls"),
        ("RUN", "--mount=type=cache,target=/x,sharing=odd ls"),
        ("RUN", "--mount=type=cache,target=/x,mode=9 ls"),
        ("RUN", "--mount=type=tmpfs,target=/x,size=abc ls"),
        ("RUN", "--mount=type=tmpfs,target=/x,from=y ls"),
        ("RUN", "--mount=type=secret,id=absent,required=true ls"),
        ("RUN", "--mount=type=secret ls"),
        ("RUN", "--mount=type=bind,target=/x,nokey=1 ls"),
        ("RUN", "--mount=target=/x,from=99 ls"),
        ("RUN", "--mount=type=bind,source=/not-there,target=/x true"),
        ("RUN", "--network=odd ls"),
        ("RUN", "--security=odd ls"),
        ("RUN", "exit 3"),
        ("RUN", "[\"no-such-program\"]"),
        ("RUN", "false && true"),
        ("RUN", "<<EOF"),
        ("FROM", ""),
        ("FROM", "busybox AS"),
        ("FROM", "busybox AS 1a"),
        ("FROM", "busybox AS scratch"),
        ("FROM", "busybox AS a b"),
        ("FROM", "busybox extra"),
        ("FROM", "Busy/Box:Upper Case"),
        ("FROM", "$UNSET"),
        ("FROM", "busybox:latest@sha256:00"),
        ("FROM", "127.0.0.1:1/not/there"),
        ("FROM", "--platform=nonsense/x/y/z busybox"),
        ("MAINTAINER", ""),
        ("INSERT", "a b"),
        ("\"RUN\"", "x"),
        ("run:", "x"),
    ]);
    // One argument, so that it is kept or dropped as a whole.
    if rest.is_empty() {
        Instruction::new(keyword, Vec::<String>::new())
    } else {
        Instruction::new(keyword, [rest])
    }
}
