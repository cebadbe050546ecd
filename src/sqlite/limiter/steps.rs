//! Reserving and settling, each inside one transaction. What counts is decided by the policy that the limiter in memory
//! has, too.

use std::time::Duration;

use super::rows::{Kind, Prints, Rows};
use crate::boundary::check::{CheckOutcome, SecretCheck};
use crate::boundary::limiter::{Rule, Settlement};
use crate::protection::known::is_news;
use crate::protection::network::{Tier, widened};
use crate::protection::policy::{Charges, Decision, Facts, Policy, Spent, Tallies, Wide};
use crate::protection::rules::LimiterRules;
use crate::protection::table::{Key, Place};
use crate::protection::tally::Tally;
use crate::protection::ticket::{Ticket, WidePlaces};
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::Failure;

/// What is known of an attempt before anything is read.
#[derive(Clone, Copy)]
pub(super) struct Try {
    pub(super) guess: u64,
    pub(super) network: u64,
    pub(super) print: u32,
    pub(super) is_client: bool,
    pub(super) has_no_account: bool,
    pub(super) has_address: bool,
    pub(super) is_exempt: bool,
}

/// A lock that begins or that is told of: until when it lasts.
#[derive(Clone, Copy)]
pub(super) struct Lock {
    pub(super) rule: Rule,
    pub(super) now: u64,
    pub(super) until: u64,
}

/// The locks that begin by one charge, and the buckets that it empties, each with its key.
pub(super) type Locked = Vec<(Lock, Key)>;

pub(super) enum Reserving {
    Charged { ticket: Ticket, locks: Locked },
    Refused(Refused),
}

/// A budget is spent.
pub(super) struct Refused {
    pub(super) rule: Rule,
    pub(super) wait: Duration,
    pub(super) address: Option<Duration>,
    pub(super) news: Option<Lock>,
    pub(super) guess: u64,
}

/// How a check ended.
pub(super) enum Checking {
    Right(CheckOutcome, Option<Rule>),
    Wrong {
        outcome: CheckOutcome,
        ticket: Ticket,
        locks: Locked,
        news: Option<Lock>,
    },
    /// By a budget that is spent.
    Refused(Refused),
}

/// What was read of an attempt.
pub(super) struct Seen {
    ticket: Ticket,
    facts: Facts,
    tallies: Tallies,
    /// A success by a check is worth remembering.
    is_news: bool,
}

/// One step of the limiter.
pub(super) struct Step<'a> {
    rules: &'a LimiterRules,
    rows: Rows<'a>,
}

impl<'a> Step<'a> {
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

    /// How long a lock of this kind is remembered after its end.
    fn memory(&self, kind: Kind) -> u64 {
        memory(&self.rules.policy, kind)
    }

    /// Reads what the rules need of an attempt. Its number is that of the next charge.
    pub(super) fn read(&self, attempt: &Try) -> Result<Seen, Failure> {
        let now = self.rows.clock;
        let ticket = Ticket {
            guess: attempt.guess,
            network: attempt.network,
            number: self.rows.number.wrapping_add(1),
            at: now,
            print: attempt.print,
            is_client: attempt.is_client,
            has_address: attempt.has_address,
            charges: Charges::default(),
            pair_place: Place::Own,
            account_place: Place::Own,
            address_place: Place::Own,
            wide_places: [WidePlaces::OWN; 2],
        };
        let lifetime = self.rules.lifetime;
        let known = if attempt.has_no_account { None } else { self.rows.known(ticket.guess, lifetime)? };
        let is_known = known.is_some_and(|(networks, _)| networks.contains(&ticket.network));
        let known = known.as_ref().map(|(networks, seen)| (networks, *seen));
        let is_news = attempt.has_address && is_news(known, ticket.network, now, lifetime);
        let facts = Facts {
            is_client: attempt.is_client,
            has_no_account: attempt.has_no_account,
            has_address: attempt.has_address,
            is_exempt: attempt.is_exempt,
            is_known,
            print: attempt.print,
            now,
            number: ticket.number,
        };
        let mut tallies = Tallies::default();
        if !attempt.has_no_account {
            tallies.pair = self.rows.get(Kind::Pair, ticket.pair(), is_known)?;
        }
        if !attempt.is_client {
            tallies.account = self.rows.get(Kind::Account, ticket.account(), false)?;
        }
        tallies.address = self.rows.get(Kind::Address, ticket.address(), is_known)?;
        if ticket.has_wide() && !is_known {
            tallies.wide = Some([self.wide(&ticket, Tier::Net56)?, self.wide(&ticket, Tier::Net48)?]);
        }
        Ok(Seen { ticket, facts, tallies, is_news })
    }

