//! What a handle guards: one caller at a time, or several that only read; never a wait.

use crate::error::{Error, Result};
use std::sync::{PoisonError, RwLock, TryLockError};

/// A value behind a handle; `what` names it in messages.
pub(super) struct Guarded<T> {
    what: &'static str,
    lock: RwLock<T>,
}

impl<T> Guarded<T> {
    pub(super) fn new(what: &'static str, value: T) -> Self {
        Guarded { what, lock: RwLock::new(value) }
    }

    /// For functions that change the value. A panic of `work` must leave it usable.
    pub(super) fn exclusive<R>(&self, call: &'static str, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        // Tried, not waited for: the caller who holds it may be this thread, in a callback.
        match self.lock.try_write() {
            Ok(mut value) => work(&mut value),
            Err(TryLockError::Poisoned(value)) => work(&mut value.into_inner()),
            Err(TryLockError::WouldBlock) => Err(self.busy(call)),
        }
    }

    /// For functions that only read, which several threads may do at once.
    pub(super) fn shared<R>(&self, call: &'static str, work: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        match self.lock.try_read().or_else(|error| match error {
            TryLockError::Poisoned(value) => Ok::<_, TryLockError<_>>(PoisonError::into_inner(value)),
            TryLockError::WouldBlock => Err(error),
        }) {
            Ok(value) => work(&value),
            Err(_) => Err(self.busy(call)),
        }
    }

    fn busy(&self, call: &'static str) -> Error {
        let what = self.what;
        let reason = format!(
            "the {what} is at work in another call; a callback must not call into its own {what}, and two threads \
             not into the same one"
        );
        Error::WrongOrder { call, reason }
    }
}
