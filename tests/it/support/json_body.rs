//! A form written as a flat JSON object.

/// The JSON object of the same pairs in the same order, also of those that stand twice.
///
/// A field with an empty value holds an empty text, and one without a `=` null. What is broken stays broken in its own way: bytes
/// that are not UTF-8 stand there as they are, and an escape that is none is one that JSON does not know.
pub fn json_of(form: &str) -> Vec<u8> {
    let mut json = vec![b'{'];
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        if json.len() > 1 {
            json.push(b',');
        }
        let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
        push_text(&mut json, name);
        json.push(b':');
        match value {
            Some(value) => push_text(&mut json, value),
            None => json.extend_from_slice(b"null"),
        }
    }
    json.push(b'}');
    json
}

fn push_text(json: &mut Vec<u8>, raw: &str) {
    json.push(b'"');
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, escaped_byte(after)) {
            (b'+', _) => json.push(b' '),
            (b'%', Some(byte)) => {
                push_byte(json, byte);
                rest = &after[2..];
            }
            (b'%', None) => json.extend_from_slice(b"\\%"),
            (byte, _) => push_byte(json, *byte),
        }
    }
    json.push(b'"');
}

/// The byte of an escape that is given without its `%`.
fn escaped_byte(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).ok()
}

fn push_byte(json: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
        0..0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => json.push(byte),
    }
}
