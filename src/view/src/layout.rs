//! A layered drawing: boxes in layers, lines from layer to layer that pass between boxes and never through one.
//!
//! Sugiyama's method, in the small. Lines that skip layers get a place of their own in each layer that they cross; lines of one bundle
//! share these places, so that what comes from one box, or gathers at one, is drawn as one stem with branches. Then the order in each
//! layer is improved by barycenters as long as fewer lines cross, and the places are the least squares solution of "stand where your
//! neighbours stand" under that order.

use std::collections::HashMap;

/// How far the two directions reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// From a layer to the next, without the boxes, at least.
    pub layer_gap: f64,
    /// How much longer that becomes for each length that the longest line between the two goes along.
    pub slope: f64,
    /// Between two boxes of a layer.
    pub box_gap: f64,
    /// Between two lines that cross a layer.
    pub line_gap: f64,
    /// A box, in the direction of the layers.
    pub depth: f64,
    /// A box, along its layer.
    pub breadth: f64,
}

/// A line to be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// The box that it leaves, in a lower layer.
    pub from: usize,
    /// The box that it reaches.
    pub to: usize,
    /// The lines that it shares its way with.
    pub bundle: Bundle,
}

/// Lines that leave, or reach, one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bundle(pub Side, pub usize);

/// Which end the lines of a bundle have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Side {
    From,
    To,
}

/// A place: how deep in the direction of the layers, and where along its layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub deep: f64,
    pub along: f64,
}

/// Where everything goes.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    /// The middle of each box.
    pub boxes: Vec<Point>,
    /// The points of each line: pairs of the side of a layer where it enters and where it leaves it.
    pub lines: Vec<Vec<Point>>,
    /// How deep, and how broad.
    pub size: Point,
}

/// A box, or the place of a bundle in a layer that it crosses.
struct Place {
    layer: usize,
    is_box: bool,
}

/// Draws boxes that stand in these layers.
pub(crate) fn draw(layers: &[usize], edges: &[Edge], shape: Shape) -> Drawing {
    let mut places: Vec<Place> = layers
        .iter()
        .map(|&layer| Place {
            layer,
            is_box: true,
        })
        .collect();
    let mut crossings: HashMap<(Bundle, usize), usize> = HashMap::new();
    // The places that each line passes, its ends included.
    let mut ways: Vec<Vec<usize>> = Vec::new();
    for edge in edges {
        let mut way = vec![edge.from];
        for layer in layers[edge.from] + 1..layers[edge.to] {
            let place = *crossings.entry((edge.bundle, layer)).or_insert_with(|| {
                places.push(Place {
                    layer,
                    is_box: false,
                });
                places.len() - 1
            });
            way.push(place);
        }
        way.push(edge.to);
        ways.push(way);
    }
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
    let mut above: Vec<Vec<usize>> = vec![Vec::new(); places.len()];
    for pair in ways.iter().flat_map(|way| way.windows(2)) {
        if !below[pair[0]].contains(&pair[1]) {
            below[pair[0]].push(pair[1]);
            above[pair[1]].push(pair[0]);
        }
    }
    let order = order(&places, &above, &below);
    let along = positions(&places, &order, &above, &below, shape);
    let depths = depths(&places, order.len(), &below, &along, shape);
    let deep = |layer: usize| depths.get(layer).copied().unwrap_or_default();
    let point = |place: usize, side: f64| Point {
        deep: deep(places[place].layer) + side * shape.depth / 2.0,
        along: along[place],
    };
    let lines = ways.iter().map(|way| {
        let mut points = Vec::new();
        for (index, &place) in way.iter().enumerate() {
            if index > 0 {
                points.push(point(place, -1.0));
            }
            if index + 1 < way.len() {
                points.push(point(place, 1.0));
            }
        }
        points
    });
    let last = order.len().saturating_sub(1);
    let broad = (0..places.len())
        .map(|place| along[place] + half(&places[place], shape))
        .fold(0.0, f64::max);
    Drawing {
        boxes: (0..layers.len()).map(|place| point(place, 0.0)).collect(),
        lines: lines.collect(),
        size: Point {
            deep: deep(last) + shape.depth / 2.0,
            along: broad,
        },
    }
}

/// How deep the middle of each layer is: lines that go far along need room, or nobody could follow them.
fn depths(
    places: &[Place],
    count: usize,
    below: &[Vec<usize>],
    along: &[f64],
    shape: Shape,
) -> Vec<f64> {
    let mut longest = vec![0.0_f64; count];
    for (one, place) in places.iter().enumerate() {
        for &other in &below[one] {
            let far = (along[one] - along[other]).abs();
            longest[place.layer] = longest[place.layer].max(far);
        }
    }
    let mut depth = shape.depth / 2.0;
    let mut depths = Vec::new();
    for far in longest {
        depths.push(depth);
        let more = (far * shape.slope).min(2.0 * shape.layer_gap);
        depth += shape.depth + shape.layer_gap + more;
    }
    depths
}

