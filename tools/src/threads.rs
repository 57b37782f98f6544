//! How many threads the process uses, told to every library that has a pool.

use std::num::NonZero;
use std::thread::available_parallelism;

use uncsm_index::limits::{self, THREADS};
use uncsm_index::{Error, ErrorCode, Result};

/// Read by rayon when a pool starts, and by candle at every product of matrices: without it candle counts the cores
/// anew each time, by reading files.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Sets `RAYON_NUM_THREADS` to the number that `--threads` gave, else to what the system grants; one that the user has
/// set stays where there is no flag. A pool that has started keeps its number.
///
/// # Safety
/// No other thread reads or writes the environment meanwhile: where the system's own functions do, they may read freed memory.
#[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
pub unsafe fn tell_libraries(flag: Option<usize>) {
    let granted = || available_parallelism().map_or(1, NonZero::get);
    if let Some(count) = count(flag, std::env::var(VARIABLE).ok().as_deref(), granted) {
        // SAFETY: the caller's promise.
        unsafe { std::env::set_var(VARIABLE, count.to_string()) };
    }
}

/// The number to set; none where that of the environment holds. No library heeds a number that is none, or 0.
fn count(flag: Option<usize>, environment: Option<&str>, granted: impl Fn() -> usize) -> Option<usize> {
    let positive = |n: &usize| *n > 0;
    let users = || environment.and_then(|text| text.parse().ok()).filter(positive);
    match flag.filter(positive) {
        None if users().is_some() => None,
        flag => Some(flag.unwrap_or_else(granted)),
    }
}

/// Refuses more threads than a pool may have.
fn check(what: &str, threads: usize) -> Result<()> {
    if threads > THREADS {
        return Err(limits::over(format!("{what} asks for too many threads"), THREADS, threads, "threads")
            .hint("no more threads than cores are of use"));
    }
    Ok(())
}

/// Gives the pool that most work runs in as many threads as `--threads` says.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for 0, and where the system has not as many; [`ErrorCode::TooLarge`] above [`THREADS`], which
/// holds for the variable of the environment too.
pub fn limit(flag: Option<usize>) -> Result<()> {
    let Some(threads) = flag else {
        let users = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        return users.map_or(Ok(()), |threads| check(VARIABLE, threads));
    };
    if threads == 0 {
        return Err(Error::new(ErrorCode::BadArgument, "--threads is 0").expected("at least 1"));
    }
    check("--threads", threads)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::new(ErrorCode::BadArgument, format!("--threads: {e}")).source(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_environment_and_that_before_the_system() {
        let with = |flag, environment| count(flag, environment, || 7);
        assert_eq!(with(Some(3), None), Some(3));
        assert_eq!(with(Some(3), Some("5")), Some(3));
        assert_eq!(with(None, Some("5")), None);
        assert_eq!(with(None, None), Some(7));
        for nothing in ["", "0", "-1", "many"] {
            assert_eq!(with(None, Some(nothing)), Some(7), "{nothing:?}");
        }
        // Refused by `limit`.
        assert_eq!(with(Some(0), None), Some(7));
    }

    #[test]
    fn threads_have_a_limit() {
        assert!(check("--threads", THREADS).is_ok());
        let error = check("--threads", THREADS + 1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert!(error.to_string().contains("(expected at most 1024 threads, got 1025 threads)"), "{error}");
    }

    /// Variables belong to a process, and nothing else may run in one whose variables are set: a child is that process.
    #[test]
    fn a_process_is_told() {
        const CHILD: &str = "threads::tests::in_a_process_of_its_own";
        let granted = available_parallelism().unwrap().to_string();
        for (flag, environment, expected) in
            [("3", None, "3"), ("3", Some("5"), "3"), ("", Some("5"), "5"), ("", None, granted.as_str())]
        {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child
                .args(["--exact", CHILD, "--ignored", "--test-threads", "1"])
                .env_remove(VARIABLE)
                .envs(environment.map(|number| (VARIABLE, number)))
                .env("UNCSM_TEST_FLAG", flag)
                .env("UNCSM_TEST_EXPECTED", expected);
            let out = child.output().unwrap();
            let said = String::from_utf8_lossy(&out.stdout);
            assert!(out.status.success() && said.contains("1 passed"), "{flag:?}, {environment:?}: {said}");
        }
    }

    #[test]
    #[ignore = "a child process of a_process_is_told"]
    fn in_a_process_of_its_own() {
        let variable = |name| std::env::var(name).unwrap();
        // This one, and that of the harness.
        #[cfg(target_os = "linux")]
        assert!(std::fs::read_dir("/proc/self/task").unwrap().count() <= 2);
        // SAFETY: the thread of the harness only waits for this one.
        #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
        unsafe {
            tell_libraries(variable("UNCSM_TEST_FLAG").parse().ok())
        };
        assert_eq!(variable(VARIABLE), variable("UNCSM_TEST_EXPECTED"));
        assert_eq!(rayon::current_num_threads().to_string(), variable("UNCSM_TEST_EXPECTED"));
    }
}
