//! Which format a stored text has. Goes by what the text begins with: a parser for one format makes nonsense of another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::unusable::{MEANT, NOT_READ, UNKNOWN, UnusableHash};

/// What can be read, each from a body of its own form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `$argon2id$..`
    Argon2,
    /// `$2b$..`, `$2a$..`, `$2y$..`
    Bcrypt,
    /// A bcrypt text over the hexadecimal SHA-256 of the password.
    BcryptOfSha256Django,
    /// `v=2,t=2b,r=12$salt$hash` or `2b,12$salt$hash`.
    BcryptOfSha256Passlib,
    /// `$scrypt$ln=..,r=..,p=..$salt$hash`
    Scrypt,
    /// `N$salt$r$p$hash`
    ScryptDjango,
    /// `N:r:p$salt$hash`
    ScryptWerkzeug,
    /// `$parameters$salt$hash`
    ScryptSpring,
    /// `29000$salt$hash` of passlib, or `i=..,l=..$salt$hash`.
    Pbkdf2Sha1,
    Pbkdf2Sha256,
    Pbkdf2Sha512,
    /// `rounds$salt$hash`
    Pbkdf2Sha1Django,
    Pbkdf2Sha256Django,
    /// `sha256:rounds$salt$hash`
    Pbkdf2Werkzeug,
    /// Hexadecimal salt and hash; what made them is no part of the text.
    Pbkdf2Sha1Spring,
    Pbkdf2Sha256Spring,
    /// Base64 of a binary record.
    AspNetIdentity,
}

/// A text whose format is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known<'t> {
    pub(super) format: Format,
    /// For the operator.
    pub(super) name: &'static str,
    pub(super) body: &'t str,
    /// Another system has written it.
    pub(super) is_foreign: bool,
}

const CLEAR: &str = "a password in clear text is no hash: set it anew";
const FAULTY_BCRYPT: &str = "the implementation that wrote it confused passwords: set it anew";

/// What is read, by its beginning, which is no part of the body.
const READ: [(&str, Format, &str); 13] = [
    ("bcrypt_sha256$", Format::BcryptOfSha256Django, "Django's bcrypt_sha256"),
    ("$bcrypt-sha256$", Format::BcryptOfSha256Passlib, "passlib's bcrypt-sha256"),
    ("scrypt$", Format::ScryptDjango, "Django's scrypt"),
    ("scrypt:", Format::ScryptWerkzeug, "Werkzeug's scrypt"),
    ("pbkdf2_sha256$", Format::Pbkdf2Sha256Django, "Django's pbkdf2_sha256"),
    ("pbkdf2_sha1$", Format::Pbkdf2Sha1Django, "Django's pbkdf2_sha1"),
    ("pbkdf2:", Format::Pbkdf2Werkzeug, "Werkzeug's pbkdf2"),
    ("$pbkdf2-sha512$", Format::Pbkdf2Sha512, "pbkdf2-sha512"),
    ("$pbkdf2-sha256$", Format::Pbkdf2Sha256, "pbkdf2-sha256"),
    ("$pbkdf2-sha1$", Format::Pbkdf2Sha1, "pbkdf2-sha1"),
    ("$pbkdf2$", Format::Pbkdf2Sha1, "passlib's pbkdf2"),
    ("{PBKDF2-SHA512}", Format::Pbkdf2Sha512, "passlib's {PBKDF2-SHA512}"),
    ("{PBKDF2-SHA256}", Format::Pbkdf2Sha256, "passlib's {PBKDF2-SHA256}"),
];

/// What is read with its beginning.
const WHOLE: [(&str, Format, &str); 5] = [
    ("$argon2", Format::Argon2, "Argon2"),
    ("$2a$", Format::Bcrypt, "bcrypt"),
    ("$2b$", Format::Bcrypt, "bcrypt"),
    ("$2y$", Format::Bcrypt, "bcrypt"),
    ("$scrypt$", Format::Scrypt, "scrypt"),
];

/// What is known and not read.
const REFUSED: [(&str, &str, &str); 22] = [
    ("$2x$", "bcrypt $2x$", FAULTY_BCRYPT),
    ("$2$", "bcrypt $2$", FAULTY_BCRYPT),
    ("$1$", "md5-crypt", NOT_READ),
    ("$apr1$", "Apache's md5-crypt", NOT_READ),
    ("$3$", "NT hash", NOT_READ),
    ("$5$", "sha256-crypt", NOT_READ),
    ("$6$", "sha512-crypt", NOT_READ),
    ("$7$", "scrypt $7$", NOT_READ),
    ("$y$", "yescrypt", NOT_READ),
    ("$gy$", "gost-yescrypt", NOT_READ),
    ("$sha1$", "sha1-crypt", NOT_READ),
    ("$md5", "Sun's md5-crypt", NOT_READ),
    ("$P$", "phpass", NOT_READ),
    ("$H$", "phpass", NOT_READ),
    ("$S$", "Drupal's sha512", NOT_READ),
    ("$p5k2$", "pbkdf2 $p5k2$", NOT_READ),
    ("sha1$", "Django's sha1", NOT_READ),
    ("md5$", "Django's md5", NOT_READ),
    ("unsalted_", "Django's unsalted digest", NOT_READ),
    ("crypt$", "Django's crypt", NOT_READ),
    ("sha256:", "PBKDF2 of a tool's own", NOT_READ),
    ("hmac:", "Werkzeug's salted digest", NOT_READ),
];

