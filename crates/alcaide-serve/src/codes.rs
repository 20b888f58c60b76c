//! The codes of this crate: everything that can be wrong with a request before anybody looks at what it asks.

use crate::problem::CodeEntry;

macro_rules! codes {
    ($(
        $name:ident = $code:literal, $status:literal, $title:literal, $what:literal, $why:literal, $cure:literal;
    )*) => {
        $(
            #[doc = concat!("`", $code, "`: ", $title, ".")]
            pub const $name: CodeEntry = CodeEntry {
                code: $code, status: $status, title: $title, what: $what, why: $why, cure: $cure,
            };
        )*

        /// All of them, for the catalogue.
        pub static TABLE: &[CodeEntry] = &[$($name),*];
    };
}

codes! {
    FRAMING_BOTH = "ALC-SERVE-0001", 400, "length given twice",
        "the request has both `content-length` and `transfer-encoding`",
        "two readers may take different ends of the body, which lets a second request hide in it (RFC 9112, \
         section 6.3)",
        "send only one of the two; a proxy in between must rebuild the framing";
    CONTENT_LENGTH = "ALC-SERVE-0002", 400, "content-length not clear",
        "`content-length` is repeated or is no plain number",
        "two readers may take different ends of the body (RFC 9110, section 8.6)",
        "send `content-length` once, in digits only";
    TRANSFER_ENCODING = "ALC-SERVE-0003", 400, "transfer-encoding not supported",
        "`transfer-encoding` is repeated or is not exactly `chunked`",
        "other codings are rarely meant and often used to confuse two readers",
        "send `transfer-encoding: chunked` once, or `content-length`";
    LINE_ENDS = "ALC-SERVE-0004", 400, "malformed request head",
        "a line of the request head does not end in CR LF, or is continued on the next line",
        "readers differ in how they take such lines (RFC 9112, sections 2.2 and 5.2)",
        "use an HTTP client that ends lines in CR LF and does not fold them";
    TARGET_BAD = "ALC-SERVE-0005", 400, "request target not clear",
        "the path holds `//`, a dot segment, a backslash, an encoded separator or dot (`%2f %5c %2e %00`), \
         or a byte outside ASCII",
        "a policy that looks at the path must see the path that the upstream sees",
        "send the path already normalised, and what may hold such characters in the query or the body";
    TARGET_FORM = "ALC-SERVE-0006", 400, "request target in a wrong form",
        "the request target is not a path (origin-form), or holds a fragment",
        "this is no forward proxy: the authority comes from `host` alone",
        "use this server's address as base URL, not as proxy";
    HOST_MISSING = "ALC-SERVE-0007", 400, "host missing or repeated",
        "the request has no `host`, more than one, or one that is no host",
        "RFC 9112, section 3.2, asks for exactly one",
        "send `host` once";
    HOST_UNKNOWN = "ALC-SERVE-0008", 421, "host not served here",
        "`host` names none of the names of this server",
        "a page in a browser could point a name of its own at this address (DNS rebinding)",
        "use a configured name, or add this one to the listener's names";
    ORIGIN_REFUSED = "ALC-SERVE-0009", 403, "origin not allowed",
        "`origin` is present and not among the allowed origins",
        "callers of this server are programs; a page of another origin must not use a person's network place",
        "call without a browser, or add the origin to the listener's origins";
    HEADER_REPEATED = "ALC-SERVE-0010", 400, "header repeated",
        "a header that has one value is present more than once",
        "two readers may take different values, one for the check and one for the effect",
        "send the header once";
    EXPECT_UNKNOWN = "ALC-SERVE-0011", 417, "expectation not supported",
        "`expect` is not `100-continue`",
        "RFC 9110, section 10.1.1, knows no other",
        "leave `expect` out";
    CODING_UNSUPPORTED = "ALC-SERVE-0012", 415, "content coding not supported",
        "the request body has a `content-encoding`",
        "what is compressed is not inspected, and what is not inspected is not passed on",
        "send the body without compression";
    METHOD_REFUSED = "ALC-SERVE-0013", 405, "method not served",
        "the method is `CONNECT` or `TRACE`",
        "this server opens no tunnels and echoes no headers",
        "use another method";
    CONNECTION_NAMES = "ALC-SERVE-0014", 400, "connection names a protected header",
        "`connection` lists a header that must reach its receiver",
        "a listed header is removed on the way (RFC 9110, section 7.6.1), which would hide it from the \
         check or the effect",
        "list only hop-by-hop headers in `connection`";
    HEAD_TOO_LARGE = "ALC-SERVE-0015", 431, "request head too large",
        "the request head has more bytes or more lines than allowed",
        "heads are kept in memory for each connection",
        "send fewer or shorter headers, or raise `header_bytes` or `headers`";
    URI_TOO_LONG = "ALC-SERVE-0016", 414, "request target too long",
        "the request target is longer than `uri_bytes`",
        "targets are kept in memory and written to the record",
        "send long values in the body";
    HEAD_SLOW = "ALC-SERVE-0017", 408, "request head too slow",
        "the request head did not come within `header_timeout`",
        "slow heads hold connections that others need",
        "send the head at once; look for a broken line in between";
    BODY_TOO_LARGE = "ALC-SERVE-0018", 413, "request body too large",
        "the request body is larger than allowed",
        "a body is in memory while policy reads it",
        "send less at once, or raise `body_bytes`";
    BODY_IDLE = "ALC-SERVE-0019", 408, "request body too slow",
        "no byte of the request body came within `body_idle_timeout`",
        "slow bodies hold connections that others need",
        "send the body without long pauses; look for a broken line in between";
    BODY_BROKEN = "ALC-SERVE-0020", 400, "request body broken off",
        "the request body ended before its announced end, or its chunks are malformed",
        "a torn body is never passed on",
        "send the request again";
    CONNECTIONS_FULL = "ALC-SERVE-0021", 503, "too many connections",
        "this listener has as many connections as it may",
        "each connection costs memory; a bound keeps those that are served well",
        "use fewer connections and keep them open, try again after `retry-after`, or raise `connections`";
    OUR_FAULT = "ALC-SERVE-0022", 500, "request failed inside",
        "a part of this server failed on the request",
        "a defect: it is in the log with its time",
        "tell the operators the time of the call";
    BODY_NO_ROOM = "ALC-SERVE-0023", 503, "no room for the body",
        "the bodies of other requests have taken all the memory that there is for them",
        "a bound on the memory of all requests together",
        "try again after `retry-after`, send less at once, or raise `bodies_bytes`";
}
