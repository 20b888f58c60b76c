use proptest::prelude::*;

use crate::Verdict;
use crate::model::testing::{report, rules};

#[test]
fn plain_documents_are_clean() {
    for (name, text) in [
        (
            "m.pmml",
            r#"<?xml version="1.0" encoding="UTF-8"?><PMML version="4.4" xmlns="http://www.dmg.org/PMML-4_4" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.dmg.org/PMML-4_4 http://www.dmg.org/pmml-4-4.xsd"><Header copyright="a &amp; b"><Extension name="version" value="1"/></Header><!-- note --></PMML>"#,
        ),
        (
            "model.xml",
            "<?xml version=\"1.0\"?>\n<net name='n' version='11'>\n<layers><layer id='0' name='x' type='Const' version='opset1'><data offset='0' size='8' element_type='f32'/></layer></layers><edges/></net>\n",
        ),
    ] {
        let report = report(name, text.as_bytes());
        assert_eq!((report.verdict, report.parts[0].format.as_ref()), (Verdict::Clean, "xml"), "{report:?}");
    }
}

#[test]
fn what_asks_for_more_than_reading_is_found() {
    for (text, expected) in [
        (r#"<!DOCTYPE PMML [<!ENTITY x SYSTEM "file:///etc/passwd">]><PMML>&x;</PMML>"#, "xml-entity"),
        (r#"<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><PMML/>"#, "xml-entity"),
        (r#"<!doctype PMML SYSTEM "http://h/x.dtd"><PMML/>"#, "xml-entity"),
        (
            r#"<PMML xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></PMML>"#,
            "xml-include",
        ),
        (r#"<?xml-stylesheet href="x.xsl"?><PMML/>"#, "xml-include"),
        (r#"<PMML><Extension name="script" value="x"/></PMML>"#, "xml-script"),
        (r#"<PMML><script>1</script></PMML>"#, "xml-script"),
        (r#"<PMML><A>java.lang.Runtime; import os; os.getcwd()</A></PMML>"#, "code-in-text"),
        (r#"<PMML><![CDATA[__import__('os')]]></PMML>"#, "code-in-text"),
        (r#"<net><layers><layer type="Custom" version="extension"/></layers></net>"#, "custom-layer"),
        (
            r#"<net><layers><layer type="X" version="opset1"><data library="libevil.so"/></layer></layers></net>"#,
            "xml-library",
        ),
        (
            r#"<net><layers><layer type="Const" version="opset1"><data path="../../etc/x"/></layer></layers></net>"#,
            "path-outside",
        ),
        ("<PMML><A></B></PMML>", "structure-broken"),
        ("<PMML><A>", "structure-broken"),
        ("<PMML/>tail", "structure-broken"),
        (r#"<?xml version="1.0" encoding="utf-7"?><PMML/>"#, "structure-broken"),
        ("\u{feff}<!DOCTYPE PMML [", "xml-entity"),
    ] {
        let report = report("m.pmml", text.as_bytes());
        assert!(rules(&report).contains(&expected), "{text}: {:?}", report.findings);
    }
    let wide: Vec<u8> = "<PMML/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(rules(&report("m.pmml", &wide)), ["structure-broken"]);
    let deep = "<a>".repeat(10_000);
    assert!(rules(&report("m.xml", deep.as_bytes())).contains(&"nested-too-deep"));
}

proptest! {
    #[test]
    fn any_document_ends(text in "[<>/=!?\\[\\]\"'a-z &;-]{0,80}") {
        report("m.xml", format!("<{text}").as_bytes());
    }
}
