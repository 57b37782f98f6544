//! Dates and times as ISO 8601.

use arrow_schema::TimeUnit;

const DAY: i64 = 86_400;

/// Ticks of `unit` in a second, and the digits of such a fraction.
pub(super) fn ticks(unit: &TimeUnit) -> (i64, usize) {
    match unit {
        TimeUnit::Second => (1, 0),
        TimeUnit::Millisecond => (1_000, 3),
        TimeUnit::Microsecond => (1_000_000, 6),
        TimeUnit::Nanosecond => (1_000_000_000, 9),
    }
}

/// `YYYY-MM-DD` of a number of days since 1970-01-01, in the Gregorian calendar. Years outside of 0 to 9999 have a sign.
pub(super) fn date(days: i64) -> String {
    // Eras of 400 years have equal lengths; a year that begins in March has its leap day last.
    let shifted = i128::from(days) + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// `HH:MM:SS` with the fraction where there is one, of ticks since midnight.
pub(super) fn time(value: i64, (per_second, digits): (i64, usize)) -> String {
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let mut out = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        let written = format!("{fraction:0digits$}");
        out.push('.');
        out.push_str(written.trim_end_matches('0'));
    }
    out
}

/// `YYYY-MM-DDTHH:MM:SS` of ticks since the start of 1970, with the fraction where there is one.
pub(super) fn timestamp(value: i64, unit: (i64, usize)) -> String {
    let day = DAY * unit.0;
    format!("{}T{}", date(value.div_euclid(day)), time(value.rem_euclid(day), unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_centuries() {
        for (days, written) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_844, "2024-05-01"),
            (-25_509, "1900-02-28"),
            (-25_508, "1900-03-01"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
        ] {
            assert_eq!(date(days), written);
        }
        // Every day follows the one before.
        let mut last = date(-200_000);
        for days in -199_999..200_000 {
            let next = date(days);
            assert!(next > last || next.starts_with('-'), "{next}");
            last = next;
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(date(extreme).len() > 10);
            assert!(timestamp(extreme, ticks(&TimeUnit::Nanosecond)).contains('T'));
            assert!(timestamp(extreme, ticks(&TimeUnit::Second)).contains('T'));
        }
    }

    #[test]
    fn times_and_fractions() {
        let (second, milli, nano) =
            (ticks(&TimeUnit::Second), ticks(&TimeUnit::Millisecond), ticks(&TimeUnit::Nanosecond));
        assert_eq!(timestamp(1_714_566_600, second), "2024-05-01T12:30:00");
        assert_eq!(timestamp(1_714_566_600_050, milli), "2024-05-01T12:30:00.05");
        assert_eq!(timestamp(-1, nano), "1969-12-31T23:59:59.999999999");
        assert_eq!(time(86_399, second), "23:59:59");
        assert_eq!(time(3_661_500, milli), "01:01:01.5");
    }
}
