//! Items side by side, one per core.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Workers that stay, for many short calls of [`Crew::map`].
///
/// Every worker is a pool of one thread. A tensor library that uses rayon inside of a parallel iterator would, while it
/// waits, take up the next item on the same stack: memory and stack would then grow with the batch. Here at most one
/// item per worker is alive.
pub(crate) struct Crew(Vec<ThreadPool>);

impl Crew {
    /// A crew of `count` workers; for fewer than two the calling thread does the work.
    pub(crate) fn new(count: usize) -> Self {
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build().ok();
        Self(if count < 2 { Vec::new() } else { (0..count).map_while(pool).collect() })
    }

    /// `each` of all `items`, in their order, as many at a time as there are workers.
    ///
    /// A single item runs in the current pool, so that its products of matrices use all of that.
    pub(crate) fn map<T: Sync, R: Send>(&self, items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
        // Where the system gives no thread, this one does the work.
        if self.0.len() < 2 || items.len() < 2 {
            return items.iter().map(each).collect();
        }
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { break };
                let result = each(item);
                done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, result));
            }
        };
        everywhere(&self.0, &work);
        let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// `work` in each of `pools`, at once.
fn everywhere(pools: &[ThreadPool], work: &(impl Fn() + Sync)) {
    if let Some((pool, rest)) = pools.split_first() {
        pool.in_place_scope(|scope| {
            scope.spawn(|_| work());
            everywhere(rest, work);
        });
    }
}

/// `each` of all `items`, in their order; as many at a time as the current rayon pool has threads. See [`Crew`].
pub(crate) fn map<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    Crew::new(rayon::current_num_threads().min(items.len())).map(items, each)
}

/// `work` on one core.
///
/// Small products of matrices take longer on two cores than on one: dividing them costs more than it saves.
#[cfg(feature = "train")]
pub(crate) fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(work),
        // Where the system gives no thread, this one does the work.
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_nested_rayon_works() {
        use rayon::prelude::*;
        let items: Vec<u64> = (0..100).collect();
        let pool = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let out = pool.install(|| map(&items, |&i| (0..i).into_par_iter().sum::<u64>()));
        assert_eq!(out, items.iter().map(|&i| (0..i).sum()).collect::<Vec<u64>>());
        assert!(map(&[] as &[u64], |&i| i).is_empty());
        assert_eq!(map(&[7u64], |&i| i), [7]);
    }

    #[test]
    #[cfg(feature = "train")]
    fn alone_is_a_pool_of_one() {
        assert_eq!(alone(rayon::current_num_threads), 1);
    }

    #[test]
    fn no_more_items_than_threads_are_alive() {
        let pool = ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (alive, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let items = [(); 64];
        pool.install(|| {
            map(&items, |()| {
                most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                alive.fetch_sub(1, Ordering::SeqCst);
            })
        });
        assert!(most.load(Ordering::SeqCst) <= 2);
    }
}
