//! Recipes: what a step was made of when it last ran, so that somebody can be told why it runs again.

use std::time::{Duration, SystemTime};

use rusqlite::OptionalExtension;
use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store, nanoseconds};
use crate::error::Result;

/// What a step was made of when it last ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The digest of the operation alone, without its inputs.
    pub operation: Digest,
    /// Where it stood: steps that stand in one place are one step, whose operation somebody changed.
    pub place: String,
    /// What it was called.
    pub label: String,
    /// What its inputs were known by.
    pub inputs: Vec<Digest>,
    /// How long it took.
    pub took: Duration,
}

impl Store {
    /// Remembers the recipe of a step that ran; the last one of its operation counts.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_recipe(&self, recipe: &Recipe) -> Result<()> {
        let inputs: Vec<u8> = recipe
            .inputs
            .iter()
            .flat_map(|input| *input.as_bytes())
            .collect();
        let took = i64::try_from(recipe.took.as_nanos()).unwrap_or(i64::MAX);
        self.query(|db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO recipe(operation, place, label, inputs, took, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                Column(recipe.operation),
                &recipe.place,
                &recipe.label,
                inputs,
                took,
                nanoseconds(SystemTime::now()),
            ))
        })?;
        Ok(())
    }

    /// The recipe by which this operation ran last.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn recipe(&self, operation: &Digest) -> Result<Option<Recipe>> {
        self.query(|db| {
            db.prepare_cached(
                "SELECT operation, place, label, inputs, took FROM recipe WHERE operation = ?1",
            )?
            .query_row([Column(*operation)], recipe)
            .optional()
        })
    }

    /// The recipe of what ran last in a place.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn recipe_at(&self, place: &str) -> Result<Option<Recipe>> {
        self.query(|db| {
            db.prepare_cached(
                "SELECT operation, place, label, inputs, took FROM recipe WHERE place = ?1 ORDER BY created DESC LIMIT 1",
            )?
            .query_row([place], recipe)
            .optional()
        })
    }
}

fn recipe(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recipe> {
    let inputs: Vec<u8> = row.get(3)?;
    let (inputs, _) = inputs.as_chunks::<32>();
    let took: i64 = row.get(4)?;
    Ok(Recipe {
        operation: row.get::<_, Column>(0)?.0,
        place: row.get(1)?,
        label: row.get(2)?,
        inputs: inputs.iter().copied().map(Digest::from_bytes).collect(),
        took: Duration::from_nanos(took.unsigned_abs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_recipe_of_an_operation_and_of_a_place_counts() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let recipe = |operation: &str, label: &str, input: &str| Recipe {
            operation: Digest::of(operation),
            place: "[2/3]".into(),
            label: label.into(),
            inputs: vec![Digest::of("base"), Digest::of(input)],
            took: Duration::from_millis(1500),
        };
        let (first, second) = (recipe("a", "RUN a", "1"), recipe("a", "RUN a", "2"));
        store.add_recipe(&first).unwrap();
        store.add_recipe(&second).unwrap();
        assert_eq!(store.recipe(&Digest::of("a")).unwrap(), Some(second));
        let other = recipe("b", "RUN b", "1");
        store.add_recipe(&other).unwrap();
        assert_eq!(store.recipe_at("[2/3]").unwrap(), Some(other));
        assert_eq!(store.recipe_at("[3/3]").unwrap(), None);
        store.prune(&[]).unwrap();
        assert_eq!(store.recipe(&Digest::of("a")).unwrap(), None);
    }
}
