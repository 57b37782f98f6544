//! Dates: instants as RFC 3339 writes them, and days; the nanoseconds since 1970 that columns keep of them.
//!
//! A column of dates has microseconds from 1677-09-21 to 2262-04-11, the first and the last day that 64 bits of nanoseconds
//! reach. A day, and a year or a month in a query, is the time from its beginning in UTC to that of the next.

use tantivy::DateTime;
use tantivy::schema::DateTimePrecision;
use tantivy::time::format_description::well_known::Rfc3339;
use tantivy::time::{Date, Month, OffsetDateTime};

/// What a date field holds, for errors.
pub(crate) const FORM: &str = "a day or a time as RFC 3339 has it, from 1677-09-22 to 2262-04-10, such as 2024-05-01 or 2024-05-01T10:00:00Z";

/// Nanoseconds that the columns of this crate's date fields tell apart.
const MICROSECOND: i128 = 1_000;
const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// Bytes of the longest date: a fraction of a second may have any number of digits.
const LONGEST: usize = 64;

/// A stretch of time, in nanoseconds since 1970, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: i128,
    pub(crate) to: i128,
}

/// What a date field keeps of `text`; `None` for what is no date, or one that its column does not reach.
pub(crate) fn read(text: &str) -> Option<DateTime> {
    let instant = instant(text).or_else(|| day(text))?;
    // Down, also before 1970, so that no instant enters the next day.
    let floor = instant.div_euclid(MICROSECOND) * MICROSECOND;
    i64::try_from(floor).ok().map(DateTime::from_timestamp_nanos)
}

impl Period {
    /// What `text` stands for in a query: an instant, which lasts as long as `resolution` tells no two apart, or a whole day, month
    /// or year. Columns of other apps have what the host makes of an instant: nearer to 1970 (`is_own` is false).
    pub(crate) fn of(text: &str, resolution: i128, is_own: bool) -> Option<Self> {
        if let Some(instant) = instant(text) {
            let steps = if is_own { instant.div_euclid(resolution) } else { instant / resolution };
            let from = steps * resolution;
            return Some(Self { from, to: from + resolution });
        }
        if let Some(from) = day(text) {
            return Some(Self { from, to: from + DAY });
        }
        let (year, month) = text.split_once('-').map_or((text, None), |(year, month)| (year, Some(month)));
        let year = digits(year, 4)?;
        let (month, next) = match month {
            None => (1, (year + 1, 1)),
            Some(month) => match digits(month, 2)? {
                12 => (12, (year + 1, 1)),
                month => (month, (year, month + 1)),
            },
        };
        Some(Self { from: midnight(year, month, 1)?, to: midnight(next.0, next.1, 1)? })
    }

    /// Nanoseconds between the instants that a column of this precision tells apart.
    pub(crate) fn resolution(precision: DateTimePrecision) -> i128 {
        use DateTimePrecision as P;
        match precision {
            P::Seconds => SECOND,
            P::Milliseconds => 1_000_000,
            P::Microseconds => MICROSECOND,
            P::Nanoseconds => 1,
        }
    }
}

/// What dates are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Day,
    Month,
    Year,
}

impl Unit {
    pub(crate) const ALL: [(&'static str, Self); 3] =
        [("day", Self::Day), ("month", Self::Month), ("year", Self::Year)];

    /// The period that `date` is in, as a number that grows with time.
    pub(crate) fn of(self, date: DateTime) -> i64 {
        let nanos = i128::from(date.into_timestamp_nanos());
        let days = nanos.div_euclid(DAY) as i64;
        if self == Self::Day {
            return days;
        }
        // Every day of 64 bits of nanoseconds is one of the calendar.
        let date = date_of(days);
        let (year, month) = (i64::from(date.year()), i64::from(u8::from(date.month())));
        if self == Self::Year { year } else { 12 * year + month - 1 }
    }

    /// The period as a query names it: `2024-05-01`, `2024-05`, `2024`.
    pub(crate) fn name(self, period: i64) -> String {
        match self {
            Self::Day => {
                let date = date_of(period);
                format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
            }
            Self::Month => format!("{:04}-{:02}", period.div_euclid(12), period.rem_euclid(12) + 1),
            Self::Year => format!("{period:04}"),
        }
    }
}

/// The day so many days after 1970-01-01.
fn date_of(days: i64) -> Date {
    let epoch = OffsetDateTime::UNIX_EPOCH.date();
    let days = i32::try_from(days).unwrap_or_default();
    Date::from_julian_day(epoch.to_julian_day().saturating_add(days)).unwrap_or(epoch)
}

fn instant(text: &str) -> Option<i128> {
    // The parser takes any sign between day and time.
    let parts = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
    if !parts || !text.is_ascii() || text.len() > LONGEST {
        return None;
    }
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp_nanos)
}

/// The beginning of a day written as `2024-05-01`.
fn day(text: &str) -> Option<i128> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    midnight(digits(year, 4)?, digits(month, 2)?, digits(day, 2)?)
}

