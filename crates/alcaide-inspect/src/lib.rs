//! Is the content safe? Text goes in, findings and edits come out: payment card numbers, e-mail addresses and secrets.
//! Does a tool's definition try to steer whoever reads it? [`poison`] tells.
//! Where does it lead? [`links`] gives every place that it names, links to, or makes a reader fetch.
//! What stands for a text that is not shown? [`placeholder`] writes, reads and finds it.
//! What does it say? [`normal`] gives the forms, hidden texts and values by which two texts are compared.
//!
//! Text is Unicode with all escapes of its carrier (JSON, SSE) already undone. The engine opens nothing and reads
//! no clock. Data moves one way: bytes trip a trigger ([`Engine`] holds the tables), a rule looks at the text
//! around the anchor and answers yes, no or "later", the [`Stream`] turns answers into decided bytes and
//! [`Finding`]s, and a [`Mask`] turns findings into [`Edit`]s.
//!
//! **Streaming is the semantics.** [`Engine::scan`] is one push and a finish; every cutting of a text into chunks
//! gives the same findings, and no byte of a finding is ever reported as decided before the finding. What is held
//! back is at most [`HOLD_BACK_BYTES_MAX`]; a span that may grow longer (a web token, a key block) is decided at
//! its opening and hidden as it comes ([`Step::open`]).
//!
//! Absent on purpose: names and postal addresses, passwords told in prose. The streaming engine reads text as it
//! is: it normalises and decodes nothing, since an edit has to fit the bytes that leave.
//!
//! ```
//! use alcaide_inspect::{Engine, Mask, redact};
//!
//! let engine = Engine::builtin();
//! let text = "write to ana@example.org";
//! let findings = engine.scan(text);
//! let (safe, edits) = redact(text, &findings, Mask::PLACEHOLDERS);
//! assert_eq!(safe, "write to [email address]");
//! assert_eq!(edits[0].span, 9..24);
//! ```

mod assign;
pub mod canary;
mod card;
mod check;
mod close;
mod email;
mod engine;
mod jwt;
mod link;
pub mod links;
mod mask;
pub mod normal;
mod pem;
pub mod placeholder;
pub mod poison;
mod redactor;
mod rules;
mod stream;
mod token;
mod trigger;
mod url;
mod view;

pub use alcaide_finding::Finding;

pub use engine::Engine;
pub use mask::{Edit, Mask, Style, redact};
pub use redactor::{Piece, Redacted, Redactor};
pub use rules::Rule;
pub use stream::{HOLD_BACK_BYTES_MAX, Open, STATE_BYTES_MAX, Step, Stream};
