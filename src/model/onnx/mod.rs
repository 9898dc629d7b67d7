//! stub
use super::Model;
use crate::error::Result;
pub fn from_bytes(_b: &[u8], _n: &str) -> Result<Model> { todo!() }
pub fn to_bytes(_m: &Model) -> Result<Vec<u8>> { todo!() }
