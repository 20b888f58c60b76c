//! The payments book: one account, payees, invoices, and what was paid. Money is whole cents, always.

use std::fmt;

use super::{Change, World, WorldError};
use crate::sample;

/// Most payees.
const PAYEES_MAX: usize = 200;
/// Most payments.
const PAYMENTS_MAX: usize = 2_000;

/// An amount of euros, in whole cents.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Cents(pub u64);

impl fmt::Display for Cents {
    /// As a decimal with two places: `1840.00`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// The firm's own account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its number.
    pub iban: &'static str,
    /// What it holds.
    pub balance: Cents,
}

/// Somebody who can be paid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payee {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its account.
    pub iban: String,
}

/// An invoice that came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invoice {
    /// Its number.
    pub id: String,
    /// The payee whose it is.
    pub payee: String,
    /// What it is over.
    pub amount: Cents,
    /// Day by which it is due, `YYYY-MM-DD`.
    pub due: String,
    /// What it is for.
    pub subject: String,
    /// The payment that settled it.
    pub paid_by: Option<String>,
}

/// A payment that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payment {
    /// Its id.
    pub id: String,
    /// When, RFC 3339.
    pub at: String,
    /// The payee.
    pub payee: String,
    /// The account that got the money.
    pub iban: String,
    /// How much.
    pub amount: Cents,
    /// What it is for, in words.
    pub reference: String,
    /// The invoice that it settled.
    pub invoice: Option<String>,
    /// What the caller named it by, so that a second try pays nothing.
    pub request: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Book {
    account: Account,
    payees: Vec<Payee>,
    invoices: Vec<Invoice>,
    payments: Vec<Payment>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self {
            account: Account { iban: sample::OWN_IBAN, balance: Cents(8_412_250) },
            payees: sample::payees(),
            invoices: sample::invoices(),
            payments: Vec::new(),
        }
    }
}

impl World {
    /// The firm's account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.book.account
    }

    /// Everybody who can be paid.
    #[must_use]
    pub fn payees(&self) -> &[Payee] {
        &self.book.payees
    }

    /// All invoices.
    #[must_use]
    pub fn invoices(&self) -> &[Invoice] {
        &self.book.invoices
    }

    /// All payments that were made, oldest first.
    #[must_use]
    pub fn payments(&self) -> &[Payment] {
        &self.book.payments
    }

    /// Adds somebody who can be paid; gives the id.
    ///
    /// # Errors
    /// [`WorldError::BadIban`], [`WorldError::PayeeThere`], [`WorldError::Full`].
    pub fn add_payee(&mut self, name: &str, iban: &str) -> Result<String, WorldError> {
        let plain: String = iban.chars().filter(|letter| *letter != ' ').collect();
        if !is_iban(&plain) {
            return Err(WorldError::BadIban(iban.chars().take(40).collect()));
        }
        if let Some(payee) = self.book.payees.iter().find(|payee| payee.iban == plain) {
            return Err(WorldError::PayeeThere(payee.id.clone()));
        }
        if self.book.payees.len() >= PAYEES_MAX {
            return Err(WorldError::Full("payees"));
        }
        self.room()?;
        let id = format!("payee-{:02}", self.book.payees.len() + 1);
        self.book.payees.push(Payee { id: id.clone(), name: name.to_owned(), iban: plain.clone() });
        self.note(Change::PayeeAdded { id: id.clone(), name: name.to_owned(), iban: plain });
        Ok(id)
    }

    /// Pays a payee, and settles an invoice if one is named. The same `request` a second time pays nothing and gives
    /// the first payment again.
    ///
    /// Nothing checks that the invoice is the payee's: whoever may pay can pay the wrong account, as in the field.
    ///
    /// # Errors
    /// [`WorldError::NoPayee`], [`WorldError::NoInvoice`], [`WorldError::Paid`], [`WorldError::WrongAmount`],
    /// [`WorldError::NoFunds`], [`WorldError::RequestUsed`], [`WorldError::Full`].
    pub fn pay(
        &mut self,
        payee: &str,
        amount: Cents,
        reference: &str,
        invoice: Option<&str>,
        request: Option<&str>,
    ) -> Result<Payment, WorldError> {
        if let Some(request) = request
            && let Some(made) =
                self.book.payments.iter().find(|made| made.request.as_deref() == Some(request))
        {
            let same = made.payee == payee
                && made.amount == amount
                && made.reference == reference
                && made.invoice.as_deref() == invoice;
            return if same { Ok(made.clone()) } else { Err(WorldError::RequestUsed(request.to_owned())) };
        }
        let known = self.book.payees.iter().find(|known| known.id == payee);
        let iban = known.ok_or_else(|| WorldError::NoPayee(payee.to_owned()))?.iban.clone();
        if let Some(invoice) = invoice {
            let found = self.book.invoices.iter().find(|known| known.id == invoice);
            let found = found.ok_or_else(|| WorldError::NoInvoice(invoice.to_owned()))?;
            if found.paid_by.is_some() {
                return Err(WorldError::Paid(invoice.to_owned()));
            }
            if found.amount != amount {
                let (wanted, invoice) = (found.amount, invoice.to_owned());
                return Err(WorldError::WrongAmount { invoice, wanted, given: amount });
            }
        }
        let balance = self.book.account.balance;
        let left = balance.0.checked_sub(amount.0).ok_or(WorldError::NoFunds(balance))?;
        if self.book.payments.len() >= PAYMENTS_MAX {
            return Err(WorldError::Full("payments"));
        }
        self.room()?;
        let payment = Payment {
            id: format!("pay-{:04}", self.book.payments.len() + 1),
            at: self.now(),
            payee: payee.to_owned(),
            iban: iban.clone(),
            amount,
            reference: reference.to_owned(),
            invoice: invoice.map(str::to_owned),
            request: request.map(str::to_owned),
        };
        self.book.account.balance = Cents(left);
        for settled in self.book.invoices.iter_mut().filter(|known| Some(known.id.as_str()) == invoice) {
            settled.paid_by = Some(payment.id.clone());
        }
        self.book.payments.push(payment.clone());
        self.note(Change::Paid {
            id: payment.id.clone(),
            payee: payee.to_owned(),
            iban,
            amount,
            reference: reference.to_owned(),
            invoice: invoice.map(str::to_owned),
        });
        Ok(payment)
    }
}

