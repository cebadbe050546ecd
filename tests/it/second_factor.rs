//! Second factors: the endpoints, the logins that need one, and what cannot be had without.

mod associate;
mod attacks;
mod audience;
mod authenticators;
mod bearer;
mod broken;
mod budgets;
mod bypass;
#[cfg(feature = "tracing")]
mod canaries;
mod challenge;
mod faults;
mod flow;
mod going_on;
mod manual;
mod mounts;
mod out_of_band;
mod paths;
mod races;
mod recovery;
#[cfg(feature = "sqlite")]
mod rows;
mod same_work;
mod settings;
mod step_up;
mod steps;
mod ways;
mod withdrawn;
