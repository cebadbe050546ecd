//! The media type of a body (RFC 9110 section 8.3).

const FORM: &str = "application/x-www-form-urlencoded";

/// The names of UTF-8: all labels that the Encoding Standard gives it.
const UTF_8: [&str; 6] = ["utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"];

/// Whether it is a form in UTF-8. Parameters that say nothing of the character set do not matter.
pub(crate) fn is_utf_8_form(value: &str) -> bool {
    let (media, mut rest) = value.split_once(';').unwrap_or((value, ""));
    if !media.trim_ascii().eq_ignore_ascii_case(FORM) {
        return false;
    }
    while !rest.is_empty() {
        let (parameter, after) = rest.split_at_checked(end_of_parameter(rest)).unwrap_or((rest, ""));
        rest = after.strip_prefix(';').unwrap_or(after);
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim_ascii().eq_ignore_ascii_case("charset")
            && !is_utf_8(charset.trim_ascii())
        {
            return false;
        }
    }
    true
}

/// Where the next `;` stands that is not in a quoted string, or the end.
fn end_of_parameter(text: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.bytes().position(|byte| {
        let ends = byte == b';' && !is_quoted;
        is_quoted ^= byte == b'"' && !is_escaped;
        is_escaped = is_quoted && byte == b'\\' && !is_escaped;
        ends
    });
    end.unwrap_or(text.len())
}

/// Whether a token or a quoted string is a name of UTF-8.
fn is_utf_8(charset: &str) -> bool {
    let quoted = charset.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.unwrap_or(charset);
    UTF_8.iter().any(|label| name.eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_utf_8_is_taken_and_no_other_character_set_ht_02() {
        for charset in UTF_8 {
            for spelling in [charset.to_owned(), charset.to_uppercase(), format!("\"{charset}\"")] {
                assert!(is_utf_8_form(&format!("{FORM};charset={spelling}")), "{spelling}");
            }
        }
        let others =
            ["iso-8859-1", "latin1", "us-ascii", "utf-16", "utf-7", "windows-1252", "utf-8859", "utf_8", "utf", ""];
        for charset in
            others.into_iter().chain(["'utf-8'", "\"utf-8", "utf-8\"", "\"\"", "utf-8 latin1", "utf-8,latin1"])
        {
            assert!(!is_utf_8_form(&format!("{FORM}; charset={charset}")), "{charset}");
        }
    }

    #[test]
    fn parameters_are_read_as_they_are_written_ht_01_ht_02() {
        for (parameters, is_form) in [
            ("", true),
            (";", true),
            (" ; ; ", true),
            ("; charset=utf8;", true),
            (";CharSet=UTF8", true),
            ("; charset = utf-8", true),
            ("; charset=utf-8; charset=UTF-8", true),
            ("; charset=utf-8; charset=latin1", false),
            ("; a=b; charset=latin1", false),
            ("; a=\"x;charset=latin1\"", true),
            ("; a=\"x\\\";charset=latin1\"", true),
            ("; a=\"x\\\\\";charset=latin1", false),
            ("; a=\"x\"; charset=utf8", true),
            (", application/json", false),
            ("; utf-8", true),
        ] {
            assert_eq!(is_utf_8_form(&format!("{FORM}{parameters}")), is_form, "{parameters}");
        }
        for other in ["", ";charset=utf-8", "application/json; charset=utf-8", "application/x-www-form-urlencodedx"] {
            assert!(!is_utf_8_form(other), "{other}");
        }
        assert!(is_utf_8_form("Application/X-WWW-Form-UrlEncoded ; a=b"));
    }
}
