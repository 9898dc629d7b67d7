//! A trained model at another place, and on disk.

use super::guard::guard;
use super::lattice::checked_rank;
use super::model::{stoq_model_t, to_path};
use super::pointer::{Output, from_handle, require, require_memory, slice, string};
use super::status::stoq_status_t;
use crate::action::ActionRecord;
use crate::error::{Error, Result};
use crate::lattice::Lattice;
use crate::model::Model;
use crate::score::NativeScore;
use std::ffi::c_char;

/// The same network on another lattice, or at other couplings. The weights carry over; the Gaussian part and the
/// measured errors are those of the place if the network was trained there, and otherwise follow from the
/// places where it was. A chain with the model is exact all the same; what the guess is off costs acceptance.
///
/// One coupling, with the lattice as it is: stoq_model_at(model, 0, NULL, 1, &name, &value, &moved).
///
/// @param[in]  model    borrowed; a trained one, not changed.
/// @param[in]  rank     number of extents, the rank of the model. 0: the lattice of the model; `extents` is then
///                      not read.
/// @param[in]  extents  borrowed; sites along each axis, slowest axis first.
/// @param[in]  count    number of couplings to set; 0: none, and the next two are not read.
/// @param[in]  names    borrowed; such as "kappa", each ends with NUL. Couplings that the network was trained to
///                      see: the metadata "conditions" list them.
/// @param[in]  values   borrowed; the couplings. A quarter of the half width of the trained range is allowed
///                      beyond its ends.
/// @param[out] moved    transferred to the caller, who frees it with stoq_model_free(). Unchanged on
///                      failure.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT, STOQ_OUT_OF_MEMORY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_at(
    model: *const stoq_model_t,
    rank: u32,
    extents: *const usize,
    count: usize,
    names: *const *const c_char,
    values: *const f64,
    moved: *mut *mut stoq_model_t,
) -> stoq_status_t {
    guard(|| {
        // SAFETY: what the comment of the function asks of its caller; so in all functions below.
        let (model, moved) = unsafe { (from_handle("model", model)?, Output::new("moved", moved)?) };
        let trained = trained(&model)?;
        let extents = match rank {
            0 => &trained.metadata().extents[..],
            // SAFETY: see above; the rank is checked before that many extents are read.
            _ => unsafe { slice("extents", extents, checked_rank("rank", rank)?)? },
        };
        let mut action = trained.metadata().action.clone();
        if count > 0 {
            require("values", values)?;
            // SAFETY: see above.
            let (names, values) = unsafe { (slice("names", names, count)?, slice("values", values, count)?) };
            for (index, (&name, &value)) in names.iter().zip(values).enumerate() {
                // SAFETY: see above.
                let name = unsafe { string(&format!("names[{index}]"), name)? };
                set(trained, &mut action, &name.to_string_lossy(), value)?;
            }
        }
        let lattice = Lattice::new(extents)?;
        // Neighbours, spectra, and the table of errors.
        require_memory("a model", lattice.sites().checked_mul(128 * trained.metadata().components))?;
        moved.set(stoq_model_t::create(trained.at(extents, action.as_ref())?)?);
        Ok(())
    })
}

/// The model, if it is a trained one.
fn trained(model: &stoq_model_t) -> Result<&Model> {
    let found = model.trained.as_deref().map(NativeScore::model);
    found.ok_or_else(|| Error::invalid("model", "an analytic or exported one", "a model that stoq trained"))
}

/// Sets a coupling that the network sees.
fn set(model: &Model, action: &mut Option<ActionRecord>, name: &str, value: f64) -> Result<()> {
    let seen: Vec<&str> = model.metadata().conditions.iter().map(|condition| condition.coupling.as_str()).collect();
    let coupling = action.as_mut().filter(|_| seen.contains(&name)).and_then(|action| action.couplings.get_mut(name));
    let Some(coupling) = coupling else {
        let expected = match seen.is_empty() {
            true => "no coupling: this network was trained at one set of them".to_string(),
            false => format!("one that the network was trained to see: {}", seen.join(", ")),
        };
        return Err(Error::invalid("coupling", name, &expected));
    };
    *coupling = value;
    Ok(())
}

