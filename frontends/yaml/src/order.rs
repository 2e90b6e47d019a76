//! In which order units are done, and that none needs itself.

use stromatekt_pipeline::Problem;

use crate::program::Program;
use crate::spec::{Unit, UnitId, Use};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// All units, each after those that it needs.
///
/// # Errors
/// When one needs itself.
pub fn order(program: &Program) -> Result<Vec<UnitId>, Problem> {
    let needs: Vec<Vec<&Use>> = program.units.iter().map(Unit::needs).collect();
    let mut states = vec![State::New; program.units.len()];
    let mut order = Vec::with_capacity(program.units.len());
    for start in 0..program.units.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        // Units on the way from the start, each with the number of the need that is looked at.
        let mut way = vec![(start, 0)];
        while let Some((unit, next)) = way.last_mut() {
            let Some(need) = needs[*unit].get(*next) else {
                states[*unit] = State::Done;
                order.push(UnitId(*unit));
                way.pop();
                continue;
            };
            *next += 1;
            let needed = need.unit.0;
            match states[needed] {
                State::Done => {}
                State::New => {
                    states[needed] = State::Open;
                    way.push((needed, 0));
                }
                State::Open => {
                    let around = way.iter().skip_while(|(unit, _)| *unit != needed);
                    let names: Vec<&str> = around
                        .map(|(unit, _)| program.units[*unit].name.as_str())
                        .chain([program.units[needed].name.as_str()])
                        .collect();
                    let problem = need.place.problem(format!(
                        "`{}` needs itself: {}",
                        names[0],
                        names.join(" needs ")
                    ));
                    return Err(problem.also(
                        format!("`{}`", program.units[needed].name),
                        program.units[needed].place.clone(),
                    ));
                }
            }
        }
    }
    Ok(order)
}

/// Which units are needed for these.
pub fn needed(program: &Program, wanted: &[UnitId]) -> Vec<bool> {
    let mut is_needed = vec![false; program.units.len()];
    let mut stack = wanted.to_vec();
    while let Some(unit) = stack.pop() {
        if !std::mem::replace(&mut is_needed[unit.0], true) {
            let needs = program.unit(unit).needs();
            stack.extend(needs.iter().map(|need| need.unit));
        }
    }
    is_needed
}
