use super::*;
use crate::kernel::{Chain, ChainOptions};
use crate::rng::{Purpose, Stream};
use crate::score::NativeScore;
use std::sync::Arc;

const SITES: usize = 16;

/// Configurations of white noise of deviation `width`: of the free theory without hopping for width sqrt(1/2).
fn configurations(first: u64, count: u64, width: f64) -> Vec<Vec<f64>> {
    let one = |number: u64| {
        let mut field = vec![0.0; SITES];
        Stream::new(3, 0, number).unwrap().normals(Purpose::Diagnostic, 0, &mut field);
        field.iter_mut().for_each(|value| *value *= width);
        field
    };
    (first..first + count).map(one).collect()
}

fn options(threads: usize) -> TrainOptions {
    TrainOptions { channels: vec![4, 6], embedding: 8, batch: 8, steps: 24, threads, ..TrainOptions::default() }
}

fn training(threads: usize) -> InSitu {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    InSitu::new(lattice, Some(ActionRecord::phi4(0.0, 0.0)), options(threads)).unwrap()
}

fn push(training: &mut InSitu, fields: &[Vec<f64>]) {
    fields.iter().for_each(|field| training.push(field).unwrap());
}

const WIDTH: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// 40 configurations, 8 steps, 40 more, 16 steps: in portions, with other threads, or stopped and restored on
/// the way the bits are the same; with another order of the calls they are not.
#[test]
fn the_same_calls_give_the_same_bits() {
    let (early, late) = (configurations(0, 40, WIDTH), configurations(40, 40, WIDTH));
    let run = |threads: usize, portion: u64, restore: bool| {
        let mut training = training(threads);
        let again = |training: InSitu| {
            let mut other = self::training(2);
            push(&mut other, &configurations(7, 3, 1.0));
            other.restore(&training.checkpoint()).unwrap();
            other
        };
        push(&mut training, &early);
        (0..8 / portion).for_each(|_| assert!(!training.fit(portion, |_| true).unwrap()));
        push(&mut training, &late);
        training = if restore { again(training) } else { training };
        (0..12 / portion).for_each(|_| assert!(!training.fit(portion, |_| true).unwrap()));
        training = if restore { again(training) } else { training };
        assert!(!training.fit(9, |_| true).unwrap(), "finished after 4 of them");
        assert_eq!((training.trainer().unwrap().taken(), training.configurations()), (24, 80));
        training.finish().unwrap()
    };
    let reference = run(1, 4, false);
    assert_eq!(reference.metadata().training.configurations, 64, "four fifths of 80");
    for (threads, portion, restore) in [(1, 4, false), (2, 2, false), (1, 1, true), (1, 4, true)] {
        assert!(run(threads, portion, restore) == reference, "{threads} {portion} {restore}");
    }
    let mut other = training(1);
    push(&mut other, &early);
    push(&mut other, &late);
    other.fit(24, |_| true).unwrap();
    assert!(other.finish().unwrap().parameters() != reference.parameters());
}

#[test]
fn new_configurations_join_at_the_next_fit_and_the_weights_carry_over() {
    let (first, second) = (configurations(0, 40, WIDTH), configurations(40, 60, WIDTH));
    let mut training = training(1);
    push(&mut training, &first);
    training.fit(10, |_| true).unwrap();
    let before = training.trainer().unwrap().adam.state();
    push(&mut training, &second);
    assert_eq!((training.joined, training.configurations()), (40, 100));
    training.fit(0, |_| true).unwrap();
    let trainer = training.trainer().unwrap();
    let after = trainer.adam.state();
    assert!(after.parts == before.parts && after.step == 10 && after.usual == before.usual);
    let all = training.sets(100).unwrap().remove(0).data;
    assert_eq!(trainer.points[0].covariance, all.covariance().unwrap());
    assert_eq!(trainer.points[0].data.training(), 80);
    // A fit without new configurations leaves the trainer alone: its running means stay.
    training.fit(1, |_| true).unwrap();
    assert!(training.trainer().unwrap().progress().step == 11);
}

