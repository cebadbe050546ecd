//! What login rules have decided of a login that goes on, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::error::{MAX_BYTES, MAX_NAMES, RulingError};
use crate::protocol::scope::Scope;
use crate::protocol::token::claims::Claims;

/// What rules decide of a login that goes on. Nothing of it takes effect beyond the limits that [`scope`](Self::scope) and
/// [`lifetime`](Self::lifetime) are given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decisions {
    pub(super) claims: Claims,
    pub(super) members: Claims,
    /// Of the endpoint itself, for its own eyes.
    pub(super) private: Claims,
    pub(super) added: Scope,
    pub(super) removed: Scope,
    pub(super) lifetime: Option<Duration>,
    /// A second factor is demanded, of at most this age.
    pub(super) factor_age: Option<Duration>,
    /// The rule that was the last to take something of what a scope had left.
    pub(super) narrowed_by: Option<Arc<str>>,
}

impl Decisions {
    /// Takes in what was decided later: the last claim and the last member of a name count, the shortest lifetime, and each
    /// removed scope, whatever else adds it.
    pub(crate) fn follow(&mut self, later: &Self) -> Result<(), RulingError> {
        self.claims = followed(&self.claims, &later.claims)?;
        self.members = followed(&self.members, &later.members)?;
        self.added = self.added.union(&later.added);
        self.removed = self.removed.union(&later.removed);
        self.lifetime = [self.lifetime, later.lifetime].into_iter().flatten().min();
        self.factor_age = [self.factor_age, later.factor_age].into_iter().flatten().min();
        Ok(())
    }

    /// The most age of the second factor, if one is demanded.
    pub(crate) const fn factor_age(&self) -> Option<Duration> {
        self.factor_age
    }

    /// Adds a member of the endpoint's own, beside those of the rules and without their limits.
    pub(crate) fn tell(&mut self, member: &Claims) {
        self.members = self.members.followed_by(member);
    }

    /// Adds claims that are for the endpoint alone.
    pub(crate) fn keep_private(&mut self, claims: &Claims) {
        self.private = self.private.followed_by(claims);
    }

    /// Whether something of this scope is taken away, which is made only where anything is.
    pub(crate) fn take_of(&self, scope: impl FnOnce() -> Scope) -> bool {
        !self.removed.is_empty() && !self.removed.intersection(&scope()).is_empty()
    }

    /// Notes which rule took something away.
    pub(crate) fn note_narrowed(&mut self, rule: &Arc<str>) {
        self.narrowed_by = Some(Arc::clone(rule));
    }

    /// The rule that took the last of a scope, if nothing of it is left.
    pub(crate) const fn narrowed_by(&self) -> Option<&Arc<str>> {
        self.narrowed_by.as_ref()
    }

    /// The claims of the tokens.
    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims of the tokens that are for the endpoint alone.
    pub(crate) const fn private(&self) -> &Claims {
        &self.private
    }

    /// The claims of the record of a token, which says which of them are shown.
    pub(crate) fn of_record(&self) -> Claims {
        let shown = self.claims.shown();
        if self.private.is_empty() { shown } else { shown.followed_by(&self.private) }
    }

    /// The members of the answer.
    pub(crate) const fn members(&self) -> &Claims {
        &self.members
    }

    /// What becomes of the scope that was decided without rules. `limits`: everything that bounds what the login may have; an
    /// added scope beyond one of them is left out.
    pub(crate) fn scope<'a>(&self, decided: &Scope, limits: impl IntoIterator<Item = &'a Scope>) -> Scope {
        let within = |added: Scope, limit: &Scope| added.intersection(limit);
        let added = limits.into_iter().fold(self.added.clone(), within);
        decided.union(&added).without(&self.removed)
    }

    /// What becomes of the lifetime that was decided without rules.
    pub(crate) fn lifetime(&self, decided: Duration) -> Duration {
        self.lifetime.map_or(decided, |most| most.min(decided))
    }
}