    fn wide(&self, ticket: &Ticket, tier: Tier) -> Result<Wide, Failure> {
        let (pair, address) = ticket.wide(tier);
        let read = |key: Key| self.rows.get(Kind::Wide, key, false);
        Ok(Wide { pair: read(pair)?, address: read(address)? })
    }

    /// Charges the attempt, or tells why not.
    pub(super) fn reserve(mut self, attempt: &Try) -> Result<Reserving, Failure> {
        let Seen { mut ticket, facts, mut tallies, .. } = self.read(attempt)?;
        match self.rules.policy.reserve(&mut tallies, &facts) {
            Decision::Charged(charges) => {
                let locks = self.keep(&mut ticket, &tallies, charges, facts.is_known)?;
                self.rows.close()?;
                Ok(Reserving::Charged { ticket, locks })
            }
            Decision::Refused(spent) => self.refuse(&ticket, tallies, spent, facts.is_known).map(Reserving::Refused),
        }
    }

    /// Writes what was charged, and answers the locks that begin by it.
    fn keep(
        &mut self,
        ticket: &mut Ticket,
        tallies: &Tallies,
        charges: Charges,
        is_known: bool,
    ) -> Result<Locked, Failure> {
        self.rows.number = ticket.number;
        ticket.charges = charges;
        if charges.pair {
            let memory = self.memory(Kind::Pair);
            ticket.pair_place = self.rows.put(Kind::Pair, ticket.pair(), tallies.pair, memory, is_known)?;
        }
        if charges.account {
            let memory = self.memory(Kind::Account);
            ticket.account_place = self.rows.put(Kind::Account, ticket.account(), tallies.account, memory, false)?;
        }
        if charges.address {
            ticket.address_place = self.rows.put(Kind::Address, ticket.address(), tallies.address, 0, is_known)?;
        }
        let wide = tallies.wide.iter().flatten().zip(charges.wide).zip(&mut ticket.wide_places);
        for (tier, ((wide, charges), places)) in Tier::ALL.into_iter().zip(wide) {
            let network = widened(ticket.network, tier);
            let memory = memory(&self.rules.policy, Kind::Wide);
            if charges.pair {
                places.pair = self.rows.put(Kind::Wide, (ticket.guess, network), wide.pair, memory, false)?;
            }
            if charges.address {
                places.address = self.rows.put(Kind::Wide, (0, network), wide.address, memory, false)?;
            }
        }
        self.rows.tidy(self.rules.lifetime)?;
        Ok(begun(&self.rules.policy, ticket, tallies, self.rows.clock))
    }

    /// Looks, compares, and charges or forgives. A right check writes nothing if there is nothing to forgive and its client
    /// was seen lately, from this address or from as many others as are remembered: then the transaction is empty, and
    /// nothing waits for the disk.
    pub(super) fn check(mut self, attempt: &Try, check: SecretCheck<'static>) -> Result<Checking, Failure> {
        let Seen { mut ticket, facts, mut tallies, is_news } = self.read(attempt)?;
        let room = match self.rules.policy.look(&tallies, &facts) {
            Ok(room) => room,
            Err(spent) => {
                return self.refuse(&ticket, tallies, spent, facts.is_known).map(Checking::Refused);
            }
        };
        let outcome = check.decide();
        if outcome.is_right() {
            // What is counted in a cell is not forgiven, as others are counted there, too.
            let forgives = tallies.pair != Tally::default() && self.rows.forget(Kind::Pair, ticket.pair())?;
            let is_news =
                is_news && self.rows.remember(ticket.guess, ticket.network, facts.now, self.rules.lifetime)?;
            if forgives || is_news {
                self.rows.close()?;
            }
            return Ok(Checking::Right(outcome, room.monitored));
        }
        let charges = self.rules.policy.charge_wrong(&mut tallies, &facts, room);
        let locks = self.keep(&mut ticket, &tallies, charges, facts.is_known)?;
        let news = self.news(&ticket)?;
        self.rows.close()?;
        Ok(Checking::Wrong { outcome, ticket, locks, news })
    }

