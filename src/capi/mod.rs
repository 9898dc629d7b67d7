//! C ABI (being written).
/// Number of the ABI.
pub const ABI_VERSION: u32 = 1;
