//! Commands that would notice if they were cut where they should not be end the same with and without the optimizer.

use stromatekt_engine::Error;
use stromatekt_graph::file::{Copy, FileAction};
use stromatekt_graph::op::File;
use stromatekt_graph::{Graph, NodeId, Op};
use stromatekt_optimizer::{Passes, optimize};

use crate::graphs::{busybox, image, node, shell, text};
use crate::{Workshop, states};

/// A step: its command, and what it is run with.
struct Step {
    /// A step before it, for what it needs.
    before: &'static str,
    command: &'static str,
    env: &'static [(&'static str, &'static str)],
    cwd: &'static str,
}

const fn step(command: &'static str) -> Step {
    Step {
        before: "true",
        command,
        env: &[],
        cwd: "/",
    }
}

const STEPS: &[Step] = &[
    Step {
        env: &[("OUT", "/dev/shm/out")],
        ..step("echo a > $OUT && make build && cat $OUT > /copy")
    },
    step("echo a > ${OUT:-/dev/shm/out} && make build && cat ${OUT:-/dev/shm/out} > /copy"),
    step("echo a > dev/shm/out && make build && cat dev/shm/out > /copy"),
    step("OUT=/dev/shm/out make build && ls /d*/shm > /list"),
    step("make build && rm -rf /bin /lib && echo end > /end"),
    step("make build && rm -f /bin/[a-z]* && echo end > /end"),
    Step {
        before: "mkdir /one /two && ln -s /one /current",
        cwd: "/current",
        ..step("ln -sfn /two /current && make build && touch file")
    },
    // The groups that a process has are those from when its step began.
    Step {
        before: "printf '#!/bin/sh\\necho $2:x:99:$1 >> /etc/group\\n' > /bin/addgroup && chmod 755 /bin/addgroup",
        ..step("addgroup root docker && make build && id > /id")
    },
    // The shell goes on to use what it found first.
    Step {
        before: "mkdir /tools && printf '#!/bin/sh\\necho mine > /mine\\n' > /wc && chmod 755 /wc",
        env: &[("PATH", "/tools:/usr/local/bin:/usr/bin:/bin")],
        ..step("wc /log && dd if=/wc of=/tools/wc && chmod 755 /tools/wc && make build && wc /log")
    },
    // Signals end a process, unless it is the first one.
    step("cc && echo end > /end"),
    step("make build && cc"),
];

impl Step {
    fn graph(&self) -> (Graph, NodeId) {
        let mut graph = Graph::new();
        let (base, tools) = busybox(&mut graph);
        let compiler = Copy {
            mode: Some("0755".into()),
            ..text(
                "/usr/local/bin/cc",
                "#!/bin/sh\nkill -TERM $$\necho survived > /survived\n",
            )
        };
        let file = Op::File(File {
            root: tools,
            actions: vec![FileAction::Copy(Box::new(compiler))],
        });
        let compiler = graph.add(node(file, "COPY cc", 3)).unwrap();
        let before = shell(compiler, self.before);
        let before = graph.add(node(before, "RUN before", 4)).unwrap();
        let mut op = shell(before, self.command);
        let Op::Run(run) = &mut op else {
            unreachable!("a command is run")
        };
        let env = self.env.iter();
        run.env
            .extend(env.map(|(name, value)| (name.to_string(), value.to_string())));
        self.cwd.clone_into(&mut run.cwd);
        let upper = graph.add(node(op, "RUN command", 5)).unwrap();
        let image = image(
            &mut graph,
            Some(base),
            &[(Some(base), before), (Some(before), upper)],
        );
        (graph, image)
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::Step { source, .. } => source.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn commands_that_would_notice_a_cut_end_the_same() {
    let workshop = Workshop::new();
    for step in STEPS {
        let (graph, image) = step.graph();
        let optimized = optimize(graph.clone(), &[image], &Passes::all());
        let (expected, _) = workshop.build(&graph, &[image]);
        let (found, _) = workshop.build(&optimized.graph, &optimized.roots);
        let command = step.command;
        match (expected, found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(states(&expected[0]), states(&found[0]), "{command}");
            }
            // The label tells of the part.
            (Err(expected), Err(found)) => {
                assert_eq!(reason(&expected), reason(&found), "{command}");
            }
            (expected, found) => panic!(
                "{command}: {:?}, not {:?}",
                found.map(drop),
                expected.map(drop)
            ),
        }
    }
}
