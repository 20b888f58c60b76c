//! The built-in rules: what each finds, how grave it is, and the words that explain it.

use alcaide_finding::{Class, RuleId, Severity};

/// One rule of the engine.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rule {
    /// Stable id, part of the public vocabulary.
    pub id: RuleId,
    /// What kind of content it finds.
    pub class: Class,
    /// How grave a true finding is.
    pub severity: Severity,
    /// One sentence for people: what it finds and what makes it sure.
    pub description: &'static str,
}

macro_rules! rules {
    ($($name:ident = $id:literal, $class:ident, $severity:ident, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub(crate) static $name: Rule = Rule {
                id: RuleId::fixed($id),
                class: Class::$class,
                severity: Severity::$severity,
                description: $text,
            };
        )*

        /// Every rule, in the order of the listing.
        pub(crate) static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    CARD = "card-number", Card, Grave,
        "payment card number: 13 to 19 digits, range of an issuer, Luhn check, plausible groups";
    EMAIL = "email-address", Personal, Warning,
        "e-mail address: a local part of at most 64 bytes, `@` and a domain with a top level of letters";
    AWS_KEY_ID = "aws-access-key-id", Secret, Warning,
        "AWS access key id: four known letters and 16 of base32";
    AWS_SECRET = "aws-secret-access-key", Secret, Grave,
        "AWS secret access key: 40 of base64 beside a key that names it or after an access key id";
    GITHUB = "github-token", Secret, Grave,
        "GitHub token: a known beginning and a valid check sum, or the fine-grained form";
    GITLAB = "gitlab-token", Secret, Grave, "GitLab token: a known beginning and at least 20 characters";
    SLACK = "slack-token", Secret, Grave, "Slack token: `xox` or `xapp`, numbers and a random part";
    SLACK_HOOK = "slack-webhook", Secret, Grave, "Slack incoming webhook: the path that lets anyone post";
    STRIPE = "stripe-key", Secret, Grave, "Stripe secret, restricted or webhook signing key";
    OPENAI = "openai-key", Secret, Grave, "key of the form that OpenAI made common: `sk-` and a random part";
    ANTHROPIC = "anthropic-key", Secret, Grave, "Anthropic key: `sk-ant-` and a random part";
    GOOGLE = "google-api-key", Secret, Grave, "Google API key: `AIza` and 35 of base64url";
    NPM = "npm-token", Secret, Grave, "npm token: `npm_`, 36 characters, valid check sum";
    PYPI = "pypi-token", Secret, Grave, "PyPI token: `pypi-` and a macaroon of pypi.org or test.pypi.org";
    HUGGING_FACE = "hugging-face-token", Secret, Grave, "Hugging Face token: `hf_` and at least 30 characters";
    SENDGRID = "sendgrid-key", Secret, Grave, "SendGrid key: `SG.`, 22 and 43 of base64url";
    JWT = "json-web-token", Secret, Grave,
        "JSON web token: a header that decodes to a JSON object with `alg`, and what follows it";
    PRIVATE_KEY = "private-key", Secret, Grave, "PEM block of a private key, with some of its body";
    CONNECTION = "connection-password", Secret, Grave, "password within the authority of a URL";
    IMAGE_LINK = "image-link", Link, Warning,
        "image, frame or style of a host that nobody named, whose place has room for data: whoever shows the text sends it";
    DATA_LINK = "data-link", Link, Note,
        "link to a host that nobody named with something before an `@`, or a part of 40 bytes or more";
    PASSWORD = "password", Secret, Grave, "value given to a key that names a password, if it is no filler";
    GENERIC = "api-secret", Secret, Grave,
        "value given to a key that names a secret or token, if it is long and random enough";
}
