//! Model files: what they would do, before anything loads them, and whether they are those that somebody signed.

mod key;
mod keygen;
mod leave;
mod scan;
mod sign;
mod trust;
mod verify;

use alcaide_artifact::Rule;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::{Desk, Exit};
use crate::fail::Failure;

/// `alcaide model …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge model files: clean, unsafe, or inconclusive where something could not be looked into
    #[command(
        after_help = "Example: alcaide model scan ./my-model\nNothing is loaded or run: files are parsed by readers that can do nothing else. Exit status: 0 clean, \
        1 unsafe, 2 wrong usage, 3 inconclusive or not readable. The same files and rules give the same JSON."
    )]
    Scan(scan::Scan),
    /// Sign a model: every file of it, in the format of OpenSSF Model Signing
    #[command(after_help = "Example: alcaide model sign --key release.pem ./my-model\n\
        By certificate: alcaide model sign --key release.pem --cert-chain release.crt --cert-chain between.crt ./my-model\n\
        By a token: alcaide model sign --key 'pkcs11:token=release;object=models' --pkcs11-module /usr/lib/softhsm/libsofthsm2.so \
        --pin-file pin.txt ./my-model\nExit status: 0 signed, 1 a file cannot be signed, 2 wrong usage or key, 3 something could not be \
        read or written.")]
    Sign(sign::Sign),
    /// Verify that a model is the one that was signed: no file changed, missing or added
    #[command(after_help = "Example: alcaide model verify --key release.pub.pem ./my-model\n\
        By certificate: alcaide model verify --roots authority.pem ./my-model\n\
        Two of three: alcaide model verify --key a.pem --key b.pem --key c.pem --signature a.sig --signature b.sig --threshold 2 ./my-model\n\
        Exit status: 0 verified, 1 the signature or a file does not hold, 2 wrong usage, 3 something could not be read.")]
    Verify(verify::Verify),
    /// Make a key that signs models
    #[command(after_help = "Example: alcaide model keygen release.pem --public release.pub.pem")]
    Keygen(keygen::Keygen),
    /// List the rules: what each finds, and how much harm it means
    #[command(after_help = "Example: alcaide model rules")]
    Rules(Rules),
}

/// `alcaide model rules`.
#[derive(Args, Debug)]
pub(crate) struct Rules {}

#[derive(Serialize)]
struct RuleView {
    id: &'static str,
    rating: &'static str,
    description: &'static str,
    cure: &'static str,
}

impl Verb {
    pub(crate) fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Scan(scan) => scan.run(desk),
            Self::Sign(sign) => sign.run(desk),
            Self::Verify(verify) => verify.run(desk),
            Self::Keygen(keygen) => keygen.run(desk),
            Self::Rules(Rules {}) => {
                let all: Vec<_> = Rule::all().map(view).collect();
                let rows: Vec<_> = all
                    .iter()
                    .map(|one| vec![one.id.to_owned(), one.rating.to_owned(), one.description.to_owned()])
                    .collect();
                desk.out
                    .show(&all, || desk.out.table(&["RULE", "RATING", "WHAT IT FINDS"], &rows, "no rules"))?;
                Ok(Exit::Clean)
            }
        }
    }
}

fn view(rule: &'static Rule) -> RuleView {
    RuleView {
        id: rule.id.as_str(),
        rating: rule.rating.as_str(),
        description: rule.description,
        cure: rule.cure,
    }
}
