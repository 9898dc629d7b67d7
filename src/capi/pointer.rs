//! Checked ways from the caller's pointers to Rust values.

use crate::error::{Error, Result};
use std::ffi::{CStr, c_char};
use std::sync::Arc;

/// Refuses NULL and misaligned pointers; `parameter` names it in the message.
pub(super) fn require<T>(parameter: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() {
        return Err(Error::invalid(parameter, "NULL", "a valid pointer; NULL is not allowed here"));
    }
    if !pointer.is_aligned() {
        let expected = format!("an address that is a multiple of {}; was the pointer cast?", align_of::<T>());
        return Err(Error::invalid(parameter, format!("{pointer:p}"), &expected));
    }
    Ok(())
}

/// Where a result goes, when nothing can fail any more.
pub(super) struct Output<T>(*mut T);

impl<T> Output<T> {
    /// # Safety
    /// A pointer that is not NULL must be valid for writing one `T`.
    pub(super) unsafe fn new(parameter: &str, pointer: *mut T) -> Result<Self> {
        require(parameter, pointer)?;
        Ok(Output(pointer))
    }

    /// As [`Output::new`], with NULL for "not wanted".
    ///
    /// # Safety
    /// As [`Output::new`].
    pub(super) unsafe fn optional(parameter: &str, pointer: *mut T) -> Result<Self> {
        if pointer.is_null() { Ok(Output(pointer)) } else { unsafe { Self::new(parameter, pointer) } }
    }

    pub(super) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: promised to the constructor.
            unsafe { self.0.write(value) }
        }
    }

    /// Writes no more than the first `bytes` of a value: the members that an older version of a struct has too.
    ///
    /// # Safety
    /// The pointer must be valid for writing `bytes`, of which `T` has at least as many.
    pub(super) unsafe fn set_first_bytes(&self, value: &T, bytes: usize) {
        // SAFETY: promised by the caller.
        unsafe { self.0.cast::<u8>().copy_from_nonoverlapping(std::ptr::from_ref(value).cast(), bytes) }
    }
}

/// Gives a new handle to the caller.
pub(super) fn into_handle<T>(value: T) -> *mut T {
    Arc::into_raw(Arc::new(value)).cast_mut()
}

/// A reference of the call's own to what the caller's handle names.
///
/// # Safety
/// A pointer that is not NULL must come from [`into_handle`] and not have been given to [`release`].
pub(super) unsafe fn from_handle<T>(parameter: &str, handle: *const T) -> Result<Arc<T>> {
    require(parameter, handle)?;
    // SAFETY: a live handle owns one reference; a second one is added for the returned Arc.
    unsafe {
        Arc::increment_strong_count(handle);
        Ok(Arc::from_raw(handle))
    }
}

/// Takes a handle back; NULL is allowed.
///
/// # Safety
/// As [`from_handle`].
pub(super) unsafe fn release<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: the caller hands over the reference that `into_handle` gave out. A panic in a
        // destructor has nowhere to go.
        let _ = super::guard::catch(|| unsafe { drop(Arc::from_raw(handle)) });
    }
}

/// `length` values at `pointer`.
///
/// # Safety
/// A pointer that is not NULL must be valid for reading `length` values for the time of the call.
pub(super) unsafe fn slice<'a, T>(parameter: &str, pointer: *const T, length: usize) -> Result<&'a [T]> {
    require(parameter, pointer)?;
    if length.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(Error::invalid(&format!("length of {parameter}"), length, "a length that fits into memory"));
    }
    // SAFETY: promised by the caller; alignment and size were checked.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// A string of the caller.
///
/// # Safety
/// A pointer that is not NULL must lead to a string that ends with NUL.
pub(super) unsafe fn string<'a>(parameter: &str, pointer: *const c_char) -> Result<&'a CStr> {
    require(parameter, pointer)?;
    // SAFETY: promised by the caller.
    Ok(unsafe { CStr::from_ptr(pointer) })
}

/// A struct of the ABI that starts with `size_t struct_size`.
pub(super) trait Versioned: Copy {
    /// Function that sets the size.
    const INITIALISER: &'static str;
    /// Bytes of the members that every version has.
    const LEAST: usize = size_of::<Self>();
}

/// Checks that the struct of the caller has at least the fields that this version knows.
///
/// # Safety
/// A pointer that is not NULL must be valid for the number of bytes that its `struct_size` says.
pub(super) unsafe fn require_size<T: Versioned>(parameter: &str, pointer: *const T) -> Result<()> {
    require(parameter, pointer)?;
    // SAFETY: every struct of the ABI starts with its size. Nothing behind is touched before the check.
    let size = unsafe { pointer.cast::<usize>().read() };
    if size < T::LEAST {
        let expected = format!("at least {} bytes, as {} sets it", T::LEAST, T::INITIALISER);
        return Err(Error::invalid(&format!("{parameter}->struct_size"), size, &expected));
    }
    Ok(())
}

/// Copies a struct of the caller.
///
/// # Safety
/// As [`require_size`].
pub(super) unsafe fn versioned<T: Versioned>(parameter: &str, pointer: *const T) -> Result<T> {
    // SAFETY: promised by the caller; the struct has all fields of `T`, which are plain numbers.
    unsafe {
        require_size(parameter, pointer)?;
        Ok(pointer.read())
    }
}

/// A buffer of `length` zeros, or an error where `vec![]` would abort the host.
pub(super) fn zeros(purpose: &'static str, length: usize) -> Result<Vec<f64>> {
    let mut buffer = Vec::new();
    let bytes = length.saturating_mul(size_of::<f64>());
    buffer.try_reserve_exact(length).map_err(|_| Error::OutOfMemory { bytes, purpose })?;
    buffer.resize(length, 0.0);
    Ok(buffer)
}

/// Asks for `count` doubles and gives them back: code that allocates later would abort where this
/// returns an error. Systems that promise more than they have (overcommit) are not seen through.
pub(super) fn require_memory(purpose: &'static str, count: Option<usize>) -> Result<()> {
    let count = count.unwrap_or(usize::MAX);
    let bytes = count.saturating_mul(size_of::<f64>());
    Vec::<f64>::new().try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes, purpose })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misaligned_pointers_and_impossible_sizes_are_errors() {
        let values = [0.0f64; 2];
        let shifted = values.as_ptr().cast::<u8>().wrapping_add(1).cast::<f64>();
        assert!(require("field", shifted).unwrap_err().to_string().starts_with("field = 0x"));
        assert!(unsafe { slice("fields", values.as_ptr(), usize::MAX / 8) }.is_err());
        assert!(matches!(zeros("a test", usize::MAX / 16), Err(Error::OutOfMemory { .. })));
        assert!(matches!(require_memory("a test", None), Err(Error::OutOfMemory { .. })));
        assert!(require_memory("a test", Some(1000)).is_ok());
    }
}
