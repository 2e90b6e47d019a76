//! What tests of cuts begin with.

use stromatekt_graph::limits::Limits;
use stromatekt_graph::op::Scratch;
use stromatekt_graph::run::{Executor, Network, Run, Security};
use stromatekt_graph::{Graph, Node, NodeId, Op};

/// The empty tree.
pub fn scratch(graph: &mut Graph) -> NodeId {
    graph
        .add(Node {
            op: Op::Scratch(Scratch),
            label: "FROM scratch".into(),
            origin: None,
            no_cache: false,
        })
        .unwrap()
}

/// A process in the empty tree.
pub fn run(args: &[&str]) -> Run {
    Run {
        root: scratch(&mut Graph::new()),
        args: args.iter().map(|word| (*word).to_owned()).collect(),
        shown: None,
        executor: Executor::Runc,
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        proxy_env: Vec::new(),
        cwd: "/".into(),
        user: String::new(),
        groups: Vec::new(),
        mounts: Vec::new(),
        network: Network::Default,
        security: Security::Sandbox,
        extra_hosts: Vec::new(),
        hostname: None,
        limits: Limits::default(),
    }
}

/// A command of the shell there.
pub fn shell(text: &str) -> Run {
    run(&["/bin/sh", "-c", text])
}
