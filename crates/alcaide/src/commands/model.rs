//! Models: what their files would do, before anything loads them; whether they are those that somebody signed; which versions there
//! are, and what may be served.

mod key;
mod keygen;
mod leave;
mod registry;
mod scan;
mod sign;
mod trust;
mod verify;

use alcaide_artifact::Rule;
use alcaide_inventory::Name;
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
    /// Register the files of a declared model: they are scanned and hashed, and what is found becomes signed evidence
    #[command(
        after_help = "Example: alcaide model register support /srv/models/support --signature support.sig\nExit status: 0 clean, 1 \
        unsafe, 3 inconclusive; it is registered in each case. What is released is another person's decision: `alcaide model release`."
    )]
    Register(registry::Register),
    /// List the declared models, and how they stand
    #[command(after_help = "Example: alcaide model list")]
    List,
    /// Show a model: its versions, evidence about them, what lies on disk
    #[command(after_help = "Example: alcaide model show support")]
    Show {
        /// Its name
        name: Name,
    },
    /// Let a version be served, in the place of the one before
    #[command(after_help = "Example: alcaide model release support 4be1…")]
    Release(registry::Release),
    /// Hold a version back until it was scanned anew and released again
    #[command(after_help = "Example: alcaide model quarantine support --yes")]
    Quarantine(registry::TakeBack),
    /// Say that a version may never be served again
    #[command(after_help = "Example: alcaide model revoke support 4be1… --yes")]
    Revoke(registry::TakeBack),
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
    pub(crate) async fn run(self, desk: &Desk) -> Result<Exit, Failure> {
        match self {
            Self::Scan(scan) => scan.run(desk),
            Self::Sign(sign) => sign.run(desk),
            Self::Verify(verify) => verify.run(desk),
            Self::Keygen(keygen) => keygen.run(desk),
            Self::Register(register) => register.run(desk).await,
            Self::List => registry::list(desk).await,
            Self::Show { name } => registry::show(desk, &name).await,
            Self::Release(release) => release.run(desk).await,
            Self::Quarantine(one) => one.run(desk, "quarantine", "quarantined").await,
            Self::Revoke(one) => one.run(desk, "revoke", "revoked").await,
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