    /// Charges nothing; writes only that a lock was told of.
    fn refuse(
        mut self,
        ticket: &Ticket,
        mut tallies: Tallies,
        spent: Spent,
        is_known: bool,
    ) -> Result<Refused, Failure> {
        let Spent { rule, wait, address } = spent;
        let now = self.rows.clock;
        let policy = &self.rules.policy;
        // What is under way may turn out right, and then there was no lock.
        let told = match rule {
            Rule::Account => Some((Kind::Account, ticket.account(), &mut tallies.account, &policy.account, false)),
            Rule::AccountAndAddress => Some((Kind::Pair, ticket.pair(), &mut tallies.pair, &policy.pair, is_known)),
            Rule::Address | Rule::ClientAndAddress | Rule::Requests | Rule::Introspections => None,
        };
        let mut news = None;
        if let Some((kind, key, tally, budget, preferred)) = told
            && !tally.is_told
            && tally.is_decided(budget, now)
            && let Some(lasts) = tally.locked(budget, now)
        {
            tally.is_told = true;
            let tally = *tally;
            let memory = self.memory(kind);
            self.rows.put(kind, key, tally, memory, preferred)?;
            news = Some(Lock { rule, now, until: now.saturating_add(lasts) });
            self.rows.close()?;
        }
        if rule == Rule::AccountAndAddress && tallies.pair.locked(&policy.pair, now).is_none() {
            // So it is a wider network that refuses.
            let of_wide = Ticket { charges: policy.untold_wide(&tallies, now), ..*ticket };
            news = self.news(&of_wide)?;
            if news.is_some() {
                self.rows.close()?;
            }
        }
        let (wait, address) = (Duration::from_millis(wait), address.map(Duration::from_millis));
        Ok(Refused { rule, wait, address, news, guess: ticket.guess })
    }

    /// Answers a lock that began by the attempt and that nobody was told of.
    pub(super) fn settle(mut self, mut ticket: Ticket, settlement: Settlement) -> Result<Option<Lock>, Failure> {
        let mut news = None;
        match settlement {
            Settlement::Success => self.succeed(&ticket)?,
            Settlement::Denied | Settlement::Refused => {
                if settlement == Settlement::Refused {
                    ticket.print = 0;
                }
                news = self.deny(&ticket)?;
            }
            Settlement::Undecided => self.take_back(&ticket, true)?,
            Settlement::Untried => self.take_back(&ticket, false)?,
        }
        self.rows.close()?;
        Ok(news)
    }

    /// Changes the tally at a place, if it is still there.
    fn change(&self, kind: Kind, ticket: &Ticket, change: impl FnOnce(&mut Tally)) -> Result<(), Failure> {
        let (key, place) = match kind {
            Kind::Pair => (ticket.pair(), ticket.pair_place),
            Kind::Account => (ticket.account(), ticket.account_place),
            Kind::Address => (ticket.address(), ticket.address_place),
            Kind::Wide => return Ok(()),
        };
        self.change_at(kind, key, place, change)
    }

    fn change_at(&self, kind: Kind, key: Key, place: Place, change: impl FnOnce(&mut Tally)) -> Result<(), Failure> {
        let Some(before) = self.rows.at(kind, key, place)? else { return Ok(()) };
        let mut tally = before;
        change(&mut tally);
        if tally != before {
            self.rows.set(kind, key, place, tally, self.memory(kind))?;
        }
        Ok(())
    }

