//! Times as configs write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time as RFC 3339 in UTC, with as many digits of the second's fraction as it has (Go's `RFC3339Nano`).
pub fn rfc3339(time: SystemTime) -> String {
    let since = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => i128::try_from(before.duration().as_nanos()).map_or(i128::MIN, |n| -n),
    };
    let seconds = since.div_euclid(1_000_000_000);
    let nanos = since.rem_euclid(1_000_000_000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let fraction = if nanos == 0 {
        String::new()
    } else {
        format!(".{nanos:09}").trim_end_matches('0').to_owned()
    };
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The time so many seconds after (or before) the start of 1970; `SOURCE_DATE_EPOCH`.
pub fn from_epoch(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH - distance
    } else {
        UNIX_EPOCH + distance
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar. Counting years from March makes
/// the leap day the last of its year, so that months have a regular pattern of lengths.
fn civil(days: i128) -> (i128, i128, i128) {
    let since_era = days + 719_468;
    let era = since_era.div_euclid(146_097);
    let day_of_era = since_era.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (1_700_000_000, 120_000_000, "2023-11-14T22:13:20.12Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (4_107_542_400, 1, "2100-03-01T00:00:00.000000001Z"),
        ];
        for (seconds, nanos, expected) in cases {
            let time = from_epoch(seconds) + Duration::from_nanos(nanos);
            assert_eq!(rfc3339(time), expected);
        }
    }
}
