//! Tools of the payments book. Amounts are whole cents going in, and both cents and decimal text coming out.

use serde_json::{Value, json};

use super::{ADDS, Done, Field, Form, Hints, LOOKS, Need, Tool};
use super::{count, list_of, object, text, text_or_null};
use crate::world::{Cents, Payment};

/// Largest payment: ten million euros, more than the account will ever hold.
const CENTS_MAX: i64 = 1_000_000_000;

/// It moves money, which does not come back; with a request id, once.
const PAYS: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: true };

pub(super) const TOOLS: [Tool; 6] = [
    Tool {
        name: "list_invoices",
        title: "List invoices",
        description: "Lists the invoices that came, open or paid.",
        fields: &[Field {
            name: "status",
            need: Need::May,
            form: Form::Word(&["open", "paid", "all"]),
            about: "Which invoices; the open ones where nothing is said.",
        }],
        output: || {
            let invoice = object(&[
                ("id", text()),
                ("payee", text()),
                ("amount_cents", count()),
                ("amount", text()),
                ("currency", text()),
                ("due", text()),
                ("subject", text()),
                ("paid_by", text_or_null()),
            ]);
            object(&[("invoices", list_of(invoice))])
        },
        hints: LOOKS,
        run: |world, args| {
            let status = args.text_if("status").unwrap_or("open");
            let wanted = world.invoices().iter().filter(|one| match status {
                "open" => one.paid_by.is_none(),
                "paid" => one.paid_by.is_some(),
                _ => true,
            });
            let invoices: Vec<Value> = wanted
                .map(|one| {
                    json!({
                        "id": one.id, "payee": one.payee, "amount_cents": one.amount.0,
                        "amount": one.amount.to_string(), "currency": "EUR", "due": one.due,
                        "subject": one.subject, "paid_by": one.paid_by,
                    })
                })
                .collect();
            Ok(Done::value(json!({ "invoices": invoices })))
        },
    },
    Tool {
        name: "list_payees",
        title: "List payees",
        description: "Lists everybody who can be paid, with their accounts.",
        fields: &[],
        output: || {
            object(&[("payees", list_of(object(&[("id", text()), ("name", text()), ("iban", text())])))])
        },
        hints: LOOKS,
        run: |world, _| {
            let payees: Vec<Value> = world
                .payees()
                .iter()
                .map(|one| json!({ "id": one.id, "name": one.name, "iban": one.iban }))
                .collect();
            Ok(Done::value(json!({ "payees": payees })))
        },
    },
    Tool {
        name: "account_balance",
        title: "Account balance",
        description: "Tells what the firm's account holds.",
        fields: &[],
        output: || {
            object(&[("iban", text()), ("balance_cents", count()), ("balance", text()), ("currency", text())])
        },
        hints: LOOKS,
        run: |world, _| {
            let account = world.account();
            Ok(Done::value(json!({
                "iban": account.iban, "balance_cents": account.balance.0,
                "balance": account.balance.to_string(), "currency": "EUR",
            })))
        },
    },
    Tool {
        name: "list_payments",
        title: "List payments",
        description: "Lists the latest payments that were made, newest first, at most 50.",
        fields: &[],
        output: || object(&[("payments", list_of(payment_schema())), ("left_out", count())]),
        hints: LOOKS,
        run: |world, _| {
            let made = world.payments();
            let payments: Vec<Value> = made.iter().rev().take(SHOWN_MAX).map(payment).collect();
            Ok(Done::value(json!({ "payments": payments, "left_out": made.len().saturating_sub(SHOWN_MAX) })))
        },
    },
    Tool {
        name: "make_payment",
        title: "Make a payment",
        description: "Pays a payee from the firm's account, at once and for good. If it names an invoice, the amount must be \
            the invoice's and the invoice is settled. With `request_id`, a second call with the same values pays nothing and \
            gives the first payment again.",
        fields: &[
            Field {
                name: "payee",
                need: Need::Must,
                form: Form::Line { least: 1, most: 20 },
                about: "Id of the payee, such as `payee-01`.",
            },
            Field {
                name: "amount_cents",
                need: Need::Must,
                form: Form::Whole { least: 1, most: CENTS_MAX },
                about: "Amount in whole euro cents: 1840.00 euros are 184000.",
            },
            Field {
                name: "reference",
                need: Need::Must,
                form: Form::Line { least: 1, most: 140 },
                about: "What it is for; the receiver reads it.",
            },
            Field {
                name: "invoice",
                need: Need::May,
                form: Form::Line { least: 1, most: 20 },
                about: "The invoice that it settles, such as `INV-2041`.",
            },
            Field {
                name: "request_id",
                need: Need::May,
                form: Form::Line { least: 8, most: 64 },
                about: "Made up by the caller, a new one for each payment.",
            },
        ],
        output: payment_schema,
        hints: PAYS,
        run: |world, args| {
            let amount = Cents(args.whole_if("amount_cents").unwrap_or(0));
            let (invoice, request) = (args.text_if("invoice"), args.text_if("request_id"));
            let made = world.pay(args.text("payee")?, amount, args.text("reference")?, invoice, request)?;
            Ok(Done::value(payment(&made)))
        },
    },
    Tool {
        name: "add_payee",
        title: "Add a payee",
        description: "Adds somebody who can be paid, with an account. The check digits of the IBAN are checked, nothing else.",
        fields: &[
            Field {
                name: "name",
                need: Need::Must,
                form: Form::Line { least: 1, most: 70 },
                about: "The payee's name.",
            },
            Field {
                name: "iban",
                need: Need::Must,
                form: Form::Line { least: 15, most: 42 },
                about: "The payee's account, an IBAN, with or without spaces.",
            },
        ],
        output: || object(&[("id", text())]),
        hints: ADDS,
        run: |world, args| {
            Ok(Done::value(json!({ "id": world.add_payee(args.text("name")?, args.text("iban")?)? })))
        },
    },
];

/// Most payments of one answer.
const SHOWN_MAX: usize = 50;

fn payment_schema() -> Value {
    object(&[
        ("id", text()),
        ("at", text()),
        ("payee", text()),
        ("iban", text()),
        ("amount_cents", count()),
        ("amount", text()),
        ("currency", text()),
        ("reference", text()),
        ("invoice", text_or_null()),
    ])
}

fn payment(made: &Payment) -> Value {
    json!({
        "id": made.id, "at": made.at, "payee": made.payee, "iban": made.iban, "amount_cents": made.amount.0,
        "amount": made.amount.to_string(), "currency": "EUR", "reference": made.reference, "invoice": made.invoice,
    })
}
