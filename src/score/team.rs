//! A team of worker threads that splits a batch.

use crate::error::{Error, Result};

/// Splits batches over threads. With one thread everything runs on the caller's, and nothing is
/// started or allocated.
pub struct Team {
    pool: Option<rayon::ThreadPool>,
    threads: usize,
}

impl Team {
    /// A team of `threads` threads, at least one.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0 or more than 1024 threads, [`Error::Internal`] when the system refuses them.
    pub fn new(threads: usize) -> Result<Self> {
        if !(1..=1024).contains(&threads) {
            return Err(Error::invalid("threads", threads, "between 1 and 1024"));
        }
        let pool = match threads {
            1 => None,
            _ => {
                let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
                Some(builder.build().map_err(|error| Error::Internal(format!("starting {threads} threads: {error}")))?)
            }
        };
        Ok(Team { pool, threads })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work(worker, item index, item)` for every item; each worker serves one thread at a
    /// time. Which worker serves an item is not fixed, so results must not depend on it.
    pub fn for_each<W: Send, I: Send>(
        &self,
        workers: &mut [W],
        items: &mut [I],
        work: impl Fn(&mut W, usize, &mut I) + Sync,
    ) {
        match &self.pool {
            Some(pool) if items.len() > 1 && workers.len() > 1 => {
                // A shared counter: items may differ in cost, and cores may be shared with others.
                let next = std::sync::Mutex::new(items.iter_mut().enumerate());
                pool.in_place_scope(|scope| {
                    for worker in workers.iter_mut() {
                        let (next, work) = (&next, &work);
                        scope.spawn(move |_| {
                            loop {
                                // The guard must go before the work starts: a statement of its own.
                                let item = next.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
                                let Some((index, item)) = item else { break };
                                work(worker, index, item);
                            }
                        });
                    }
                });
            }
            _ => {
                if let Some(worker) = workers.first_mut() {
                    items.iter_mut().enumerate().for_each(|(index, item)| work(worker, index, item));
                }
            }
        }
    }

    /// As [`Team::for_each`] for items from an iterator, which one thread takes one by one.
    pub fn for_each_of<W: Send, I: Send>(
        &self,
        workers: &mut [W],
        items: impl Iterator<Item = I>,
        work: impl Fn(&mut W, &mut I) + Sync,
    ) {
        match (&self.pool, workers.first_mut()) {
            (None, Some(worker)) => items.for_each(|mut item| work(worker, &mut item)),
            _ => self.for_each(workers, &mut items.collect::<Vec<I>>(), |worker, _, item| work(worker, item)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_served_once_for_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let team = Team::new(threads).unwrap();
            let mut items = vec![0usize; 100];
            let mut served = vec![0usize; threads];
            team.for_each(&mut served, &mut items, |worker, index, item| {
                *worker += 1;
                *item += index;
            });
            assert!(items.iter().enumerate().all(|(index, &item)| index == item));
            assert_eq!(served.iter().sum::<usize>(), 100);
        }
        assert!(Team::new(0).is_err());
    }
}