fn midnight(year: u16, month: u16, day: u16) -> Option<i128> {
    if year == 0 {
        return None;
    }
    // The first day after the calendar of four digits.
    if (year, month, day) == (10_000, 1, 1) {
        return Some(midnight(9_999, 12, 31)? + DAY);
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    Some(i128::from(date.midnight().assume_utc().unix_timestamp()) * SECOND)
}

/// A number of so many digits.
fn digits(text: &str, length: usize) -> Option<u16> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Option<i64> {
        read(text).map(DateTime::into_timestamp_nanos)
    }

    #[test]
    fn instants_and_days_are_dates_and_nothing_else_is() {
        let day = 86_400_000_000_000;
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1970-01-02", day),
            ("1969-12-31", -day),
            ("2024-02-29", 19_782 * day),
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01 00:00:00+00:00", 0),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1969-12-31T19:30:00-04:30", 0),
            ("1970-01-01T00:00:00.5Z", 500_000_000),
            ("1970-01-01T00:00:00.123456789Z", 123_456_000),
            ("1969-12-31T23:59:59.9999999Z", -1_000),
            ("1970-01-01T00:00:00.00000000000000000001Z", 0),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "1970",
            "1970-01",
            "1970-1-1",
            "19700101",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-02-30",
            "2023-02-29",
            "1970-13-01",
            "1970-00-10",
            "1970-01-01Z",
            "1970-01-01T00:00:00+0200",
            " 1970-01-01",
            "1970-01-01 ",
            "1970-01-01_00:00:00Z",
            "+1970-01-01",
            "-001-01-01",
            "0000-01-01",
            "10000-01-01",
            "１９７０-01-01",
            "1970-01-01T00:00:00.Z",
            "today",
            "1970/01/01",
            "1970-01-01\u{e9}00:00:00Z",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
        let long = format!("1970-01-01T00:00:00.{}Z", "0".repeat(LONGEST));
        assert_eq!(nanos(&long), None);
    }

    #[test]
    fn the_column_ends_where_64_bits_of_nanoseconds_do() {
        for (text, is_date) in [
            ("1677-09-21", false),
            ("1677-09-21T00:12:43.145225Z", true),
            ("1677-09-21T00:12:43.145224Z", false),
            ("1677-09-22", true),
            ("2262-04-11", true),
            ("2262-04-11T23:47:16.854775807Z", true),
            ("2262-04-11T23:47:16.854776Z", false),
            ("2262-04-12", false),
            ("0001-01-01", false),
            ("9999-12-31", false),
        ] {
            assert_eq!(read(text).is_some(), is_date, "{text}");
        }
    }

    #[test]
    fn periods_go_from_their_beginning_to_the_next_one() {
        let of = |text: &str| Period::of(text, MICROSECOND, true).map(|period| (period.from, period.to));
        let at = |text: &str| i128::from(nanos(text).unwrap());
        assert_eq!(of("2024"), Some((at("2024-01-01"), at("2025-01-01"))));
        assert_eq!(of("2024-02"), Some((at("2024-02-01"), at("2024-03-01"))));
        assert_eq!(of("2023-12"), Some((at("2023-12-01"), at("2024-01-01"))));
        assert_eq!(of("2024-02-29"), Some((at("2024-02-29"), at("2024-03-01"))));
        let instant = at("2024-02-29T10:00:00Z");
        assert_eq!(of("2024-02-29T10:00:00.0000009Z"), Some((instant, instant + MICROSECOND)));
        let day = of("9999-12-31").unwrap();
        assert_eq!(of("9999").unwrap().1, day.1);
        assert_eq!(of("9999-12").unwrap().1, day.1);
        assert!(of("0001").unwrap().0 < i128::from(i64::MIN));
        for text in
            ["", "24", "2024-", "2024-13", "2024-00", "2024-1", "0000", "20245", "2024-02-30", "-2024"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_period_is_named_as_queries_name_it() {
        for text in ["2024-02-29", "1969-12-31", "1677-09-22", "2262-04-11", "2000-01-01"] {
            let date = read(text).unwrap();
            for (unit, name) in [(Unit::Day, text), (Unit::Month, &text[..7]), (Unit::Year, &text[..4])] {
                assert_eq!(unit.name(unit.of(date)), name);
                let period = Period::of(name, MICROSECOND, true).unwrap();
                let nanos = i128::from(date.into_timestamp_nanos());
                assert!(period.from <= nanos && nanos < period.to, "{text} {name}");
            }
        }
    }
}