/// The places of each layer in an order with few crossings.
fn order(places: &[Place], above: &[Vec<usize>], below: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let count = places
        .iter()
        .map(|place| place.layer + 1)
        .max()
        .unwrap_or(0);
    let mut layers = vec![Vec::new(); count];
    for (index, place) in places.iter().enumerate() {
        layers[place.layer].push(index);
    }
    let mut best = (crossings(&layers, below), layers.clone());
    for round in 0..24 {
        let downwards = round % 2 == 0;
        let sweep: Vec<usize> = match downwards {
            true => (1..count).collect(),
            false => (0..count.saturating_sub(1)).rev().collect(),
        };
        for layer in sweep {
            let (fixed, neighbours) = match downwards {
                true => (&layers[layer - 1], above),
                false => (&layers[layer + 1], below),
            };
            let ranks = ranks(fixed);
            let mut weighed: Vec<(f64, usize)> = layers[layer]
                .iter()
                .enumerate()
                .map(|(rank, &place)| {
                    let seen = &neighbours[place];
                    let weight = match seen.is_empty() {
                        true => rank as f64,
                        false => {
                            seen.iter().map(|other| ranks[other] as f64).sum::<f64>()
                                / seen.len() as f64
                        }
                    };
                    (weight, place)
                })
                .collect();
            weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
            layers[layer] = weighed.into_iter().map(|(_, place)| place).collect();
        }
        let crossed = crossings(&layers, below);
        if crossed < best.0 {
            best = (crossed, layers.clone());
        }
    }
    best.1
}

fn ranks(layer: &[usize]) -> HashMap<usize, usize> {
    layer
        .iter()
        .zip(0..)
        .map(|(place, rank)| (*place, rank))
        .collect()
}

/// How many lines cross between neighbouring layers.
fn crossings(layers: &[Vec<usize>], below: &[Vec<usize>]) -> usize {
    let mut count = 0;
    for pair in layers.windows(2) {
        let ranks = ranks(&pair[1]);
        // Lines in the order of their upper ends; those that were there before and end further on are crossed.
        let mut ends: Vec<usize> = Vec::new();
        for place in &pair[0] {
            let mut own: Vec<usize> = below[*place].iter().map(|other| ranks[other]).collect();
            own.sort_unstable();
            for end in &own {
                count += ends.len() - ends.partition_point(|other| other <= end);
            }
            for end in own {
                ends.insert(ends.partition_point(|other| *other <= end), end);
            }
        }
    }
    count
}

fn half(place: &Place, shape: Shape) -> f64 {
    match place.is_box {
        true => shape.breadth / 2.0,
        false => 0.0,
    }
}

/// Where each place stands along its layer.
fn positions(
    places: &[Place],
    layers: &[Vec<usize>],
    above: &[Vec<usize>],
    below: &[Vec<usize>],
    shape: Shape,
) -> Vec<f64> {
    let mut along = vec![0.0; places.len()];
    let gap = |one: usize, other: usize| {
        let between = match (places[one].is_box, places[other].is_box) {
            (true, true) => shape.box_gap,
            _ => shape.line_gap,
        };
        half(&places[one], shape) + between + half(&places[other], shape)
    };
    // How far each stands from the first of its layer at least.
    let offsets: Vec<Vec<f64>> = layers
        .iter()
        .map(|layer| {
            let mut offset = 0.0;
            let mut offsets = vec![0.0; layer.len()];
            for index in 1..layer.len() {
                offset += gap(layer[index - 1], layer[index]);
                offsets[index] = offset;
            }
            offsets
        })
        .collect();
    for (layer, offsets) in layers.iter().zip(&offsets) {
        for (&place, offset) in layer.iter().zip(offsets) {
            along[place] = *offset;
        }
    }
    for round in 0..64 {
        let sweep: Vec<usize> = match round % 2 {
            0 => (0..layers.len()).collect(),
            _ => (0..layers.len()).rev().collect(),
        };
        for index in sweep {
            let layer = &layers[index];
            let wanted: Vec<(f64, f64)> = layer
                .iter()
                .zip(&offsets[index])
                .map(|(&place, offset)| {
                    let (mut sum, mut weight) = (0.0, 0.0);
                    for &other in above[place].iter().chain(&below[place]) {
                        // Stems of bundles and chains of boxes are to be straight before all else.
                        let (upper, lower) = match places[place].layer < places[other].layer {
                            true => (place, other),
                            false => (other, place),
                        };
                        let is_stem = !places[place].is_box && !places[other].is_box;
                        let is_chain = below[upper].len() == 1 && above[lower].len() == 1;
                        let one = if is_stem || is_chain { 8.0 } else { 1.0 };
                        sum += one * along[other];
                        weight += one;
                    }
                    match weight > 0.0 {
                        true => (sum / weight - offset, weight),
                        false => (along[place] - offset, 0.1),
                    }
                })
                .collect();
            for ((&place, offset), base) in layer.iter().zip(&offsets[index]).zip(rising(&wanted)) {
                along[place] = base + offset;
            }
        }
    }
    let first = (0..places.len())
        .map(|place| along[place] - half(&places[place], shape))
        .fold(f64::INFINITY, f64::min);
    along.iter().map(|place| place - first).collect()
}

