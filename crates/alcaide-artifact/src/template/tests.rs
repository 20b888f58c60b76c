use alcaide_container::{Fuel, Limits};
use proptest::prelude::*;

use super::*;

mod honest;
mod hostile;

fn rules_of(source: &str) -> Vec<&'static str> {
    let fuel = Fuel::new(Limits::for_file(source.len() as u64));
    let mut rules: Vec<_> = judged(source, &fuel).iter().map(|said| said.rule.id.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn honest_templates_of_many_families_have_nothing_and_leave_no_doubt() {
    assert!(honest::ALL.len() >= 50);
    for (name, source) in honest::ALL {
        let fuel = Fuel::new(Limits::for_file(source.len() as u64));
        let said = judged(source, &fuel);
        assert!(said.is_empty(), "{name}: {said:?}");
    }
}

#[test]
fn each_way_to_the_interpreter_is_found() {
    for source in hostile::REACHING {
        let rules = rules_of(source);
        assert!(
            rules.iter().any(|rule| matches!(
                *rule,
                "template-reaches-interpreter" | "template-private-name" | "template-loads-other"
            )),
            "{source}: {rules:?}"
        );
    }
}

#[test]
fn each_backdoor_is_found() {
    for (rule, source) in hostile::BACKDOORS {
        assert!(rules_of(source).contains(rule), "{source}: {:?}", rules_of(source));
    }
}

#[test]
fn a_backdoor_in_any_honest_template_is_found() {
    for (name, source) in honest::ALL {
        for (rule, backdoor) in hostile::BACKDOORS {
            let rules = rules_of(&format!("{source}{backdoor}"));
            assert!(rules.contains(rule), "{name} with {backdoor}: {rules:?}");
        }
        assert!(
            rules_of(&format!("{source}{{{{ ''.__class__ }}}}")).contains(&"template-reaches-interpreter"),
            "{name}"
        );
    }
}

#[test]
fn bombs_are_found_before_they_go_off() {
    for source in hostile::BOMBS {
        assert!(rules_of(source).contains(&"template-bomb"), "{source}: {:?}", rules_of(source));
    }
}

#[test]
fn what_does_not_parse_or_takes_too_long_is_in_doubt() {
    assert_eq!(rules_of("{% if %}"), ["template-unclear"]);
    assert_eq!(rules_of("{% wat %}{{ x.__class__ }}"), ["template-reaches-interpreter", "template-unclear"]);
    let deep = "{% for a in '0123456789012345678901234567890123456789' %}".repeat(4)
        + "{{ a }}"
        + &"{% endfor %}".repeat(4);
    assert!(rules_of(&deep).contains(&"template-unclear"), "{:?}", rules_of(&deep));
    let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: 20, entries: 0, depth: 0 });
    assert!(!judged(&"{{ a }}".repeat(40), &fuel).is_empty());
}

#[test]
fn the_deepest_template_that_parses_is_walked() {
    let deep = format!(
        "{}{{{{ {}a{}{} }}}}{}",
        "{% if a %}".repeat(parse::DEPTH_MAX - 1),
        "(1 + [".repeat(15),
        ".b".repeat(60),
        "])".repeat(15),
        "{% endif %}".repeat(parse::DEPTH_MAX - 1)
    );
    assert!(rules_of(&deep).is_empty(), "{:?}", rules_of(&deep));
}

proptest! {
    #[test]
    fn any_text_is_judged_without_harm(source in "([{}%#a-c.|'\"()_ =\\[\\]0-9-]|\\{%|%\\}|\\{\\{|\\}\\}| if | for | in | set |endif|endfor|é){0,60}") {
        let _ = rules_of(&source);
    }

    #[test]
    fn honest_templates_survive_any_change(index: proptest::sample::Index, at: proptest::sample::Index, byte in 32_u8..127) {
        let (_, source) = honest::ALL[index.index(honest::ALL.len())];
        let mut bytes = source.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = rules_of(&String::from_utf8_lossy(&bytes));
    }
}