/// Writes a trained model to a file, whole or not at all, which stoq_model_load() reads.
///
/// @param[in] model  borrowed; a trained one.
/// @param[in] path   borrowed; name of the file, ends with NUL. An existing one is replaced.
/// @return STOQ_OK, STOQ_INVALID_ARGUMENT for an analytic model, STOQ_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn stoq_model_save(model: *const stoq_model_t, path: *const c_char) -> stoq_status_t {
    guard(|| {
        // SAFETY: see stoq_model_at.
        let (model, path) = unsafe { (from_handle("model", model)?, string("path", path)?) };
        trained(&model)?.save(to_path(path)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::status::{STOQ_INVALID_ARGUMENT, STOQ_OK, last_error};
    use crate::capi::stoq_model_free;
    use crate::rng::{Purpose, Stream};
    use crate::train::{Dataset, TrainOptions, Trainer, TrainingSet};
    use std::ptr::{null, null_mut};

    /// Trained (for no step) at kappa = 0 on white noise of two widths, called kappa = 0.1 and 0.2.
    fn conditioned() -> Model {
        let lattice = Lattice::new(&[4, 4]).unwrap();
        let set = |(number, width): (u64, f64)| {
            let mut values = vec![0.0; 64 * lattice.sites()];
            Stream::new(5, 0, number).unwrap().normals(Purpose::Diagnostic, 0, &mut values);
            let data = Dataset::new(lattice.clone(), values.iter().map(|x| (width * x) as f32).collect()).unwrap();
            TrainingSet { data, action: Some(ActionRecord::phi4(0.1 * number as f64, 0.0)) }
        };
        let conditions = vec!["kappa".to_string()];
        let base = TrainOptions { channels: vec![4], embedding: 8, steps: 0, ..TrainOptions::default() };
        let sets = [(1, 0.8), (2, 1.2)].map(set).into();
        Trainer::with_sets(sets, TrainOptions { conditions, ..base }).unwrap().finish().unwrap()
    }

    #[test]
    fn lattice_and_couplings_arrive_where_they_belong() {
        let model = conditioned();
        let handle = stoq_model_t::create(model.clone()).unwrap();
        let moved_to = |extents: &[usize], couplings: &[(&std::ffi::CStr, f64)]| {
            let (names, values): (Vec<_>, Vec<_>) = couplings.iter().map(|&(n, v)| (n.as_ptr(), v)).unzip();
            let mut moved = null_mut();
            // SAFETY: a live handle, slices of the lengths given; the new handle is freed once.
            unsafe {
                let (rank, count) = (extents.len() as u32, values.len());
                let status =
                    stoq_model_at(handle, rank, extents.as_ptr(), count, names.as_ptr(), values.as_ptr(), &mut moved);
                if status != STOQ_OK {
                    assert!(status == STOQ_INVALID_ARGUMENT && moved.is_null());
                    return Err(last_error());
                }
                let found = trained(&from_handle("moved", moved).unwrap()).unwrap().clone();
                stoq_model_free(moved);
                Ok(found)
            }
        };
        assert!(moved_to(&[], &[]).unwrap() == model.at(&[4, 4], None).unwrap());
        assert!(moved_to(&[8, 4], &[]).unwrap() == model.at(&[8, 4], None).unwrap());
        let action = ActionRecord::phi4(0.16, 0.0);
        assert!(moved_to(&[], &[(c"kappa", 0.16)]).unwrap() == model.at(&[4, 4], Some(&action)).unwrap());
        assert!(moved_to(&[8, 8], &[(c"kappa", 0.16)]).unwrap() == model.at(&[8, 8], Some(&action)).unwrap());
        for (extents, couplings, word) in [
            (&[4, 4][..], &[(c"lambda", 0.1)][..], "trained to see: kappa"),
            (&[], &[(c"kappa", 0.3)], "kappa = 0.3"),
            (&[], &[(c"kappa", f64::NAN)], "kappa = NaN"),
            (&[4], &[], "rank of the model"),
            (&[4, 0], &[], "extents"),
            (&[4, 4, 4, 4, 4], &[], "rank"),
        ] {
            let refusal = moved_to(extents, couplings).unwrap_err();
            assert!(refusal.contains(word), "{refusal}");
        }
        // SAFETY: as above.
        unsafe {
            let mut moved = null_mut();
            assert_eq!(stoq_model_at(handle, 0, null(), 1, null(), null(), &mut moved), STOQ_INVALID_ARGUMENT);
            stoq_model_free(handle);
        }
    }
}
