//! The manual: what the pages of the single items do not say.
//!
//! - [When to use it](when_to_use)
//! - [Leaving the grant](leaving): which users still need it, and an end in steps that can be rehearsed
//! - [Your users](your_users): finding them in a table that you have already
//! - [Realms](realms): separate directories of users, and moving out of one
//! - [Login rules](rules): deciding on a login after its credentials were found right
//! - [Second factor](second_factor): the flow, the budgets, and losing a phone
//! - [Mounting](mounting): what works where
//! - [Clients](clients): a login with each library, and how to register a client
//! - [Coming from Auth0](coming_from_auth0): its SDKs against a server of your own
//! - [Defaults](defaults): each one, why, and when to change it
//! - [Operating it](operating): health, metrics, shutdown, backups, and which account a digest in a log stands for
//! - [From one machine to many](many_machines): what servers share, and what each engine promises
//! - [Testing your application](testing_your_application): logins in your own tests
//! - [Errors](errors): every answer and its causes
//! - [Tokens](tokens): refreshing, ending, asking about and using them
//! - [Password hashes](password_hashes): what is read, the column, keys, old tables
//! - [Attack protection](attack_protection): the rules, and what an attacker still can do
//! - [Traits](traits): implementing and testing them
//! - [Your stores](your_stores): users, clients, logins, tokens and counts in a database of your own
//! - [Threat model](threat_model): what is defended here, and what is left to you
//! - [Structure](structure): the rooms of the code, and where to find what
//! - [Security](security): what is promised, and how to report a hole
//! - [Measurements](measurements): each figure, and the command that makes it
//! - [Changelog](changelog)

#[doc = include_str!("when_to_use.md")]
pub mod when_to_use {}

#[doc = include_str!("leaving.md")]
#[doc(alias = "sunset")]
#[doc(alias = "migration")]
pub mod leaving {}

#[doc = include_str!("your_users.md")]
#[doc(alias = "users")]
pub mod your_users {}

#[doc = include_str!("realms.md")]
pub mod realms {}

#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("second_factor.md")]
#[doc(alias = "mfa")]
pub mod second_factor {}

#[doc = include_str!("mounting.md")]
pub mod mounting {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("coming_from_auth0.md")]
pub mod coming_from_auth0 {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[doc = include_str!("../drawings/links.md")]
#[doc = include_str!("tokens.md")]
#[doc = include_str!("../drawings/themes.html")]
pub mod tokens {}

#[doc = include_str!("../drawings/links.md")]
#[doc = include_str!("attack_protection.md")]
#[doc = include_str!("../drawings/themes.html")]
pub mod attack_protection {}

#[doc = include_str!("password_hashes.md")]
pub mod password_hashes {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("many_machines.md")]
#[doc(alias = "cluster")]
#[doc(alias = "scaling")]
pub mod many_machines {}

#[doc = include_str!("testing_your_application.md")]
pub mod testing_your_application {}

#[doc = include_str!("traits.md")]
pub mod traits {}

#[doc = include_str!("your_stores.md")]
#[doc(alias = "stores")]
pub mod your_stores {}

#[doc = include_str!("threat_model.md")]
pub mod threat_model {}

#[doc = include_str!("structure.md")]
pub mod structure {}

#[doc = include_str!("../../SECURITY.md")]
pub mod security {}

#[doc = include_str!("../drawings/links.md")]
#[doc = include_str!("../../benches/README.md")]
#[doc = include_str!("../drawings/themes.html")]
pub mod measurements {}

#[doc = include_str!("../../CHANGELOG.md")]
pub mod changelog {}
