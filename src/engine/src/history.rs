//! The times in an image's history, and the config that results.

use std::time::SystemTime;

use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::digest::Digest;
use stromatekt_oci::time::{parse_rfc3339, rfc3339};

/// What BuildKit's exporter writes into entries that it adds.
const EXPORTER_COMMENT: &str = "buildkit.exporter.image.v0";

/// Completes `config` with the layers and the times of what was made.
///
/// The first `inherited` entries of the history are the base's, and stay. `layers` are the entries of the history that have a new layer,
/// with the time the layer was made. Entries without a time get that of the entry before them; those before the first new layer get the
/// first new layer's, since the base's time would be too old (BuildKit's exporter does the same). With `epoch` (`SOURCE_DATE_EPOCH`) no
/// new entry is later than that. The image was made when the last entry was. A rebuild from the cache gives the same config: the times
/// are those of the layers, not of the build.
pub(crate) fn complete(
    mut config: ImageConfig,
    inherited: usize,
    diff_ids: Vec<Digest>,
    layers: &[(usize, SystemTime)],
    descriptions: &[String],
    epoch: Option<SystemTime>,
) -> ImageConfig {
    for &(index, made) in layers {
        if let Some(entry) = config.history.get_mut(index)
            && entry.created.is_none()
        {
            entry.created = Some(rfc3339(made));
        }
    }
    add_missing(&mut config.history, descriptions, layers);
    let new = config.history.iter().enumerate().skip(inherited);
    let first_gap = new
        .filter(|(_, entry)| entry.created.is_none())
        .map(|(index, _)| index)
        .next();
    if let Some(gap) = first_gap {
        let (before, after) = config.history.split_at(gap);
        let first_new = after.iter().find_map(|entry| entry.created.clone());
        let last_old = before.last().and_then(|entry| entry.created.clone());
        let mut time = first_new.or(last_old);
        for entry in &mut config.history[gap..] {
            match &entry.created {
                Some(created) => time = Some(created.clone()),
                None => entry.created.clone_from(&time),
            }
        }
    }
    if let Some(epoch) = epoch {
        for entry in config.history.iter_mut().skip(inherited) {
            let created = entry.created.as_deref().and_then(parse_rfc3339);
            if created.is_none_or(|created| created > epoch) {
                entry.created = Some(rfc3339(epoch));
            }
        }
    }
    let mut times = config.history.iter().rev();
    if let Some(last) = times.find_map(|entry| entry.created.clone()) {
        config.created = Some(last);
    }
    config.rootfs.diff_ids = diff_ids;
    config
}

/// Adds entries where there are more layers than entries for them, because a base has none for its own: BuildKit's exporter describes the
/// last layers then, whoever made them. `descriptions` are of all layers, the lowest first.
fn add_missing(
    history: &mut Vec<History>,
    descriptions: &[String],
    layers: &[(usize, SystemTime)],
) {
    let told = history.iter().filter(|entry| !entry.empty_layer).count();
    let missing = descriptions.get(told..).unwrap_or_default();
    for (index, description) in missing.iter().enumerate() {
        let from_top = missing.len() - index;
        let own = layers.len().checked_sub(from_top);
        history.push(History {
            created: own.map(|own| rfc3339(layers[own].1)),
            created_by: description.clone(),
            comment: EXPORTER_COMMENT.to_owned(),
            ..History::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn config(times: &[Option<&str>]) -> ImageConfig {
        let history = times.iter().map(|time| History {
            created: time.map(str::to_owned),
            ..History::default()
        });
        ImageConfig {
            history: history.collect(),
            ..ImageConfig::default()
        }
    }

    fn times(config: &ImageConfig) -> Vec<&str> {
        let times = config.history.iter();
        times.filter_map(|entry| entry.created.as_deref()).collect()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_entry_without_layer_has_the_time_of_the_layer_before_it_or_of_the_first_new_one() {
        let base = "2020-01-01T00:00:00Z";
        let done = complete(
            config(&[Some(base), None, None, None, None]),
            1,
            Vec::new(),
            &[(2, at(10)), (4, at(20))],
            &[],
            None,
        );
        let (ten, twenty) = ("1970-01-01T00:00:10Z", "1970-01-01T00:00:20Z");
        assert_eq!(times(&done), [base, ten, ten, ten, twenty]);
        assert_eq!(done.created.as_deref(), Some(twenty));
    }

    #[test]
    fn a_base_without_times_keeps_none() {
        let done = complete(
            config(&[None, None]),
            1,
            Vec::new(),
            &[(1, at(10))],
            &[],
            None,
        );
        assert_eq!(done.history[0].created, None);
        assert_eq!(times(&done), ["1970-01-01T00:00:10Z"]);
    }

    #[test]
    fn metadata_alone_keeps_the_time_of_the_base() {
        let base = "2020-01-01T00:00:00Z";
        let done = complete(config(&[Some(base), None]), 1, Vec::new(), &[], &[], None);
        assert_eq!(times(&done), [base, base]);
        assert_eq!(done.created.as_deref(), Some(base));
    }

    #[test]
    fn source_date_epoch_is_the_latest_time_of_all_that_is_new() {
        let base = "2020-01-01T00:00:00Z";
        let three = "1970-01-01T00:00:03Z";
        let done = complete(
            config(&[Some(base), None, None, Some(three)]),
            1,
            Vec::new(),
            &[(2, at(10))],
            &[],
            Some(at(5)),
        );
        let five = "1970-01-01T00:00:05Z";
        assert_eq!(times(&done), [base, five, five, three]);
        assert_eq!(done.created.as_deref(), Some(three));
        let nothing_new = complete(config(&[Some(base)]), 1, Vec::new(), &[], &[], Some(at(5)));
        assert_eq!(nothing_new.created.as_deref(), Some(base));
    }

    #[test]
    fn layers_without_an_entry_are_described_at_the_end() {
        let descriptions = ["pulled", "exec"].map(str::to_owned);
        let done = complete(
            config(&[None]),
            0,
            Vec::new(),
            &[(0, at(10))],
            &descriptions,
            None,
        );
        let told = done.history.iter().map(|entry| entry.created_by.as_str());
        assert_eq!(told.collect::<Vec<_>>(), ["", "exec"]);
        assert_eq!(done.history[1].comment, EXPORTER_COMMENT);
        let ten = "1970-01-01T00:00:10Z";
        assert_eq!(times(&done), [ten, ten]);
    }
}