/// The numbers that never fall and are nearest to these, by weighted least squares (pool adjacent violators).
fn rising(wanted: &[(f64, f64)]) -> Vec<f64> {
    // Mean, weight, count.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for &(value, weight) in wanted {
        blocks.push((value, weight, 1));
        while let [.., lower, upper] = blocks[..]
            && lower.0 > upper.0
        {
            let weight = lower.1 + upper.1;
            let mean = (lower.0 * lower.1 + upper.0 * upper.1) / weight;
            blocks.truncate(blocks.len() - 2);
            blocks.push((mean, weight, lower.2 + upper.2));
        }
    }
    blocks
        .iter()
        .flat_map(|&(mean, _, count)| std::iter::repeat_n(mean, count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        layer_gap: 50.0,
        slope: 0.1,
        box_gap: 10.0,
        line_gap: 5.0,
        depth: 100.0,
        breadth: 20.0,
    };

    fn edge(from: usize, to: usize) -> Edge {
        let bundle = Bundle(Side::From, from);
        Edge { from, to, bundle }
    }

    #[test]
    fn numbers_that_fall_are_pooled() {
        let ones = |values: &[f64]| values.iter().map(|value| (*value, 1.0)).collect::<Vec<_>>();
        assert_eq!(rising(&ones(&[1.0, 2.0, 3.0])), [1.0, 2.0, 3.0]);
        assert_eq!(rising(&ones(&[3.0, 1.0, 5.0])), [2.0, 2.0, 5.0]);
        assert_eq!(rising(&[(4.0, 3.0), (0.0, 1.0)]), [3.0, 3.0]);
    }

    #[test]
    fn crossings_are_counted_and_removed() {
        let below = vec![vec![3], vec![2], vec![], vec![]];
        assert_eq!(crossings(&[vec![0, 1], vec![2, 3]], &below), 1);
        assert_eq!(crossings(&[vec![0, 1], vec![3, 2]], &below), 0);
        let drawing = draw(&[0, 0, 1, 1], &[edge(0, 3), edge(1, 2)], SHAPE);
        let along: Vec<f64> = drawing.boxes.iter().map(|point| point.along).collect();
        assert_eq!(along[0] < along[1], along[3] < along[2], "{along:?}");
    }

    #[test]
    fn lines_pass_between_boxes_and_boxes_keep_their_distance() {
        // A chain of four, whose first is needed by all.
        let layers = [0, 1, 2, 3, 1, 2];
        let edges = [
            edge(0, 1),
            edge(1, 2),
            edge(2, 3),
            edge(0, 3),
            edge(0, 4),
            edge(4, 5),
            edge(0, 5),
        ];
        let drawing = draw(&layers, &edges, SHAPE);
        for (line, edge) in drawing.lines.iter().zip(edges) {
            let (first, last) = (line[0], line[line.len() - 1]);
            assert_eq!(first.along, drawing.boxes[edge.from].along);
            assert_eq!(last.along, drawing.boxes[edge.to].along);
            for point in &line[1..line.len() - 1] {
                for (place, found) in drawing.boxes.iter().enumerate() {
                    let is_at = (point.deep - found.deep).abs() <= SHAPE.depth / 2.0
                        && (point.along - found.along).abs() < SHAPE.breadth / 2.0;
                    assert!(!is_at, "a line passes through box {place}: {drawing:?}");
                }
            }
        }
        for one in 0..layers.len() {
            for other in 0..one {
                let distance = (drawing.boxes[one].along - drawing.boxes[other].along).abs();
                assert!(
                    layers[one] != layers[other] || distance > 29.999,
                    "{one} and {other} are {distance} apart"
                );
            }
        }
        assert!(drawing.boxes.iter().all(|point| point.along >= 10.0));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(draw(&[], &[], SHAPE).boxes.is_empty());
    }
}
