//! Units stacked: the first one whole, then the own layers of each other one.
//!
//! Where each layer came about on the tree of those below it, the last tree is there already. Else the changesets are stacked. Those
//! that came about on each other are one changeset then, since their order is known; between the others, no order was declared.

use stromatekt_graph::NodeId;
use stromatekt_graph::op::{Diff, Layer, Op, Stack, StackLayer};
use stromatekt_oci::config::History;
use stromatekt_pipeline::Problem;

use crate::builder::Builder;
use crate::made::{Below, Made, MadeLayer};
use crate::spec::{Spec, Use};

/// Layers that came about on each other.
#[derive(Clone, Debug)]
struct Group {
    changeset: NodeId,
    below: Below,
    upper: Option<NodeId>,
    name: String,
}

impl Builder<'_> {
    /// The units as one; no layer of it is its own.
    pub fn stack(&mut self, uses: &[Use], is_ordered: bool) -> Result<Made, Problem> {
        let (mut made, rest) = match uses.split_first() {
            Some((first, rest)) if first.layers.is_none() => (self.made(first)?.clone(), rest),
            _ => (self.scratch()?, uses),
        };
        let ground = uses.first().map_or("", |first| first.name.as_str());
        let mut more = Vec::new();
        for one in rest {
            more.extend(self.layers(one)?);
        }
        let origin = uses.first().map(|first| first.place.origin());
        let layers: Vec<MadeLayer> = more.iter().map(|(layer, _)| layer.clone()).collect();
        let tree = match layers.as_slice() {
            [] => made.tree,
            layers => self.tree_of(&made, ground, layers, is_ordered, origin)?,
        };
        for (mut layer, entry) in more {
            layer.history = made.history.len();
            made.history.push(entry);
            made.layers.push(layer);
        }
        made.tree = tree;
        made.inherited = made.layers.len();
        made.blob = None;
        Ok(made)
    }

    /// The own layers of a unit, or some of them, with what the history says of each.
    fn layers(&mut self, one: &Use) -> Result<Vec<(MadeLayer, History)>, Problem> {
        let found = match self.program().unit(one.unit).spec {
            Spec::Base(..) => self.layers_of_base(one)?,
            _ => {
                let made = self.made(one)?;
                let with_entry = |layer: &MadeLayer| {
                    let entry = made.history.get(layer.history).cloned();
                    (layer.clone(), entry.unwrap_or_default())
                };
                made.own().iter().map(with_entry).collect()
            }
        };
        let Some((first, last)) = one.layers else {
            return Ok(found);
        };
        if last >= found.len() {
            let count = match found.len() {
                0 => "no layers of its own".to_owned(),
                1 => "one layer, which is number 0".to_owned(),
                count => format!("{count} layers, from 0 to {}", count - 1),
            };
            return Err(one
                .place
                .problem(format!("there is no layer {last}: it has {count}")));
        }
        let chosen = found.into_iter().skip(first).take(last - first + 1);
        Ok(chosen.collect())
    }

    fn layers_of_base(&mut self, one: &Use) -> Result<Vec<(MadeLayer, History)>, Problem> {
        let made = self.made(one)?.clone();
        let count = self.layer_count(one.unit);
        let mut entries = made.history.iter().filter(|entry| !entry.empty_layer);
        let mut layers = Vec::with_capacity(count);
        for index in 0..count {
            let name = format!("{}.layers[{index}]", self.program().unit(one.unit).name);
            let entry = entries.next().cloned().unwrap_or_else(|| History {
                created_by: name.clone(),
                ..History::default()
            });
            let op = Op::Layer(Layer {
                image: made.tree,
                index,
            });
            let changeset = self.add(
                op,
                format!("layer {index} of {}", one.name),
                Some(one.place.origin()),
            )?;
            let layer = MadeLayer {
                changeset,
                below: if index == 0 {
                    Below::Empty
                } else {
                    Below::Unknown
                },
                upper: (index + 1 == count).then_some(made.tree),
                of_image: Some((made.tree, index, count)),
                name,
                history: 0,
            };
            layers.push((layer, entry));
        }
        Ok(layers)
    }

    fn tree_of(
        &mut self,
        ground: &Made,
        ground_name: &str,
        layers: &[MadeLayer],
        is_ordered: bool,
        origin: Option<stromatekt_graph::Origin>,
    ) -> Result<NodeId, Problem> {
        let groups = self.runs(layers)?;
        let bottom = self.below(ground.tree);
        // As far as each came about on the ones below, the tree is known.
        let mut current = bottom;
        let mut known = 0;
        for group in &groups {
            match group.upper {
                Some(upper) if group.below == current => current = Below::Tree(upper),
                _ => break,
            }
            known += 1;
        }
        let label = |names: &[&str]| format!("stack of {}", names.join(", "));
        let (base, groups, is_exclusive) = match (current, is_ordered) {
            (Below::Tree(tree), _) if known == groups.len() => return Ok(tree),
            (current, true) => (current, groups[known..].to_vec(), false),
            (_, false) => {
                let (base, groups) = self.groups(ground, ground_name, groups)?;
                (base, groups, true)
            }
        };
        let base = match base {
            Below::Tree(tree) => Some(tree),
            _ => None,
        };
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let label = label(&names);
        let layers = groups.iter().map(|group| StackLayer {
            changeset: group.changeset,
            name: group.name.clone(),
        });
        let op = Op::Stack(Stack {
            base,
            layers: layers.collect(),
            is_exclusive,
        });
        self.add(op, label, origin)
    }

    /// Layers of an image from its lowest one on are one group: nobody else's order is between them.
    fn runs(&mut self, layers: &[MadeLayer]) -> Result<Vec<Group>, Problem> {
        let mut groups = Vec::new();
        let mut at = 0;
        while let Some(layer) = layers.get(at) {
            let mut end = at + 1;
            if let Some((image, 0, _)) = layer.of_image {
                let follows = |layer: &&MadeLayer, index: usize| {
                    layer
                        .of_image
                        .is_some_and(|(other, number, _)| (other, number) == (image, index))
                };
                while layers
                    .get(end)
                    .filter(|layer| follows(layer, end - at))
                    .is_some()
                {
                    end += 1;
                }
            }
            groups.push(self.run(&layers[at..end])?);
            at = end;
        }
        Ok(groups)
    }

    fn run(&mut self, layers: &[MadeLayer]) -> Result<Group, Problem> {
        let [first, .., last] = layers else {
            // Only the loop above calls this, with at least one.
            let layer = &layers[0];
            return Ok(Group {
                changeset: layer.changeset,
                below: layer.below,
                upper: layer.upper,
                name: layer.name.clone(),
            });
        };
        let name = format!("{} to {}", first.name, last.name);
        let upper = match last.upper {
            Some(whole) => whole,
            None => {
                let stacked = layers.iter().map(|layer| StackLayer {
                    changeset: layer.changeset,
                    name: layer.name.clone(),
                });
                let op = Op::Stack(Stack {
                    base: None,
                    layers: stacked.collect(),
                    is_exclusive: false,
                });
                self.add(op, format!("stack of {name}"), None)?
            }
        };
        Ok(Group {
            changeset: self.diff(Below::Empty, upper, &name)?,
            below: Below::Empty,
            upper: Some(upper),
            name,
        })
    }

    /// The groups between which no order is known, and the tree below them.
    fn groups(
        &mut self,
        ground: &Made,
        ground_name: &str,
        layers: Vec<Group>,
    ) -> Result<(Below, Vec<Group>), Problem> {
        let mut groups: Vec<Group> = Vec::new();
        let base = match ground.base {
            Some(base) => Below::Tree(base),
            None => Below::Empty,
        };
        if !ground.layers.is_empty() {
            groups.push(Group {
                changeset: self.diff(base, ground.tree, ground_name)?,
                below: base,
                upper: Some(ground.tree),
                name: ground_name.to_owned(),
            });
        }
        for layer in layers {
            let before = groups.iter().position(|group| {
                group
                    .upper
                    .is_some_and(|upper| layer.below == Below::Tree(upper))
            });
            match (before, layer.upper) {
                (Some(before), Some(upper)) => {
                    let below = groups[before].below;
                    let name = format!("{}, {}", groups[before].name, layer.name);
                    let changeset = self.diff(below, upper, &name)?;
                    groups[before] = Group {
                        changeset,
                        below,
                        upper: Some(upper),
                        name,
                    };
                }
                _ => groups.push(layer),
            }
        }
        Ok((base, groups))
    }

    /// What turns one tree into another.
    pub fn diff(&mut self, below: Below, upper: NodeId, name: &str) -> Result<NodeId, Problem> {
        let lower = match below {
            Below::Tree(tree) => Some(tree),
            Below::Empty | Below::Unknown => None,
        };
        let origin = self.graph.node(upper).origin.clone();
        self.add(
            Op::Diff(Diff { lower, upper }),
            format!("layer of {name}"),
            origin,
        )
    }

    /// A tree as what is below another one.
    pub fn below(&self, tree: NodeId) -> Below {
        match self.graph.node(tree).op {
            Op::Scratch(_) => Below::Empty,
            _ => Below::Tree(tree),
        }
    }
}
