//! Statistics of Markov chains and of weighted proposals.

pub mod autocorrelation;
mod autocovariance;
mod bins;
pub mod chains;
mod complex_moments;
pub mod cumulant_flow;
pub mod cumulants;
pub mod effective_action;
pub mod exact;
pub mod fokker_planck;
pub mod gauge_observables;
mod gauge_reweighting;
pub mod histogram;
pub mod jackknife;
pub mod likelihood;
pub mod measurements;
pub mod observables;
pub mod selftest;
pub mod stream;
pub mod two_point;
pub mod u1_exact;
pub mod weights;

pub use autocorrelation::{Estimate, autocorrelation_function, gamma_method, gamma_method_derived};
pub use chains::{BootstrapEstimate, BootstrapOptions, bootstrap, jackknife_of_chains};
pub use complex_moments::exact_complex_moments;
pub use cumulant_flow::{FlowPoint, FlowSample, backward_flow, forward_flow};
pub use cumulants::{BinnedComplexMoments, BinnedCumulants, CumulantAccumulator, CumulantEstimates, Symmetry};
pub use effective_action::{effective_action_flow, toy_action_flow};
pub use exact::{cumulants_of_moments, forward_cumulants, mixture_moments, toy_moments};
pub use fokker_planck::{Density, FokkerPlanck, FokkerPlanckOptions, score_along};
pub use gauge_observables::{GaugeSeries, GaugeSummary};
pub use gauge_reweighting::{ReweightedGauge, reweighting_efficiency};
pub use histogram::{SeriesHistogram, TwoSampleTest, chi_squared_test, kolmogorov_smirnov};
pub use jackknife::JackknifeEstimate;
pub use likelihood::{ActionAgreement, action_agreement};
pub use measurements::Measurements;
pub use observables::{FieldSeries, MagnetisationSummary};
pub use selftest::{SelftestOptions, selftest};
pub use stream::{BinnedMeans, Correlator, ReportOptions, ReportRow, ReportStream};
pub use two_point::{MomentumClass, MomentumPower, TwoPoint};
pub use u1_exact::{U1Exact, bessel_ratios};
pub use weights::{
    WeightEstimate, effective_sample_size, independence_acceptance, log_mean_weight, reweighted_mean, var_log_weight,
};
