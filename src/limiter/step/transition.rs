//! The steps of the limiter, pure: limits, the records that an attempt touches and the time give an outcome and changed
//! records. All that is decided is decided here. An engine finds the records, keeps what changed, all or none of it, and
//! knows the names of what is locked.

use std::convert::Infallible;
use std::mem::replace;
use std::time::Duration;

use super::budget::{Lockout, Mode};
use super::facts::Facts;
use super::key::{GuessKind, Key};
use super::known::{KnownAddresses, Told};
use super::limits::Limits;
use super::look::{Moment, Room, Spent, Tallies, look};
use super::policy::{PENDING, Policy};
use super::slots::{Slot, Slots};
use super::tally::Tally;
use super::ticket::Ticket;
use crate::boundary::check::CheckOutcome;
use crate::boundary::limiter::{BegunLock, Checked, Decided, Limit, Refusal, Reserved, Settlement};

/// The limits by which all steps go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    policy: &'a Policy,
    /// How long an address from which an account succeeded is known, in milliseconds.
    lifetime: u64,
}

/// What is known of the secret of an attempt once every budget was seen to have room. A right one says so with an `R`, any other
/// one with a `W`.
#[derive(Debug)]
pub(crate) enum Compared<R, W> {
    Right(R),
    Wrong(W),
    /// Nothing yet: the attempt is under way until it is settled.
    Later(W),
}

impl Compared<Infallible, ()> {
    /// Of an attempt that is reserved, whose secret something else looks at.
    pub(crate) const LATER: Self = Self::Later(());
}

impl Compared<CheckOutcome, CheckOutcome> {
    /// Of a check that was decided.
    pub(crate) const fn of(outcome: CheckOutcome) -> Self {
        if outcome.is_right() { Self::Right(outcome) } else { Self::Wrong(outcome) }
    }
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Outcome<R, W> {
    /// A budget is spent. Nothing was compared or charged.
    Refused(Refused),
    /// Wrong, or under way. Each tally of [`Ticket::charged`] changed.
    Charged(Charged, W),
    /// Right: at most the tally of the pair changed.
    Right(Right, R),
}

/// What an engine makes of an [`Outcome`], once all that changed is kept.
#[derive(Debug)]
pub(crate) enum Attempted<R, W> {
    Refused(Refusal),
    Charged { wrong: W, ticket: Ticket, monitored: Option<Limit>, is_known: bool, news: Option<BegunLock> },
    Right { right: R, monitored: Option<Limit> },
}

impl Attempted<Infallible, ()> {
    /// The answer to an attempt that is reserved.
    #[inline]
    pub(crate) fn into_reserved(self) -> Reserved {
        match self {
            Self::Refused(refusal) => Reserved::Refused(refusal),
            Self::Charged { ticket, monitored, is_known, .. } => {
                Reserved::Charged(ticket.into_reservation(monitored, is_known))
            }
            Self::Right { right, .. } => match right {},
        }
    }
}

impl Attempted<CheckOutcome, CheckOutcome> {
    /// The answer to a check.
    #[inline]
    pub(crate) fn into_checked(self) -> Checked {
        let (outcome, monitored, news) = match self {
            Self::Refused(refusal) => return Checked::Refused(refusal),
            Self::Charged { wrong, monitored, news, .. } => (wrong, monitored, news),
            Self::Right { right, monitored } => (right, monitored, None),
        };
        let mut decided = Decided::new(outcome);
        if let Some(limit) = monitored {
            decided = decided.would_refuse(limit);
        }
        if let Some(lock) = news {
            decided = decided.with_new_lock(lock);
        }
        Checked::Decided(decided)
    }
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) spent: Spent,
    /// The tallies of this lock know now that its notice was sent, which changed them.
    pub(crate) news: Option<News>,
}

impl Refused {
    /// The answer. The engine [tells](News::tell) the news, with what the owner of the account was told before.
    pub(crate) fn into_refusal(self, tell: impl FnOnce(News) -> Option<BegunLock>) -> Refusal {
        let Spent { limit, wait, address } = self.spent;
        let refusal =
            Refusal::new(limit, Duration::from_millis(wait)).with_address_wait(address.map(Duration::from_millis));
        self.news.and_then(tell).map_or(refusal, |lock| refusal.with_new_lock(lock))
    }
}

#[derive(Debug)]
pub(crate) struct Charged {
    /// Without the places of its tallies, which the engine knows.
    pub(crate) ticket: Ticket,
    /// Which limit would have refused if it blocked.
    pub(crate) monitored: Option<Limit>,
    /// The account or client succeeded from this address before.
    pub(crate) is_known: bool,
    /// The locks that began and the buckets that were emptied by it.
    pub(crate) begun: Slots,
    /// Of a wrong secret: the tallies of this lock know now that its notice was sent.
    pub(crate) news: Option<News>,
}

