use proptest::prelude::*;

use super::*;

fn read(chunks: &[&[u8]]) -> Vec<SseEvent> {
    let mut reader = SseReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        reader.push(Bytes::copy_from_slice(chunk), &mut events).unwrap();
    }
    events.extend(reader.finish());
    events
}

fn datas(stream: &[u8]) -> Vec<Option<String>> {
    read(&[stream])
        .iter()
        .map(|event| event.data().map(|data| String::from_utf8_lossy(data).into_owned()))
        .collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[test]
fn the_examples_of_the_standard() {
    assert_eq!(datas(b"data: YHOO\ndata: +2\ndata: 10\n\n"), [some("YHOO\n+2\n10")]);
    assert_eq!(
        datas(
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
        ),
        [None, some("first event"), some("second event"), some(" third event")]
    );
    assert_eq!(datas(b"data\n\ndata\ndata\n\ndata:"), [some(""), some("\n"), some("")]);
    assert_eq!(datas(b"data:test\n\ndata: test\n\n"), [some("test"), some("test")]);
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!("event: a{end}data: 1{end}id: 7{end}{end}data: 2{end}{end}");
        let events = read(&[stream.as_bytes()]);
        assert_eq!(events.len(), 2, "{end:?}");
        assert_eq!(events[0].name(), Some(&b"a"[..]));
        assert_eq!(events[0].id(), Some(&b"7"[..]));
        assert_eq!(events[0].data(), Some(&b"1"[..]));
        assert_eq!(events[0].is_plain(), end != "\r");
        assert!(events.iter().all(SseEvent::is_complete), "{end:?}");
    }
}

#[test]
fn a_blank_line_cut_between_cr_and_lf_is_one() {
    let events = read(&[b"data: 1\r\n\r", b"\ndata: 2\r\n\r\n"]);
    assert_eq!(events.len(), 2);
    assert_eq!(&events[0].raw()[..], b"data: 1\r\n\r\n");
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_start_alone() {
    let events = read(&[b"\xef", b"\xbb", b"\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n"]);
    assert_eq!(events[0].data(), Some(&b"1"[..]));
    assert!(!events[0].is_plain());
    assert_eq!(events[1].data(), None);
    assert!(!events[1].is_plain());
}

#[test]
fn what_is_cut_is_told_and_marked() {
    let events = read(&[b"data: 1\n\ndata: [DONE]"]);
    assert_eq!(events[1].data(), Some(&b"[DONE]"[..]));
    assert!(events[0].is_complete() && !events[1].is_complete());
}

#[test]
fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
    let stream = b"data: 12345\n\n";
    for cut in 0..stream.len() {
        let (head, tail) = stream.split_at(cut);
        let push = |limit: usize| {
            let mut reader = SseReader::new(limit);
            let mut events = Vec::new();
            let first = reader.push(Bytes::copy_from_slice(head), &mut events);
            first.and_then(|()| reader.push(Bytes::copy_from_slice(tail), &mut events)).map(|()| events.len())
        };
        assert_eq!(push(stream.len()), Ok(1));
        assert_eq!(push(stream.len() - 1), Err(SseError::EventTooLong { limit: stream.len() - 1 }));
    }
    assert_eq!(SseError::EventTooLong { limit: 9 }.to_string(), "event of more than 9 bytes");
}

#[test]
fn an_edit_keeps_every_other_byte() {
    let event = &read(&[b"event: delta\ndata: {\"a\":1}\nid: 3\n\n"])[0];
    assert_eq!(&event.with_data(b"{}")[..], b"event: delta\ndata: {}\nid: 3\n\n");
    assert_eq!(&event.with_data(b"a\nb")[..], b"event: delta\nid: 3\ndata: a\ndata: b\n\n");
    let bare = &read(&[b"data:x\n\n"])[0];
    assert_eq!(&bare.with_data(b" y")[..], b"data:  y\n\n");
    let empty = &read(&[b"data\n\n"])[0];
    assert_eq!(&empty.with_data(b"y")[..], b"data: y\n\n");
}

#[test]
fn an_event_with_a_comment_or_an_odd_field_is_not_plain() {
    for (text, plain) in [
        ("data: 1\n\n", true),
        ("event: a\ndata: 1\nid: 3\nretry: 300\n\n", true),
        (": 4242\ndata: 1\n\n", false),
        ("data: 1\n:\n\n", false),
        ("data: 1\nretry: 4242 4242\n\n", false),
        ("data: 1\nretry\n\n", false),
        ("data: 1\nother: 4242\n\n", false),
    ] {
        let event = &read(&[text.as_bytes()])[0];
        assert_eq!(event.is_plain(), plain, "{text:?}");
        if !plain {
            assert_eq!(&event.rewritten()[..], b"data: 1\n\n", "{text:?}");
            assert_eq!(&event.with_data(b"2")[..], b"data: 2\n\n", "{text:?}");
        }
    }
}

#[test]
fn a_rewritten_event_cannot_smuggle_a_field() {
    let frame = Frame { name: Some("a\ndata: x".into()), data: Some(b"1\r2\r\n3\n4"), ..Frame::default() };
    let events = read(&[&frame.write()]);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name(), Some(&b"adata: x"[..]));
    assert_eq!(events[0].data(), Some(&b"1\n2\n3\n4"[..]));
    assert!(read(&[b": only a comment\n\n"])[0].rewritten().is_empty());
    let odd = &read(&[b"data: 1\rdata: 2\r\rx"])[0];
    assert!(!odd.is_plain());
    assert_eq!(&odd.rewritten()[..], b"data: 1\ndata: 2\n\n");
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"data: ".to_vec()),
        Just(b"data".to_vec()),
        Just(b"event:x".to_vec()),
        Just(b":".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        Just(b"{\"a\": \"b\"}".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_events_and_all_bytes(
        stream in stream(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let whole = read(&[&stream]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let parts = read(&chunks);
        prop_assert_eq!(&parts, &whole);
        let bytewise: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&read(&bytewise), &whole);
        let raw: Vec<u8> = whole.iter().flat_map(|event| event.raw().to_vec()).collect();
        prop_assert_eq!(raw, stream);
    }

    #[test]
    fn what_is_written_reads_back(data in proptest::collection::vec(any::<u8>(), 0..40), name in "[a-z.]{1,9}") {
        let events = read(&[&Frame::named(&name, &data).write()]);
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(events[0].name(), Some(name.as_bytes()));
        let lf = String::from_utf8_lossy(&data).replace("\r\n", "\n").replace('\r', "\n");
        let got = String::from_utf8_lossy(events[0].data().unwrap()).into_owned();
        prop_assert_eq!(got, lf);
        let again = events[0].rewritten();
        let reread = read(&[&again]);
        prop_assert_eq!(reread[0].data(), events[0].data());
    }
}