    /// Changes what was charged to pairs with wider networks.
    fn change_wide_pairs(&self, ticket: &Ticket, mut change: impl FnMut(Tier, &mut Tally)) -> Result<(), Failure> {
        let charged = ticket.charges.wide.into_iter().zip(ticket.wide_places);
        for (tier, (charges, places)) in Tier::ALL.into_iter().zip(charged) {
            if charges.pair {
                self.change_at(Kind::Wide, ticket.wide(tier).0, places.pair, |tally| change(tier, tally))?;
            }
        }
        Ok(())
    }

    fn refund_wide(&self, ticket: &Ticket, keeps_address: bool) -> Result<(), Failure> {
        let (policy, now) = (&self.rules.policy, self.rows.clock);
        self.change_wide_pairs(ticket, |tier, tally| {
            tally.refund(&policy.wide_pair(ticket.is_client, tier), || now, ticket.number);
        })?;
        let charged = ticket.charges.wide.into_iter().zip(ticket.wide_places);
        for (tier, (charges, places)) in Tier::ALL.into_iter().zip(charged) {
            if charges.address && !keeps_address {
                // Many use it, so what time has paid may be another's.
                let paid = now.saturating_sub(ticket.at);
                let give = |tally: &mut Tally| tally.give(&policy.wide_address(tier), ticket.number, paid);
                self.change_at(Kind::Wide, ticket.wide(tier).1, places.address, give)?;
            }
        }
        Ok(())
    }

    fn refund_pair(&self, ticket: &Ticket) -> Result<(), Failure> {
        let (_, budget) = self.rules.policy.pair_rule(ticket.is_client);
        let now = self.rows.clock;
        self.change(Kind::Pair, ticket, |tally| tally.refund(budget, || now, ticket.number))
    }

    fn refund_account(&self, ticket: &Ticket) -> Result<(), Failure> {
        let (budget, now) = (&self.rules.policy.account, self.rows.clock);
        self.change(Kind::Account, ticket, |tally| tally.refund(budget, || now, ticket.number))
    }

    fn refund_address(&self, ticket: &Ticket) -> Result<(), Failure> {
        if !ticket.charges.address {
            return Ok(());
        }
        // Where addresses share a tally, what time has paid may be another's.
        let is_shared = ticket.address_place != Place::Own;
        let paid = if is_shared { self.rows.clock.saturating_sub(ticket.at) } else { 0 };
        let budget = &self.rules.policy.address;
        self.change(Kind::Address, ticket, |tally| tally.give(budget, ticket.number, paid))
    }

    fn take_back(&mut self, ticket: &Ticket, keeps_address: bool) -> Result<(), Failure> {
        if ticket.charges.pair {
            self.refund_pair(ticket)?;
        }
        if ticket.charges.account {
            self.refund_account(ticket)?;
        }
        self.refund_wide(ticket, keeps_address)?;
        if keeps_address { Ok(()) } else { self.refund_address(ticket) }
    }

    /// Forgets the failures of an account or client from its address, takes its other charges back, and remembers the
    /// address.
    fn succeed(&mut self, ticket: &Ticket) -> Result<(), Failure> {
        if ticket.pair_place == Place::Own {
            self.rows.forget(Kind::Pair, ticket.pair())?;
        } else if ticket.charges.pair {
            self.refund_pair(ticket)?;
        }
        if ticket.charges.account {
            self.refund_account(ticket)?;
        }
        if ticket.has_address {
            self.rows.remember(ticket.guess, ticket.network, ticket.at, self.rules.lifetime)?;
        }
        self.refund_wide(ticket, false)?;
        self.refund_address(ticket)
    }

    /// Tells the tallies that the attempt was decided against, and its secret.
    fn deny(&mut self, ticket: &Ticket) -> Result<Option<Lock>, Failure> {
        let now = self.rows.clock;
        for (kind, charged) in [(Kind::Pair, ticket.charges.pair), (Kind::Account, ticket.charges.account)] {
            if charged {
                self.change(kind, ticket, |tally| tally.deny(now, ticket.number, ticket.print))?;
            }
        }
        self.change_wide_pairs(ticket, |_, tally| tally.deny(now, ticket.number, 0))?;
        self.news(ticket)
    }

