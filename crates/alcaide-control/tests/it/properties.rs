//! What holds for any input.

use alcaide_control::{Edit, Kind, Thing, diff};
use alcaide_inventory::declare::{Declarations, Named, Route, Transport, Unit};
use proptest::prelude::*;

use crate::house::{DECLARED, declared};

fn name() -> impl Strategy<Value = String> {
    "[a-e]{1,2}"
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "\\PC{0,200}", at in 0..DECLARED.len()) {
        // Torn into a good folder, so that more than the first line is reached.
        let at = (0..=at).rev().find(|at| DECLARED.is_char_boundary(*at)).unwrap();
        let (before, after) = DECLARED.split_at(at);
        for text in [text.clone(), format!("{before}{text}{after}")] {
            match Declarations::from_toml("any.toml", &text) {
                Ok(read) => { let _ = read.check(); }
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }

    #[test]
    fn any_url_and_path_is_judged_and_no_foreign_scheme_passes(url in "\\PC{0,40}", path in "[/a-z{}.%]{0,20}") {
        let mut wanted = declared();
        wanted.upstreams[0].spec.transport = Transport::Http { base_url: url.clone() };
        let found = wanted.check();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            prop_assert!(found.iter().any(|one| one.place == "upstream/local"));
        }
        if let Route::Model(_) = &wanted.routes[0].spec {
            let text = format!(
                "schema = 1\n[[route]]\nname = \"r\"\nkind = \"service\"\nupstream = \"u\"\n\
                 operations = [{{ name = \"o\", method = \"GET\", path = \"{path}\" }}]\n"
            );
            let found = Declarations::from_toml("any.toml", &text).unwrap().check();
            let told = found.iter().any(|one| one.place == "route/r/o");
            prop_assert_eq!(!told, path.starts_with('/') && path.split('/').skip(1).all(|segment| {
                let parameter = segment.len() > 2 && segment.starts_with('{') && segment.ends_with('}')
                    && segment[1..segment.len() - 1].bytes().all(|byte| byte.is_ascii_lowercase());
                let plain = !segment.is_empty() && segment != "." && segment != ".."
                    && segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.');
                parameter || plain || path == "/"
            }) && distinct_parameters(&path), "{}", path);
        }
    }

    #[test]
    fn an_edit_and_its_undoing_leave_no_difference(names in prop::collection::vec(name(), 1..8)) {
        let mut now = Declarations::empty();
        let mut made = Vec::new();
        for name in names {
            let unit = Thing::Unit(Named { name: name.parse().unwrap(), spec: Unit::default() });
            let fresh = !made.contains(&name);
            match Edit::Create(unit).on(now.clone()) {
                Ok(next) => {
                    prop_assert!(fresh);
                    prop_assert_eq!(diff(&now, &next).len(), 1);
                    now = next;
                    made.push(name);
                }
                Err(_) => prop_assert!(!fresh),
            }
        }
        prop_assert_eq!(now.units.len(), made.len());
        for name in made {
            now = Edit::Remove { kind: Kind::Unit, name }.on(now).unwrap();
        }
        prop_assert!(diff(&now, &Declarations::empty()).is_empty());
    }
}

fn distinct_parameters(path: &str) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    path.split('/').filter(|segment| segment.starts_with('{')).all(|segment| seen.insert(segment))
}