fn followed(before: &Claims, later: &Claims) -> Result<Claims, RulingError> {
    // As nearly all are.
    if later.is_empty() {
        return Ok(before.clone());
    }
    let all = before.followed_by(later);
    if all.len() > MAX_NAMES {
        return Err(RulingError::TooMany);
    }
    if all.as_json().len() > MAX_BYTES {
        return Err(RulingError::TooLarge);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::ruling::Ruling;
    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    fn scope(names: &BTreeSet<&str>) -> Scope {
        let text = names.iter().copied().collect::<Vec<_>>().join(" ");
        if text.is_empty() { Scope::default() } else { text.parse().unwrap() }
    }

    fn set(scope: &Scope) -> BTreeSet<String> {
        scope.iter().map(str::to_owned).collect()
    }

    /// One step of a rule.
    #[derive(Clone, Debug)]
    enum Step {
        Add(&'static str),
        Remove(&'static str),
        Shorten(u64),
        Claim(&'static str, u8),
        Member(&'static str, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || proptest::sample::select(NAMES.as_slice());
        prop_oneof![
            name().prop_map(Step::Add),
            name().prop_map(Step::Remove),
            (1..200_u64).prop_map(Step::Shorten),
            (name(), any::<u8>()).prop_map(|(name, value)| Step::Claim(name, value)),
            (name(), any::<u8>()).prop_map(|(name, value)| Step::Member(name, value)),
        ]
    }

    fn ruling(steps: &[Step]) -> Ruling {
        steps.iter().fold(Ruling::proceed(), |ruling, step| match *step {
            Step::Add(name) => ruling.add_scope(name),
            Step::Remove(name) => ruling.remove_scope(name),
            Step::Shorten(seconds) => ruling.shorten_lifetime(Duration::from_secs(seconds)).unwrap(),
            Step::Claim(name, value) => ruling.claim(name, value).unwrap(),
            Step::Member(name, value) => ruling.member(name, value).unwrap(),
        })
    }

    fn heard(rulings: &[Vec<Step>]) -> Decisions {
        let mut decisions = Decisions::default();
        for steps in rulings {
            if let Some(more) = ruling(steps).read().unwrap() {
                decisions.follow(&more).unwrap();
            }
        }
        decisions
    }

    fn names() -> impl Strategy<Value = BTreeSet<&'static str>> {
        proptest::sample::subsequence(NAMES.to_vec(), 0..=6).prop_map(|names| names.into_iter().collect())
    }

    proptest! {
        /// Client, endpoint, verifier and family are the limits of a login.
        #[test]
        fn no_sequence_of_rulings_widens_scope_or_lifetime_beyond_any_limit(
            rulings in proptest::collection::vec(proptest::collection::vec(step(), 0..5), 0..6),
            limits in proptest::collection::vec(names(), 0..4),
            asked in names(),
            seconds in 1..200_u64,
        ) {
            let limits: Vec<Scope> = limits.iter().map(scope).collect();
            // Whatever is decided without rules is within the limits.
            let decided = limits.iter().fold(scope(&asked), |decided, limit| decided.intersection(limit));
            let decisions = heard(&rulings);
            let left = decisions.scope(&decided, &limits);
            for limit in &limits {
                prop_assert!(left.is_subset(limit), "{left:?} beyond {limit:?}");
            }
            let steps = || rulings.iter().flatten();
            for step in steps() {
                if let Step::Remove(name) = step {
                    prop_assert!(!left.contains(name), "{name} was removed and is there");
                }
            }
            let is_added = |name: &String| steps().any(|step| matches!(step, Step::Add(added) if *added == name));
            for name in set(&left).difference(&set(&decided)) {
                prop_assert!(is_added(name), "{name} comes from nowhere");
            }
            let decided = Duration::from_secs(seconds);
            let shortest = steps().filter_map(|step| match step {
                Step::Shorten(seconds) => Some(Duration::from_secs(*seconds)),
                _ => None,
            });
            prop_assert_eq!(decisions.lifetime(decided), shortest.chain([decided]).min().unwrap());
        }

        #[test]
        fn the_order_of_rulings_matters_to_no_scope_and_no_lifetime(
            rulings in proptest::collection::vec(proptest::collection::vec(step(), 0..5), 0..6),
            asked in names(),
        ) {
            let (one, other) = (heard(&rulings), heard(&rulings.iter().rev().cloned().collect::<Vec<_>>()));
            let all = scope(&NAMES.into());
            prop_assert_eq!(one.scope(&scope(&asked), [&all]), other.scope(&scope(&asked), [&all]));
            prop_assert_eq!(one.lifetime(Duration::MAX), other.lifetime(Duration::MAX));
        }

        #[test]
        fn the_last_claim_and_the_last_member_of_a_name_count(
            rulings in proptest::collection::vec(proptest::collection::vec(step(), 0..5), 0..6),
        ) {
            let (mut claims, mut members) = (BTreeMap::new(), BTreeMap::new());
            for step in rulings.iter().flatten() {
                match step {
                    Step::Claim(name, value) => drop(claims.insert(*name, *value)),
                    Step::Member(name, value) => drop(members.insert(*name, *value)),
                    _ => {}
                }
            }
            let decisions = heard(&rulings);
            prop_assert_eq!(decisions.claims(), &Claims::of(&claims).unwrap());
            prop_assert_eq!(decisions.members(), &Claims::of(&members).unwrap());
        }
    }

    #[test]
    fn a_scope_that_is_not_within_the_limits_is_left_out_and_the_others_are_added() {
        let decisions = heard(&[vec![Step::Add("a"), Step::Add("f")], vec![Step::Add("b")]]);
        let limits: [Scope; 2] = ["a b c".parse().unwrap(), "a c f".parse().unwrap()];
        assert_eq!(decisions.scope(&"c".parse().unwrap(), &limits).as_str(), "a c");
    }

    #[test]
    fn rules_add_32_claims_and_4_kib_together() {
        let mut decisions = Decisions::default();
        let half = |from: usize| {
            let all =
                (from..from + 16).fold(Ruling::proceed(), |ruling, at| ruling.claim(&format!("c{at}"), 1).unwrap());
            all.read().unwrap().unwrap()
        };
        decisions.follow(&half(0)).unwrap();
        decisions.follow(&half(16)).unwrap();
        assert_eq!(decisions.claims().len(), MAX_NAMES);
        // The same names again are no more.
        decisions.follow(&half(0)).unwrap();
        assert_eq!(decisions.follow(&half(17)), Err(RulingError::TooMany));
        let large = Ruling::proceed().claim("c0", "x".repeat(2000)).unwrap().read().unwrap().unwrap();
        decisions.follow(&large).unwrap();
        let larger = Ruling::proceed().claim("c1", "x".repeat(2000)).unwrap().read().unwrap().unwrap();
        assert_eq!(decisions.follow(&larger), Err(RulingError::TooLarge));
    }
}
