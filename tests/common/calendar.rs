//! Dates read a second time, without the crate and without a library: microseconds since 1970, rounded down.

/// The microseconds from the beginning to the end of what a query calls a date: a year, a month, a day, an instant.
pub(crate) fn period(text: &str) -> Option<(i128, i128)> {
    const DAY: i128 = 86_400_000_000;
    let number = |text: &str, length: usize| -> Option<i128> {
        (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let Some((date, time)) = text.split_at_checked(10).filter(|(_, time)| !time.is_empty()) else {
        let parts: Vec<&str> = text.split('-').collect();
        let year = number(parts[0], 4)?;
        return Some(match parts.as_slice() {
            [_] => (day(year, 1, 1)? * DAY, day(year + 1, 1, 1)? * DAY),
            [_, month] => {
                let month = number(month, 2)?;
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (day(year, month, 1)? * DAY, day(next.0, next.1, 1)? * DAY)
            }
            [_, month, date] => {
                let from = day(year, number(month, 2)?, number(date, 2)?)?;
                (from * DAY, (from + 1) * DAY)
            }
            _ => return None,
        });
    };
    let (from, _) = period(date).filter(|_| date.len() == 10)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let (clock, zone) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let at = time.rfind(['+', '-'])?;
            let (hours, minutes) = time[at + 1..].split_once(':')?;
            let offset = number(hours, 2)? * 60 + number(minutes, 2)?;
            (&time[..at], if time[at..].starts_with('-') { -offset } else { offset })
        }
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, ""), |(clock, fraction)| (clock, fraction));
    let parts: Vec<i128> = clock.split(':').map(|part| number(part, 2)).collect::<Option<_>>()?;
    let [hour, minute, second] = parts[..] else { return None };
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds = (hour * 60 + minute - zone) * 60 + second;
    let instant = from + seconds * 1_000_000 + micros.parse::<i128>().ok()?;
    Some((instant, instant + 1))
}

/// Days since 1970-01-01, counted year by year and month by month.
fn day(year: i128, month: i128, date: i128) -> Option<i128> {
    let leap = |year: i128| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [31, 28 + i128::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let at = usize::try_from(month - 1).ok().filter(|at| *at < 12)?;
    if date < 1 || date > months[at] {
        return None;
    }
    let years: i128 = if year >= 1970 {
        (1970..year).map(|year| 365 + i128::from(leap(year))).sum()
    } else {
        -(year..1970).map(|year| 365 + i128::from(leap(year))).sum::<i128>()
    };
    Some(years + months[..at].iter().sum::<i128>() + date - 1)
}
