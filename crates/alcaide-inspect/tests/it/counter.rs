//! What must not be found. The list is what false positives are judged by.

use alcaide_inspect::Engine;

use crate::plant::luhn_complete;

#[test]
fn look_alikes_are_left_alone() {
    let data = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==";
    let image = format!("data:image/png;base64,{data}");
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{data}\n-----END CERTIFICATE-----");
    for text in [
        // Order numbers, parcels, accounts, devices.
        "order 4929-1182-7731-0008 shipped",
        "invoice INV-2024-000123456789",
        "IMEI 490154203237518",
        "ICCID 8935101234567890126",
        "IBAN PT50 0002 0123 1234 5678 9015 4",
        "tracking 1Z999AA10123456784",
        "ISBN 978-3-16-148410-0",
        "2024 2025 2026 2027",
        "1234 5678 9012 3456",
        // Ids and digests.
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-1234-1234-123456789012",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "md5 d41d8cd98f00b204e9800998ecf8427e",
        "index 83db48f..bf2e12a 100644",
        // Times, telephones, versions, addresses, numbers.
        "1700000000",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "2024-05-06T07:08:09.123456789Z",
        "+351 912 345 678",
        "+1 (415) 555-2671",
        "+44 20 7946 0958",
        "v1.2.3-beta.4+build.5678",
        "lodash@4.17.21",
        "10.0.0.1:8080",
        "2001:db8::8a2e:370:7334",
        "3.14159265358979323846",
        "0.4111111111111111",
        "1,234,567,890,123,456",
        // Things with an at sign.
        "user@localhost",
        "root@10.0.0.1",
        "@decorators",
        "@app.route('/x')",
        "npm i @types/node @scope/pkg",
        "icon@2x.png",
        "git@github.com:org/repo.git",
        "pkg@1.2.3-rc.1",
        "a @ b",
        "f(x)@y",
        "@user mentioned @other.",
        // Code and settings.
        "password: required",
        "if password == other_password1:",
        "token = tokenizer.next_token()",
        "max_tokens: 4096",
        "PASSWORD=${DB_PASSWORD}",
        "api_key=os.environ['OPENAI_API_KEY']",
        "secret: <your-secret-here>",
        "password=********",
        "sk-learn-pipeline-for-training-2024",
        "the task-force-of-2024-in-the-region",
        "risk-adjusted-returns-2024-2025",
        "ghp_notreallyatokenbutaslongasonewouldbe",
        "npm_config_registry_and_some_more_words_here",
        "AKIAIOSFODNN7EXAMPLE",
        "hf_model_name_or_path_to_the_checkpoint",
        "eyJub3QiOiJhIHRva2VuIn0",
        "eyJhIjoxfQ.eyJhIjoxfQ.c2lnbmF0dXJl",
        "SG.mentions",
        "xoxo-hugs-and-kisses",
        "AIzawa is a name",
        "sk_live_ is how they begin",
        "glpat-xxxxxxxxxxxxxxxxxxxx",
        "https://example.org:8443/a?b=c@d",
        "postgres://localhost:5432/app",
        "http://user@host/",
        "mysql://root:<password>@db/x",
        "a key begins with -----BEGIN PRIVATE KEY----- and then the body",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        "----------------------------------------",
        "Note: this = that; see: RFC 2119",
        "12:34:56 :: 1=1",
        "x = y == z",
        &image,
        &certificate,
    ] {
        let found = Engine::builtin().scan(text);
        assert!(found.is_empty(), "{text}\n{found:?}");
    }
}

/// False positives that are known and accepted, so that a change of mind is seen.
#[test]
fn known_false_positives() {
    let cases: [(&str, &str); 3] = [
        // A remote of a version system with a host of its own looks like an address.
        ("ssh deploy@build.example.com", "email-address"),
        // One in ten order numbers that begin like a card passes the check.
        (&format!("order {}", luhn_complete("492911827731000")), "card-number"),
        // The words of a key's value do not tell an identifier from a secret.
        ("next_token: 0e7d2c1a-9f4b-4c55-8d1e-2b6f0a9c3d7e", "api-secret"),
    ];
    for (text, rule) in cases {
        let found = Engine::builtin().scan(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].rule.as_str(), rule, "{text}");
    }
}
