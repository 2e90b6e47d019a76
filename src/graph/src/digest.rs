//! The definition digest: sha256 over a canonical encoding of an operation and the digests of its inputs.

use stromatekt_oci::digest::Digest;

use crate::graph::NodeId;
use crate::op::Op;

/// The digest of `op` on inputs that have these digests, in the order of [`Op::inputs`].
///
/// The same function serves two questions: with definition digests of the inputs it says whether two nodes
/// do equal work; with content keys of the inputs it is the key of a result in the cache.
pub fn definition(op: &Op, inputs: &[Digest]) -> Digest {
    let mut canonical = op.clone();
    // The ids are positions in one graph; the input digests say what they stand for.
    canonical.map_inputs(|_| NodeId(0));
    let mut text = serde_json::to_vec(&canonical).expect("an operation is plain data");
    for input in inputs {
        text.push(b'\n');
        text.extend_from_slice(input.to_string().as_bytes());
    }
    Digest::of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Diff, Git};

    #[test]
    fn the_digest_depends_on_the_operation_and_on_each_input() {
        let diff = |upper| {
            Op::Diff(Diff {
                lower: None,
                upper: NodeId(upper),
            })
        };
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let one = definition(&diff(0), std::slice::from_ref(&a));
        assert_eq!(one, definition(&diff(5), &[a]), "ids are not part of it");
        assert_ne!(one, definition(&diff(0), std::slice::from_ref(&b)));
        let git = Op::Git(Git {
            remote: "r".into(),
            ..Git::default()
        });
        assert_ne!(one, definition(&git, &[b]));
    }
}
