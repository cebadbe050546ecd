//! Reserving, checking and settling, each inside one transaction: rows are read, the [step](crate::protection::step) decides, and
//! what changed is written.

use std::convert::Infallible;

use super::rows::{Kind, Prints, Rows};
use crate::boundary::check::{CheckOutcome, SecretCheck};
use crate::boundary::limiter::{Rule, Settlement};
use crate::protection::facts::Facts;
use crate::protection::known::KnownAddresses;
use crate::protection::look::Tallies;
use crate::protection::rules::LimiterRules;
use crate::protection::slots::{Slot, Slots};
use crate::protection::step::{Charged, Compared, News, Outcome, Refused, Right, Step};
use crate::protection::table::{Key, Place};
use crate::protection::tally::Tally;
use crate::protection::ticket::Ticket;
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

/// A lock that began, or a bucket that was emptied: its rule, its key, and until when it lasts.
pub(super) type Locked = Vec<(Rule, Key, u64)>;

/// What became of an attempt, and when.
pub(super) enum Attempted<R, W> {
    Refused(Refused, u64),
    Charged { wrong: W, charged: Charged, locks: Locked },
    Right { right: R, monitored: Option<Rule> },
}

/// What was read of an attempt.
struct Read {
    known: Option<KnownAddresses>,
    pair: Tally,
    account: Tally,
    address: Tally,
    wide: Option<[Tally; 4]>,
    shared: Slots,
}

impl Read {
    fn tallies(&mut self) -> Tallies<'_> {
        let Self { pair, account, address, wide, shared, .. } = self;
        Tallies { pair, account, address, wide: wide.as_mut(), shared: *shared }
    }
}

/// One step of the limiter.
pub(super) struct Turn<'a> {
    rules: &'a LimiterRules,
    rows: Rows<'a>,
}

impl<'a> Turn<'a> {
    /// Begins at `now`, or at the latest time that was counted at: time never goes back.
    pub(super) fn begin(
        db: &'a Db,
        secrets: (&'a CountingKey, &'a Prints),
        rules: &'a LimiterRules,
        now: u64,
    ) -> Result<Self, Failure> {
        let mut rows = Rows::open(db, secrets, rules.capacity)?;
        rows.clock = rows.clock.max(now);
        Ok(Self { rules, rows })
    }

    /// Reads what the rules need of an attempt.
    fn read(&self, facts: &Facts) -> Result<Read, Failure> {
        let known = if facts.has_no_account { None } else { self.rows.known(facts.guess)? };
        let is_known = Step::by(self.rules).moment(facts, known.as_ref(), self.rows.clock).is_known;
        let mut shared = Slots::NONE;
        let mut get = |slot: Slot| {
            let (tally, is_own) = self.rows.get(Kind::of(slot), facts.key(slot), is_preferred(slot, is_known))?;
            shared = shared.with_if(slot, !is_own);
            Ok::<_, Failure>(tally)
        };
        let pair = if facts.has_no_account { Tally::default() } else { get(Slot::Pair)? };
        let account = if facts.is_client { Tally::default() } else { get(Slot::Account)? };
        let address = get(Slot::Address)?;
        let mut wide = None;
        if facts.has_wide() && !is_known {
            let [pair56, net56, pair48, net48] = Slot::WIDE.map(get);
            wide = Some([pair56?, net56?, pair48?, net48?]);
        }
        Ok(Read { known, pair, account, address, wide, shared })
    }

    /// Charges an attempt that is under way from then on, or tells why not.
    pub(super) fn reserve(self, facts: &Facts) -> Result<Attempted<Infallible, ()>, Failure> {
        self.attempt(facts, || Compared::Later(()))
    }

    /// Looks, compares, and charges or forgives. A right check writes nothing if there is nothing to forgive and its client
    /// was seen lately, from this address or from as many others as are remembered: then the transaction is empty, and
    /// nothing waits for the disk.
    pub(super) fn check(
        self,
        facts: &Facts,
        check: SecretCheck<'static>,
    ) -> Result<Attempted<CheckOutcome, CheckOutcome>, Failure> {
        self.attempt(facts, || match check.decide() {
            right if right.is_right() => Compared::Right(right),
            wrong => Compared::Wrong(wrong),
        })
    }