    /// The lock that began by a charge which was decided against, if nobody was told of it. That of the account is told of
    /// rather than that of a pair.
    fn news(&mut self, ticket: &Ticket) -> Result<Option<Lock>, Failure> {
        let now = self.rows.clock;
        let policy = &self.rules.policy;
        let locks_pair = ticket.charges.locks_pair && !ticket.is_client;
        let mut news = None;
        for (kind, locks, rule, budget) in [
            (Kind::Pair, locks_pair, Rule::AccountAndAddress, &policy.pair),
            (Kind::Account, ticket.charges.locks_account, Rule::Account, &policy.account),
        ] {
            if locks {
                let mut lasts = None;
                self.change(kind, ticket, |tally| {
                    lasts = tally.locked(budget, now).filter(|_| !std::mem::replace(&mut tally.is_told, true));
                })?;
                news = lasts.map(|lasts| Lock { rule, now, until: now.saturating_add(lasts) }).or(news);
            }
        }
        if ticket.charges.locks_wide && !ticket.is_client {
            let mut lasts = None;
            self.change_wide_pairs(ticket, |tier, tally| {
                let lock = tally.locked(&policy.wide_pair(false, tier), now);
                lasts = lock.filter(|_| !std::mem::replace(&mut tally.is_told, true)).max(lasts);
            })?;
            let rule = Rule::AccountAndAddress;
            news = news.or(lasts.map(|lasts| Lock { rule, now, until: now.saturating_add(lasts) }));
        }
        Ok(news)
    }

    /// The rows, for operators.
    pub(super) fn into_rows(self) -> (&'a Db, Rows<'a>) {
        (self.rows.db, self.rows)
    }
}

fn memory(policy: &Policy, kind: Kind) -> u64 {
    match kind {
        Kind::Pair | Kind::Wide => policy.pairs_remember(),
        Kind::Account => policy.account.longest,
        Kind::Address => 0,
    }
}

/// The locks that began by a charge, and the buckets that it emptied.
fn begun(policy: &Policy, ticket: &Ticket, tallies: &Tallies, now: u64) -> Locked {
    let lock = |rule: Rule, key: Key, lasts: Option<u64>| {
        let until = now.saturating_add(lasts.unwrap_or_default());
        (Lock { rule, now, until }, key)
    };
    let charges = ticket.charges;
    let (pair_rule, pair_budget) = policy.pair_rule(ticket.is_client);
    let pair = charges.locks_pair.then(|| lock(pair_rule, ticket.pair(), tallies.pair.locked(pair_budget, now)));
    let lasts = || tallies.account.locked(&policy.account, now);
    let account = charges.locks_account.then(|| lock(Rule::Account, ticket.account(), lasts()));
    let empty = tallies.address.empty(&policy.address, now).filter(|_| charges.address);
    let address = empty.map(|wait| lock(Rule::Address, ticket.address(), Some(wait)));
    let [(pair_56, address_56), (pair_48, address_48)] = match tallies.wide {
        None => [(None, None); 2],
        Some([net56, net48]) => [(Tier::Net56, net56, charges.wide.first()), (Tier::Net48, net48, charges.wide.last())]
            .map(|(tier, wide, charges_of)| {
                let charges_of = charges_of.copied().unwrap_or_default();
                let (pair, address) = ticket.wide(tier);
                let lasts = wide.pair.locked(&policy.wide_pair(ticket.is_client, tier), now);
                let lasts = lasts.filter(|_| charges_of.pair && charges.locks_wide);
                let empty = wide.address.empty(&policy.wide_address(tier), now).filter(|_| charges_of.address);
                (
                    lasts.map(|lasts| lock(pair_rule, pair, Some(lasts))),
                    empty.map(|wait| lock(Rule::Address, address, Some(wait))),
                )
            }),
    };
    [pair, account, address, pair_56, address_56, pair_48, address_48].into_iter().flatten().collect()
}