/// Whether a text is an IBAN without spaces: its form and its check digits (ISO 13616-1; ISO/IEC 7064, MOD 97-10).
#[must_use]
pub fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let form = (15..=34).contains(&bytes.len())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let digits = bytes.iter().skip(4).chain(bytes.iter().take(4));
    let rest = digits.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    form && rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALANCE: u64 = 8_412_250;

    #[test]
    fn a_payment_is_in_the_book_and_the_money_is_gone() {
        let mut world = World::new();
        let paid = world.pay("payee-01", Cents(184_000), "INV-2041", Some("INV-2041"), None).unwrap();
        assert_eq!(world.payments(), std::slice::from_ref(&paid));
        assert_eq!(world.account().balance, Cents(BALANCE - 184_000));
        let invoice = world.invoices().iter().find(|known| known.id == "INV-2041").unwrap();
        assert_eq!(invoice.paid_by.as_deref(), Some(paid.id.as_str()));
        let again = world.pay("payee-01", Cents(184_000), "INV-2041", Some("INV-2041"), None);
        assert_eq!(again, Err(WorldError::Paid("INV-2041".into())));
        assert_eq!(world.effects().len(), 1);
    }

    #[test]
    fn the_same_request_pays_once() {
        let mut world = World::new();
        let first = world.pay("payee-01", Cents(5), "x", None, Some("r")).unwrap();
        assert_eq!(world.pay("payee-01", Cents(5), "x", None, Some("r")), Ok(first));
        assert_eq!(
            world.pay("payee-01", Cents(6), "x", None, Some("r")),
            Err(WorldError::RequestUsed("r".into()))
        );
        assert_eq!((world.payments().len(), world.account().balance), (1, Cents(BALANCE - 5)));
    }

    #[test]
    fn what_cannot_be_paid_changes_nothing() {
        let mut world = World::new();
        let balance = Cents(BALANCE);
        let wrong =
            WorldError::WrongAmount { invoice: "INV-2041".into(), wanted: Cents(184_000), given: Cents(1) };
        let tries = [
            ("payee-99", Cents(1), None, WorldError::NoPayee("payee-99".into())),
            ("payee-01", Cents(1), Some("INV-1"), WorldError::NoInvoice("INV-1".into())),
            ("payee-01", Cents(1), Some("INV-2041"), wrong),
            ("payee-01", Cents(BALANCE + 1), None, WorldError::NoFunds(balance)),
        ];
        for (payee, amount, invoice, error) in tries {
            assert_eq!(world.pay(payee, amount, "", invoice, None), Err(error));
        }
        assert_eq!((world.payments().len(), world.account().balance, world.effects().len()), (0, balance, 0));
        assert!(world.pay("payee-01", balance, "all of it", None, None).is_ok());
    }

    #[test]
    fn payees_have_accounts_that_check_and_are_bounded() {
        let mut world = World::new();
        assert_eq!(world.add_payee("New", "AT61 1904 3002 3457 3201"), Ok("payee-05".into()));
        assert_eq!(
            world.add_payee("Again", "AT611904300234573201"),
            Err(WorldError::PayeeThere("payee-05".into()))
        );
        assert!(matches!(world.add_payee("No", "AT611904300234573202"), Err(WorldError::BadIban(_))));
        assert_eq!(world.effects().len(), 1);
        let mut number = 0_u64;
        let full = loop {
            number += 1;
            // Two check digits of 100 fit.
            let fits =
                (2..=98).map(|check| format!("ZZ{check:02}{number:016}")).find(|text| is_iban(text)).unwrap();
            if let Err(full) = world.add_payee("Many", &fits) {
                break full;
            }
        };
        assert_eq!((full, world.payees().len()), (WorldError::Full("payees"), PAYEES_MAX));
    }

    #[test]
    fn published_test_accounts_check_and_their_neighbours_do_not() {
        for good in ["DE89370400440532013000", "GB29NWBK60161331926819", "FR1420041010050500013M02606"] {
            assert!(is_iban(good));
            assert!(!is_iban(&good.replacen('0', "1", 1)), "{good}");
        }
        for bad in
            ["", "DE", "de89370400440532013000", "DE89 3704 0044 0532 0130 00", "89DE370400440532013000"]
        {
            assert!(!is_iban(bad), "{bad}");
        }
        assert_eq!(Cents(184_005).to_string(), "1840.05");
        assert_eq!(Cents(7).to_string(), "0.07");
    }
}
