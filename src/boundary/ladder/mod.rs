//! The values of the ladder, in the order in which a request gets them.
//!
//! Each one proves what was done to get it: its fields are private, one function makes it, and the next rung takes it by value.
//! Where a trait of the application decides, the maker asks that trait itself, so that no other word will do.
//!
//! | Value | Made by | Of |
//! |---|---|---|
//! | [`Charge`](charge::Charge)`<OfClient>` | [`reserve`](charge::reserve) | a limiter's reservation for a guess of a client's credential |
//! | [`AuthenticatedClient`](client::AuthenticatedClient) | [`check`](client::check), [`prove`](client::prove), [`identify`](client::AuthenticatedClient::identify) | a comparison in one step with its charge; a charge and the client's own method; a public client without a secret |
//! | [`PermittedClient`](client::PermittedClient) | [`permit`](client::AuthenticatedClient::permit) | an authenticated client, and a grant type that it may use today |
//! | [`Terms`](terms::Terms) | [`of`](terms::Terms::of) | a permitted client, and a realm and scope that it may have |
//! | [`Charge`](charge::Charge)`<OfAccount>` | [`reserve`](charge::reserve) | a limiter's reservation for a guess of an account's credential |
//! | [`Attempt`](super::verifier::Attempt) | [`charged`](super::verifier::Attempt::charged) | the charge of an account |
//! | [`VerifiedUser`](user::VerifiedUser) | [`verify`](user::verify), [`exchange`](user::exchange) | the verifier's verdict on an attempt; an extension grant's on a request, for a charge |
//! | [`Login`](grant::Login) | [`of`](grant::Login::of) | terms, a verified user and a demand |
//! | [`LookedUp`](exception::LookedUp) | [`look_up`](exception::look_up) | a look-up's answer about a login that the end of its client has reached |
//! | [`Ruled`](ruled::Ruled) | [`ask`](ruled::ask) | a login rule's ruling on a login |
//! | [`Grant`](grant::Grant) | [`weigh`](grant::Login::weigh) | a login that has proven what is demanded of it, and that each login rule has let go on |
//!
//! A login that lacks a second factor is an [`OpenLogin`](open::OpenLogin), which becomes a [`NewChallenge`](challenge::NewChallenge); an
//! access token that enrols a factor makes one, too. It is finished beside them: a challenge that was [`Unsealed`](challenge::Unsealed) and
//! that its own client presents is [`Opened`](challenge::Opened), and what a factor is charged and checked for. A factor that was
//! [`Shown`](factor::Shown) has that challenge in it until the end: it is [`Spent`](factor::Spent), then its user is
//! [`Returning`](factor::Returning), then the factor counts and the user has [`Returned`](factor::Returned), which makes
//! [a login](grant::Login::resumed). So no factor finishes another login than its own. What compares all that is demanded
//! with all that is proven stands in [`clearance`].
//!
//! A refresh climbs beside them: a permitted client and a family of its own make a [`Claim`](terms::Claim), that and a token of
//! the family that is live a [`LiveClaim`](terms::LiveClaim), that and the scope a [`Renewal`](terms::Renewal), the verifier's answer a [`ReverifiedUser`](user::ReverifiedUser), and both
//! [a login](grant::Login::renewed), which is weighed like any other.
//!
//! What uses a charge gives a [`UsedCharge`](charge::UsedCharge) back beside its own value. It pays for nothing any more, and
//! is there to be settled when the request has ended.

mod asking;
pub(crate) mod challenge;
pub(crate) mod charge;
pub(crate) mod clearance;
pub(crate) mod client;
pub(crate) mod delivery;
pub(crate) mod exception;
pub(crate) mod factor;
mod facts;
pub(crate) mod grant;
pub(crate) mod open;
pub(crate) mod ruled;
pub(crate) mod terms;
pub(crate) mod unweighed;
pub(crate) mod user;
