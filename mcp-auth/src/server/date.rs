//! Days of the calendar in settings and messages.

use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// The beginning of a day in UTC, in milliseconds since 1970. `None` if the text is not a day in
/// the form `YYYY-MM-DD`, or if the day is before 1970.
pub(super) fn beginning_of(date: &str) -> Option<u64> {
    // The comparison refuses years with a sign, which the parser accepts.
    let day = Date::parse(date, format_description!("[year]-[month]-[day]"))
        .ok()
        .filter(|day| day.to_string() == date)?;
    let seconds = day.midnight().assume_utc().unix_timestamp();
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

/// The UTC day of a time in milliseconds since 1970, as `YYYY-MM-DD`.
pub(super) fn day_of(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).ok();
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map_or_else(String::new, |time| time.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc_and_is_written_in_the_form_that_was_read() {
        for (date, ms) in [
            ("1970-01-01", 0),
            ("2026-11-28", 1_795_824_000_000),
            ("2028-02-29", 1_835_395_200_000),
        ] {
            assert_eq!(beginning_of(date), Some(ms), "{date}");
            assert_eq!(day_of(ms + 86_399_999), date);
        }
    }

    #[test]
    fn a_text_that_is_not_a_day_is_refused() {
        for date in [
            "",
            "2027",
            "2027-3-1",
            "2027-02-30",
            "2027-13-01",
            "01.03.2027",
            "2027-03-01T00:00:00Z",
            "1969-12-31",
            " 2027-03-01",
            "2027-W09-1",
            "+2027-03-01",
        ] {
            assert_eq!(beginning_of(date), None, "{date:?}");
        }
    }
}