    fn attempt<R, W>(
        mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> Result<Attempted<R, W>, Failure> {
        let mut read = self.read(facts)?;
        let known = read.known;
        let (step, now) = (Step::by(self.rules), self.rows.clock);
        let moment = step.moment(facts, known.as_ref(), now);
        let number = self.rows.number.wrapping_add(1);
        let mut tallies = read.tallies();
        match step.attempt(facts, moment, &mut tallies, || number, compare) {
            Outcome::Charged(mut charged, wrong) => {
                self.rows.number = number;
                let mut locks = Vec::new();
                Step::by(self.rules).begun(&charged, &mut tallies, |rule, key, until| locks.push((rule, key, until)));
                let ticket = &mut charged.ticket;
                for slot in ticket.charged.iter() {
                    let Some(tally) = tallies.get_mut(slot) else { continue };
                    let (memory, preferred) = (self.rules.policy.memory(slot), is_preferred(slot, moment.is_known));
                    let place = self.rows.put(Kind::of(slot), ticket.key(slot), *tally, memory, preferred)?;
                    ticket.set_place(slot, place);
                }
                self.rows.tidy(self.rules.lifetime)?;
                self.rows.close()?;
                Ok(Attempted::Charged { wrong, charged, locks })
            }
            Outcome::Refused(refused) => {
                if refused.news.is_some() {
                    // Nothing else changed but that locks were told of.
                    for slot in Slots::LOCKOUTS.without(read.shared).iter() {
                        self.change(slot, facts.key(slot), Place::Own, |tally| {
                            read.tallies().get_mut(slot).into_iter().for_each(|told| *tally = *told);
                        })?;
                    }
                    self.rows.close()?;
                }
                Ok(Attempted::Refused(refused, now))
            }
            Outcome::Right(Right { monitored, is_news }, right) => {
                let forgives = !read.shared.has(Slot::Pair)
                    && self.change(Slot::Pair, facts.key(Slot::Pair), Place::Own, |tally| *tally = read.pair)?;
                let is_news = is_news && self.rows.remember(facts.guess, facts.network, now, self.rules.lifetime)?;
                if forgives || is_news {
                    self.rows.close()?;
                }
                Ok(Attempted::Right { right, monitored })
            }
        }
    }

    /// Answers a lock that began by the attempt and that nobody was told of, and when.
    pub(super) fn settle(mut self, ticket: &Ticket, settlement: Settlement) -> Result<Option<(News, u64)>, Failure> {
        let (rules, now, mut news) = (self.rules, self.rows.clock, None);
        let step = Step::by(rules);
        for slot in ticket.touched_by(settlement).iter() {
            self.change(slot, ticket.key(slot), ticket.place(slot), |tally| {
                news = News::first(news, step.settle(ticket, settlement, slot, tally, || now));
            })?;
        }
        if step.remembers(ticket, settlement) {
            self.rows.remember(ticket.guess, ticket.network, ticket.at, rules.lifetime)?;
        }
        self.rows.close()?;
        Ok(news.map(|news| (news, now)))
    }

    /// Changes the tally at a place, if it is still there, and tells whether it changed.
    fn change(&mut self, slot: Slot, key: Key, place: Place, change: impl FnOnce(&mut Tally)) -> Result<bool, Failure> {
        let kind = Kind::of(slot);
        let Some(before) = self.rows.at(kind, key, place)? else { return Ok(false) };
        let mut tally = before;
        change(&mut tally);
        if tally == before {
            return Ok(false);
        }
        if place == Place::Own && tally == Tally::default() {
            self.rows.forget(kind, key)?;
        } else {
            self.rows.set(kind, key, place, tally, self.rules.policy.memory(slot))?;
        }
        Ok(true)
    }

    /// The rows, for operators.
    pub(super) fn into_rows(self) -> (&'a Db, Rows<'a>) {
        (self.rows.db, self.rows)
    }
}

/// Whether the key of such a record may use room that is kept for those who were seen before.
const fn is_preferred(slot: Slot, is_known: bool) -> bool {
    is_known && matches!(slot, Slot::Pair | Slot::Address)
}
