//! Rules for models and signers. Whether keys are keys is seen by the plan compiler: words know no cryptography.

use super::{Check, shown};
use crate::declare::{Model, Named, Proof, Signer, Standing};

pub(super) fn check(check: &mut Check<'_>, model: &Named<Model>) {
    let Named { name, spec } = model;
    check.unit_of("model", name, &spec.unit);
    check.keeper("model", name, "owner", &spec.owner, Standing::Active);
    if let Some(files) = &spec.files
        && (!files.starts_with('/') || files.len() > PATH_BYTES_MAX || files.chars().any(char::is_control))
    {
        let why = format!("`files` is `{}`, which is no absolute path", shown(files));
        check.broken("model", name, why, "write the whole path, such as `/srv/models/support`");
    }
    if let Some(signature) = &spec.signature {
        let parts_ok = signature.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !parts_ok || signature.len() > PATH_BYTES_MAX || signature.chars().any(char::is_control) {
            let why = format!("`signature` is `{}`, which is no path within the model", shown(signature));
            check.broken("model", name, why, "write a path below `files`, such as `model.sig`");
        }
    }
    let all = check.all;
    for signer in &spec.signers {
        check.exists("model", name, "its signer", "signer", signer, all.signers.iter().map(|one| &one.name));
    }
    for (at, proof) in spec.requires.iter().enumerate() {
        if spec.requires.iter().take(at).any(|earlier| earlier == proof) {
            let why = format!("`requires` names `{}` twice", proof.as_str());
            check.broken("model", name, why, "name each once");
        }
    }
    if spec.requires.contains(&Proof::CurrentPack) && !spec.requires.contains(&Proof::Scan) {
        let why = "`requires` names `current_pack` without `scan`";
        check.broken("model", name, why, "name `scan` too");
    }
    if spec.requires.contains(&Proof::Signature) && spec.signers.is_empty() {
        let why = "it requires a signature, and names nobody who may sign";
        check.broken("model", name, why, "declare a `signer`, and name it in `signers`");
    }
    if spec.max_age_days.is_some_and(|days| !(1..=AGE_DAYS_MAX).contains(&days)) {
        let why = "`max_age_days` must be 1 to 3650";
        check.broken("model", name, why, "leave it out for evidence that counts for ever");
    }
}

pub(super) fn check_signer(check: &mut Check<'_>, signer: &Named<Signer>) {
    let Named { name, spec } = signer;
    if spec.pem.trim().is_empty() || spec.pem.len() > PEM_BYTES_MAX {
        let why = "its `pem` is empty or longer than 16 KiB";
        check.broken("signer", name, why, "write the PEM text of one public key or one certificate");
    }
    let is_hint = |text: &String| {
        text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if let Some(wrong) = spec.revoked_keys.iter().find(|key| !is_hint(key)) {
        let why = format!("`{}` in `revoked_keys` is not 64 lower-case hex digits", shown(wrong));
        check.broken("signer", name, why, "write what `alcaide model show` prints as the signer's key");
    }
}

/// Longest path that Linux takes (`PATH_MAX`).
const PATH_BYTES_MAX: usize = 4096;
/// One certificate with many names.
const PEM_BYTES_MAX: usize = 16 << 10;
/// Ten years.
const AGE_DAYS_MAX: u32 = 3650;
