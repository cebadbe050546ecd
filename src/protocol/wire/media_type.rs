//! The media type of a body (RFC 9110 section 8.3).

use http::HeaderValue;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The names of UTF-8: all labels that the Encoding Standard gives it.
const UTF_8: [&str; 6] = ["utf-8", "utf8", "unicode-1-1-utf-8", "unicode11utf8", "unicode20utf8", "x-unicode20utf8"];

/// How a body writes its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFormat {
    Form,
    Json,
}

/// The formats that an endpoint reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyFormats {
    Form,
    FormAndJson,
}

impl BodyFormats {
    /// The format that a `Content-Type` names, if it is read and in UTF-8.
    pub(crate) fn named(self, media_type: &HeaderValue) -> Option<BodyFormat> {
        // As nearly all clients write it.
        if media_type == FORM {
            return Some(BodyFormat::Form);
        }
        let media_type = media_type.to_str().ok()?;
        match self {
            _ if is_in_utf_8(FORM, media_type) => Some(BodyFormat::Form),
            Self::FormAndJson if is_in_utf_8(JSON, media_type) => Some(BodyFormat::Json),
            Self::Form | Self::FormAndJson => None,
        }
    }

    /// What `Accept-Post` says.
    pub(crate) const fn accept_post(self) -> &'static str {
        match self {
            Self::Form => FORM,
            Self::FormAndJson => "application/x-www-form-urlencoded, application/json",
        }
    }
}

/// Whether `value` names this media type, and no character set but UTF-8. Parameters that say nothing of it do not matter.
fn is_in_utf_8(media_type: &str, value: &str) -> bool {
    let (media, mut rest) = value.split_once(';').unwrap_or((value, ""));
    if !media.trim_ascii().eq_ignore_ascii_case(media_type) {
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

    fn named(formats: BodyFormats, media_type: &str) -> Option<BodyFormat> {
        formats.named(&HeaderValue::from_str(media_type).unwrap())
    }

    /// Whether this media type with these parameters is read as what it is.
    fn is_read(media_type: &str, parameters: &str) -> bool {
        let value = format!("{media_type}{parameters}");
        let format = if media_type == JSON { BodyFormat::Json } else { BodyFormat::Form };
        let read = named(BodyFormats::FormAndJson, &value);
        assert!(read.is_none_or(|read| read == format), "{value}");
        // Where JSON is not read, nothing else differs.
        let without = if media_type == JSON { None } else { read };
        assert_eq!(named(BodyFormats::Form, &value), without, "{value}");
        read.is_some()
    }

    #[test]
    fn every_name_of_utf_8_is_taken_and_no_other_character_set_ht_02() {
        for media_type in [FORM, JSON] {
            for charset in UTF_8 {
                for spelling in [charset.to_owned(), charset.to_uppercase(), format!("\"{charset}\"")] {
                    assert!(is_read(media_type, &format!(";charset={spelling}")), "{spelling}");
                }
            }
            let others =
                ["iso-8859-1", "latin1", "us-ascii", "utf-16", "utf-7", "windows-1252", "utf-8859", "utf_8", "utf", ""];
            for charset in
                others.into_iter().chain(["'utf-8'", "\"utf-8", "utf-8\"", "\"\"", "utf-8 latin1", "utf-8,latin1"])
            {
                assert!(!is_read(media_type, &format!("; charset={charset}")), "{charset}");
            }
        }
    }

    #[test]
    fn parameters_are_read_as_they_are_written_ht_01_ht_02() {
        for (parameters, is_fine) in [
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
            for media_type in [FORM, JSON] {
                assert_eq!(is_read(media_type, parameters), is_fine, "{media_type}{parameters}");
            }
        }
    }

    #[test]
    fn only_the_two_media_types_are_read_in_any_case_ht_01() {
        let (form, json) = (Some(BodyFormat::Form), Some(BodyFormat::Json));
        for (media_type, read) in [
            ("Application/X-WWW-Form-UrlEncoded ; a=b", form),
            ("Application/JSON ; a=b", json),
            ("", None),
            (";charset=utf-8", None),
            ("application/x-www-form-urlencodedx", None),
            ("application/jsonx", None),
            ("application/json5", None),
            ("application/problem+json", None),
            ("text/json", None),
            ("json", None),
        ] {
            assert_eq!(named(BodyFormats::FormAndJson, media_type), read, "{media_type}");
        }
        let illegible = HeaderValue::from_bytes(b"application/json; a=\xff").unwrap();
        assert_eq!(BodyFormats::FormAndJson.named(&illegible), None);
    }

    #[test]
    fn what_is_read_is_what_accept_post_names_ht_05() {
        for (formats, read) in [
            (BodyFormats::Form, vec![BodyFormat::Form]),
            (BodyFormats::FormAndJson, vec![BodyFormat::Form, BodyFormat::Json]),
        ] {
            let accepted = formats.accept_post();
            let named: Vec<_> = accepted.split(", ").filter_map(|media_type| named(formats, media_type)).collect();
            assert_eq!(named, read);
        }
    }
}