/// Wide configurations first, then many narrow ones, then wider ones.
#[test]
fn the_range_of_noise_never_shrinks() {
    let mut training = training(1);
    let mut range = |fields: &[Vec<f64>]| {
        push(&mut training, fields);
        training.fit(1, |_| true).unwrap();
        let trainer = training.trainer().unwrap();
        (trainer.log_noise.0, trainer.schedule.noise(1.0), trainer.log_noise.1)
    };
    let wide = range(&configurations(0, 40, 3.0));
    let narrow = range(&configurations(40, 400, 0.3));
    let wider = range(&configurations(440, 400, 9.0));
    assert!(narrow.0 < wide.0 && narrow.1 == wide.1, "{wide:?} {narrow:?}");
    assert!(wider.0 == narrow.0 && wider.1 > narrow.1, "{narrow:?} {wider:?}");
    [wide, narrow, wider].iter().for_each(|range| assert_eq!(range.2, libm::log(range.1)));
}

/// The part that measures a model has trained it at no time, however the data grew.
#[test]
fn held_out_configurations_never_trained() {
    let lattice = Lattice::new(&[1]).unwrap();
    let mut trained = 0;
    for count in 32..700 {
        let data = Dataset::new(lattice.clone(), vec![0.0; count]).unwrap();
        trained = trained.max(data.training());
        assert!(data.held_out().start >= trained && data.held_out().end == count, "{count}");
    }
}

#[test]
fn a_snapshot_adapts_and_a_finished_model_does_not() {
    let mut training = training(1);
    assert!(matches!(training.snapshot(), Err(Error::WrongOrder { .. })));
    assert!(matches!(training.finish(), Err(Error::WrongOrder { .. })));
    push(&mut training, &configurations(0, 80, WIDTH));
    let mut looks = 0;
    let stopped = training.fit(24, |trainer| {
        looks += 1;
        trainer.taken() < 5
    });
    assert!(stopped.unwrap() && looks == 5);
    let chain = |model: Model| Chain::new(Arc::new(NativeScore::new(model).unwrap()), ChainOptions::default());
    for _ in 0..2 {
        let refusal = chain(training.snapshot().unwrap()).err().unwrap().to_string();
        assert!(refusal.contains("still being trained"), "{refusal}");
        let finished = training.finish().unwrap();
        assert!(!finished.metadata().posterior.rows.is_empty());
        assert!(chain(finished).is_ok());
        // The second time after the last step.
        assert!(!training.fit(100, |_| true).unwrap() && training.trainer().unwrap().is_finished());
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_changes_nothing() {
    let lattice = Lattice::new(&[4, 4]).unwrap();
    let refusal = |action: Option<ActionRecord>, change: &dyn Fn(&mut TrainOptions)| {
        let mut options = options(1);
        change(&mut options);
        InSitu::new(lattice.clone(), action, options).err().unwrap().to_string()
    };
    assert!(refusal(None, &|options| options.batch = 0).contains("batch"));
    assert!(refusal(None, &|options| options.largest_noise = Some(0.5)).contains("largest noise"));
    assert!(refusal(None, &|options| options.channels = vec![4, 4, 4, 4]).contains("extents"));
    assert!(refusal(Some(ActionRecord::three_peak(1.0, 0.2)), &|_| {}).contains("components"));

    let mut training = training(1);
    push(&mut training, &configurations(0, 31, WIDTH));
    assert!(training.fit(1, |_| true).unwrap_err().to_string().contains("31"));
    let state = training.checkpoint();
    for bad in [f64::NAN, f64::NEG_INFINITY, 1e39] {
        let mut field = vec![0.0; SITES];
        field[6] = bad;
        let error = training.push(&field).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 6, .. }) && error.to_string().contains("site [1, 2]"));
    }
    assert!(matches!(training.push(&[0.0; 15]), Err(Error::ShapeMismatch { .. })));
    for (position, word) in [(3, "no checkpoint"), (9, "checksum"), (40, "checksum")] {
        let mut damaged = state.clone();
        damaged[position] ^= 1;
        assert!(training.restore(&damaged).unwrap_err().to_string().contains(word), "{position}");
    }
    assert!(training.restore(&state[..3]).is_err() && training.restore(&state[..state.len() - 9]).is_err());
    let mut other = InSitu::new(lattice, None, options(1)).unwrap();
    assert!(other.restore(&state).unwrap_err().to_string().contains("action"));
    assert!(training.checkpoint() == state);
    training.restore(&state).unwrap();
    assert_eq!(training.configurations(), 31);
}