#[derive(Debug)]
pub(crate) struct Right {
    /// Which limit would have refused if it blocked.
    pub(crate) monitored: Option<Limit>,
    /// The address is worth [remembering](KnownAddresses::remember) for the account or client, as of now.
    pub(crate) is_news: bool,
}

/// A lock of an account without a notice so far, as far as its own tallies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "its tallies say already that it was told of"]
pub(crate) struct News {
    slot: Slot,
    lasts: u64,
}

impl News {
    /// The one for the notice: that of the account rather than that of a pair, and that rather than those of wider networks.
    pub(crate) fn first(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let rank = |news: &Self| match news.slot {
            Slot::Account => (2, 0),
            Slot::Pair => (1, 0),
            _ => (0, news.lasts),
        };
        match (one, other) {
            (Some(one), Some(other)) if rank(&one) <= rank(&other) => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// The notice, unless the owner got one of another lock that still holds, or there is no room to remember it.
    pub(crate) fn tell(self, now: u64, told: Option<&mut Told>) -> Option<BegunLock> {
        let limit = if self.slot == Slot::Account { Limit::Account } else { Limit::AccountAndAddress };
        let is_news = told?.is_news(now, now.saturating_add(self.lasts));
        is_news.then(|| BegunLock::new(limit, Duration::from_millis(self.lasts)))
    }
}

impl<'a> Step<'a> {
    pub(crate) const fn by(limits: &'a Limits) -> Self {
        Self { policy: &limits.policy, lifetime: limits.lifetime }
    }

    /// How long an address from which an account succeeded is known, in milliseconds.
    pub(crate) const fn lifetime(&self) -> u64 {
        self.lifetime
    }

    /// Looks at every tally that the attempt touches, and charges all of them or none; has the secret compared in between.
    ///
    /// The `number` is asked for only if it is charged. It is later than that of each charge on its tallies before.
    pub(crate) fn attempt<R, W>(
        &self,
        facts: &Facts,
        moment: Moment<'_>,
        tallies: &mut Tallies<'_>,
        number: impl FnOnce() -> u32,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> Outcome<R, W> {
        let room = match look(self.policy, facts, moment, tallies) {
            Ok(room) => room,
            Err(spent) => return Outcome::Refused(self.refuse(spent, tallies, moment.now)),
        };
        match compare() {
            Compared::Right(right) => Outcome::Right(self.forgive(facts, moment, tallies, room.monitored), right),
            Compared::Later(later) => Outcome::Charged(self.charge(facts, moment, tallies, number(), room), later),
            Compared::Wrong(wrong) => {
                let mut charged = self.charge(facts, moment, tallies, number(), room);
                self.deny(&mut charged, tallies);
                Outcome::Charged(charged, wrong)
            }
        }
    }

    /// Settles what was charged to a wrong secret: it is decided at once, so nothing of it is under way.
    #[cold]
    fn deny(&self, charged: &mut Charged, tallies: &mut Tallies<'_>) {
        let ticket = &charged.ticket;
        for slot in ticket.touched_by(Settlement::Denied).iter() {
            if let Some(tally) = tallies.get_mut(slot) {
                let news = self.settle(ticket, Settlement::Denied, slot, tally, || ticket.at);
                charged.news = News::first(charged.news, news);
            }
        }
    }

    /// Forgets the failures of an account or client from its address.
    fn forgive(&self, facts: &Facts, moment: Moment<'_>, tallies: &mut Tallies<'_>, monitored: Option<Limit>) -> Right {
        if facts.kind.is_of_factor() {
            return Right { monitored, is_news: false };
        }
        // Others' charges in the same cell are not forgiven.
        if !tallies.shared.has(Slot::Pair) && *tallies.pair != Tally::default() {
            *tallies.pair = Tally::default();
        }
        let is_news = || moment.known.is_none_or(|known| known.is_news(facts.network, moment.now, self.lifetime));
        Right { monitored, is_news: facts.has_address && self.lifetime > 0 && is_news() }
    }

    /// Charges every tally that has room and counts.
    #[inline]
    fn charge(&self, facts: &Facts, moment: Moment<'_>, tallies: &mut Tallies<'_>, number: u32, room: Room) -> Charged {
        let (&Facts { print, kind, .. }, Moment { now, is_known, .. }) = (facts, moment);
        let Room { counts, monitored } = room;
        let policy = self.policy;
        let (pair_limit, pair_budget) = policy.pair_limit(kind);
        let (account_limit, account_budget) = policy.account_limit(kind);
        let blocks = |limit: Limit| policy.mode(limit) == Mode::Block;
        let (mut charged, mut locks) = (Slots::NONE, Slots::NONE);
        let is_repeat = tallies.pair.is_repeat(pair_budget, now, print, policy.repeat);
        if counts.has(Slot::Pair) && !is_repeat {
            charged = charged.with(Slot::Pair);
            let begins = tallies.pair.charge(pair_budget, now, number);
            if kind.has_own_pair() {
                // Nothing of it comes back, so nothing is under way.
                tallies.pair.deny(now, number, 0);
            } else {
                locks = locks.with_if(Slot::Pair, begins && blocks(pair_limit));
            }
        }
        if counts.has(Slot::Account)
            && !is_repeat
            && !tallies.account.is_repeat(account_budget, now, print, policy.repeat)
        {
            charged = charged.with(Slot::Account);
            let begins = tallies.account.charge(account_budget, now, number);
            if kind == GuessKind::Delivery {
                // No message turns out right.
                tallies.account.deny(now, number, 0);
            }
            locks = locks.with_if(Slot::Account, begins && blocks(account_limit));
        }
        let mut begun = locks;
        if counts.has(Slot::Address) {
            charged = charged.with(Slot::Address);
            tallies.address.take(&policy.address, now, number);
            let is_empty = tallies.address.empty(&policy.address, now).is_some();
            begun = begun.with_if(Slot::Address, is_empty && blocks(Limit::Address));
        }
        let ticket = Ticket::new(facts, number, now, charged, locks);
        let mut charged = Charged { ticket, monitored, is_known, begun, news: None };
        if tallies.has_others() {
            self.charge_others(&mut charged, facts.kind, tallies, counts, is_repeat);
        }
        charged
    }

    /// The same of tallies that most attempts do not touch.
    #[inline(never)]
    fn charge_others(
        &self,
        charged: &mut Charged,
        kind: GuessKind,
        tallies: &mut Tallies<'_>,
        counts: Slots,
        is_repeat: bool,
    ) {
        let policy = self.policy;
        let blocks = |limit: Limit| policy.mode(limit) == Mode::Block;
        let Charged { ticket, begun, .. } = charged;
        let (now, number) = (ticket.at, ticket.number);
        if counts.has(Slot::Recent)
            && let Some(recent) = tallies.recent.as_deref_mut()
        {
            ticket.charged = ticket.charged.with(Slot::Recent);
            let begins = recent.charge(&policy.lockout(Slot::Recent, kind), now, number) && blocks(Limit::Factor);
            ticket.locks = ticket.locks.with_if(Slot::Recent, begins);
            *begun = begun.with_if(Slot::Recent, begins);
        }
        for (slot, tally) in tallies.wide_mut() {
            if !counts.has(slot) || (is_repeat && !slot.is_bucket()) {
                continue;
            }
            ticket.charged = ticket.charged.with(slot);
            if slot.is_bucket() {
                let bucket = policy.bucket(slot);
                tally.take(&bucket, now, number);
                *begun = begun.with_if(slot, tally.empty(&bucket, now).is_some() && blocks(Limit::Address));
            } else if tally.charge(&policy.lockout(slot, kind), now, number) && blocks(policy.pair_limit(kind).0) {
                (ticket.locks, *begun) = (ticket.locks.with(slot), begun.with(slot));
            }
        }
    }

    /// Whether an attempt that was pending succeeds now: in time, and for the first time. From now on it has, which changes `spent`,
    /// the tally under its [own key](Ticket::spent_key).
    pub(crate) fn resume(&self, ticket: &Ticket, spent: &mut Tally, now: u64) -> bool {
        let once = Lockout::new(1, PENDING);
        let is_in_time = now.saturating_sub(ticket.at) < once.window;
        is_in_time && spent.locked(&once, now).is_none() && spent.charge(&once, now, ticket.number)
    }

    /// What settles in one tally that the attempt [touches](Ticket::touched_by), if it is still there: all but the
    /// [first](News::first) news are for nobody. The time is asked for only where it matters, because asking costs more than the
    /// rest.
    pub(crate) fn settle(
        &self,
        ticket: &Ticket,
        settlement: Settlement,
        slot: Slot,
        tally: &mut Tally,
        now: impl FnOnce() -> u64,
    ) -> Option<News> {
        match settlement {
            _ if ticket.forgives(settlement, slot) => *tally = Tally::default(),
            Settlement::Success | Settlement::Undecided | Settlement::Untried => {
                self.give_back(ticket, slot, tally, now);
            }
            Settlement::Denied | Settlement::Pending | Settlement::Refused => {
                let now = now();
                // A wider network holds many who try the same account with secrets of their own.
                let is_remembered = settlement != Settlement::Refused && slot.tier().is_none();
                tally.deny(now, ticket.number, if is_remembered { ticket.print } else { 0 });
                if ticket.locks.has(slot) && ticket.kind() == GuessKind::Account {
                    return self.tell(slot, tally, now);
                }
            }
        }
        None
    }

    fn give_back(&self, ticket: &Ticket, slot: Slot, tally: &mut Tally, now: impl FnOnce() -> u64) {
        let (policy, number) = (self.policy, ticket.number);
        match slot {
            Slot::Pair => tally.refund(policy.pair_limit(ticket.kind()).1, now, number),
            Slot::Account => tally.refund(policy.account_limit(ticket.kind()).1, now, number),
            Slot::Pair56 | Slot::Pair48 | Slot::Recent => {
                tally.refund(&policy.lockout(slot, ticket.kind()), now, number);
            }
            Slot::Address if !ticket.is_shared(slot) => tally.give(&policy.address, number, 0),
            // Many use it, so what time has paid may be another's.
            Slot::Address => tally.give(&policy.address, number, now().saturating_sub(ticket.at)),
            Slot::Net56 | Slot::Net48 => {
                tally.give(&policy.bucket(slot), number, now().saturating_sub(ticket.at));
            }
        }
    }

    /// The lock of an account, if it holds and had no notice; from now on it had one.
    fn tell(&self, slot: Slot, tally: &mut Tally, now: u64) -> Option<News> {
        let lasts = tally.locked(&self.policy.lockout(slot, GuessKind::Account), now)?;
        (!replace(&mut tally.is_told, true)).then_some(News { slot, lasts })
    }

    /// A lock that refuses an attempt may be one without a notice so far.
    #[cold]
    fn refuse(&self, spent: Spent, tallies: &mut Tallies<'_>, now: u64) -> Refused {
        let pair = self.policy.lockout(Slot::Pair, GuessKind::Account);
        let locks = match spent.limit {
            Limit::Account => Slots::of(&[Slot::Account]),
            Limit::AccountAndAddress if tallies.pair.locked(&pair, now).is_some() => Slots::of(&[Slot::Pair]),
            // So it is a wider network that refuses.
            Limit::AccountAndAddress => Slots::WIDE_PAIRS,
            Limit::Address
            | Limit::ClientAndAddress
            | Limit::Challenge
            | Limit::Factor
            | Limit::FactorInARow
            | Limit::RecoveryCode
            | Limit::Authenticator
            | Limit::Delivery
            | Limit::Requests
            | Limit::Introspections => Slots::NONE,
        };
        let mut news = None;
        // The attempts that begin the locks of cells send their notices.
        for slot in locks.without(tallies.shared).iter() {
            // What is under way may turn out right, and then there was no lock.
            if let Some(tally) = tallies.get_mut(slot)
                && tally.is_decided(&self.policy.lockout(slot, GuessKind::Account), now)
            {
                news = News::first(news, self.tell(slot, tally, now));
            }
        }
        Refused { spent, news }
    }

    /// Visits the locks that [began](Charged::begun) and the buckets that were emptied, before the tallies change again: the limit
    /// and the key of each, and until when it lasts.
    pub(crate) fn begun(&self, charged: &Charged, tallies: &mut Tallies<'_>, mut visit: impl FnMut(Limit, Key, u64)) {
        let ticket = &charged.ticket;
        for slot in charged.begun.iter() {
            let Some(tally) = tallies.get_mut(slot) else { continue };
            let lasts = if slot.is_bucket() {
                tally.empty(&self.policy.bucket(slot), ticket.at)
            } else {
                tally.locked(&self.policy.lockout(slot, ticket.kind()), ticket.at)
            };
            let until = ticket.at.saturating_add(lasts.unwrap_or_default());
            visit(self.policy.limit(slot, ticket.kind()), ticket.key(slot), until);
        }
    }

    /// The moment at which this attempt is judged.
    #[inline]
    pub(crate) fn moment<'k>(&self, facts: &Facts, known: Option<&'k KnownAddresses>, now: u64) -> Moment<'k> {
        let is_known = known.is_some_and(|known| known.contains(facts.network, now, self.lifetime));
        Moment { now, known, is_known }
    }

    /// Whether the address of an attempt that is settled so is remembered, as of when it was charged.
    pub(crate) fn remembers(&self, ticket: &Ticket, settlement: Settlement) -> bool {
        let is_remembered = matches!(ticket.kind(), GuessKind::Account | GuessKind::Client);
        settlement == Settlement::Success && ticket.has_address && self.lifetime > 0 && is_remembered
    }
}
