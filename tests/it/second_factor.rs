//! Second factors: the endpoints, the logins that need one, and what cannot be had without.

mod associate;
mod audience;
mod authenticators;
mod bearer;
mod bypass;
mod challenge;
mod flow;
mod mounts;
mod out_of_band;
mod paths;
mod recovery;
mod step_up;
mod steps;
mod ways;