/// The format of a text without white space at its ends.
pub(super) fn recognise(text: &str) -> Result<Known<'_>, UnusableHash> {
    if text.is_empty() || text.starts_with(['!', '*']) && !is_mysql(text) {
        return Err(UnusableHash::of("no password", MEANT));
    }
    let known = |format, name, body, is_foreign| Ok(Known { format, name, body, is_foreign });
    for (prefix, format, name) in WHOLE {
        if text.starts_with(prefix) {
            return known(format, name, text, format != Format::Argon2);
        }
    }
    for (prefix, format, name) in READ {
        if let Some(body) = text.strip_prefix(prefix) {
            return known(format, name, body, true);
        }
    }
    for (prefix, name, cause) in REFUSED {
        if text.starts_with(prefix) {
            return Err(UnusableHash::of(name, cause));
        }
    }
    if let Some((id, body)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return enveloped(id, body);
    }
    // Django names the algorithm before a text that names it, too.
    if let Some(body) = text.strip_prefix("argon2").filter(|body| body.starts_with("$argon2")) {
        return known(Format::Argon2, "Django's argon2", body, true);
    }
    if let Some(body) = text.strip_prefix("bcrypt$") {
        return inner(body, "Django's bcrypt");
    }
    if is_spring_scrypt(text) {
        return known(Format::ScryptSpring, "Spring's scrypt", text, true);
    }
    if is_asp_net_identity(text) {
        return known(Format::AspNetIdentity, "ASP.NET Identity", text, true);
    }
    Err(UnusableHash::of(shape(text), UNKNOWN))
}

/// What stands behind an id in braces, as Spring Security, LDAP and Dovecot write it.
fn enveloped<'t>(id: &str, body: &'t str) -> Result<Known<'t>, UnusableHash> {
    let known = |format, name| Ok(Known { format, name, body, is_foreign: true });
    let (base, version) = id.split_once('@').unwrap_or((id, ""));
    let refused = |name, cause| Err(UnusableHash::of(name, cause));
    match (base.to_ascii_lowercase().as_str(), version) {
        ("bcrypt" | "blf-crypt", _) => inner(body, "bcrypt in braces"),
        ("argon2" | "argon2id" | "argon2i", _) => inner(body, "Argon2 in braces"),
        ("crypt", _) => inner(body, "{CRYPT}"),
        ("scrypt", _) => known(Format::ScryptSpring, "Spring's {scrypt}"),
        ("pbkdf2", "") if body.contains('$') => known(Format::Pbkdf2Sha1, "passlib's {PBKDF2}"),
        ("pbkdf2", "") => known(Format::Pbkdf2Sha1Spring, "Spring's {pbkdf2}"),
        ("pbkdf2", "SpringSecurity_v5_8") => known(Format::Pbkdf2Sha256Spring, "Spring's {pbkdf2@SpringSecurity_v5_8}"),
        ("noop", _) => refused("Spring's {noop}", CLEAR),
        ("plain" | "cleartext" | "clear", _) => refused("clear text", CLEAR),
        ("md4" | "md5" | "smd5", _) => refused("MD4 or MD5 in braces", NOT_READ),
        ("sha" | "ssha" | "sha-1" | "sha1", _) => refused("SHA-1 in braces", NOT_READ),
        ("sha256" | "sha-256" | "ssha256" | "sha512" | "sha-512" | "ssha512", _) => {
            refused("SHA-2 in braces", NOT_READ)
        }
        ("ldap", _) => refused("Spring's {ldap}", NOT_READ),
        _ => refused("an unknown id in braces", UNKNOWN),
    }
}

/// A text within another one, which must name its format itself.
fn inner<'t>(body: &'t str, name: &'static str) -> Result<Known<'t>, UnusableHash> {
    for (prefix, format, _) in WHOLE {
        if body.starts_with(prefix) {
            return Ok(Known { format, name, body, is_foreign: true });
        }
    }
    let refused = REFUSED.iter().find(|(prefix, ..)| body.starts_with(prefix));
    Err(refused.map_or(UnusableHash::of(name, UNKNOWN), |(_, name, cause)| UnusableHash::of(name, cause)))
}

/// `$e0801$salt$hash`: the parameters are one hexadecimal number.
fn is_spring_scrypt(text: &str) -> bool {
    let mut parts = text.split('$');
    let (start, parameters) = (parts.next(), parts.next().unwrap_or_default());
    start == Some("")
        && (5..=6).contains(&parameters.len())
        && parameters.bytes().all(|byte| byte.is_ascii_hexdigit())
        && parts.count() == 2
}

/// Base64 of a record whose first byte is its version.
fn is_asp_net_identity(text: &str) -> bool {
    let Some(record) = Some(text).filter(|text| text.starts_with('A')).and_then(|text| STANDARD.decode(text).ok())
    else {
        return false;
    };
    match record.first() {
        // Version 2 has one length.
        Some(0) => record.len() == 49,
        Some(1) => record.len() >= 13,
        _ => false,
    }
}

fn is_mysql(text: &str) -> bool {
    text.strip_prefix('*').is_some_and(|digits| digits.len() == 40 && is_hex(digits))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of a text that has no name in it.
fn shape(text: &str) -> &'static str {
    let is_crypt = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    match text.len() {
        41 if is_mysql(text) => "MySQL's PASSWORD()",
        32 if is_hex(text) => "32 hexadecimal digits (MD5?)",
        40 if is_hex(text) => "40 hexadecimal digits (SHA-1?)",
        64 if is_hex(text) => "64 hexadecimal digits (SHA-256?)",
        128 if is_hex(text) => "128 hexadecimal digits (SHA-512?)",
        13 if text.bytes().all(is_crypt) => "13 characters (DES crypt?)",
        _ if text.starts_with('$') => "unknown, in the manner of crypt",
        _ => "unknown",
    }
}
