//! Which methods a path takes (RFC 9110 sections 9 and 10.2.1).

use http::{HeaderValue, Method};

/// Some methods, and what `Allow` says of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Methods {
    list: &'static [Method],
    allow: &'static str,
}

macro_rules! methods {
    ($first:ident $(, $more:ident)*) => {
        Methods {
            list: &[Method::$first $(, Method::$more)*],
            allow: concat!(stringify!($first) $(, ", ", stringify!($more))*),
        }
    };
}

impl Methods {
    /// Of a path that takes forms, also from the pages of other origins, which ask first.
    pub(crate) const FORM: Self = methods!(POST, OPTIONS);
    /// Of a path that shows what its caller may see.
    pub(crate) const LIST: Self = methods!(GET, HEAD, OPTIONS);
    /// Of a path of something that can only be removed.
    pub(crate) const REMOVE: Self = methods!(DELETE, OPTIONS);
    /// Of a public document.
    pub(crate) const READ: Self = methods!(GET, HEAD);

    pub(crate) fn take(self, method: &Method) -> bool {
        self.list.contains(method)
    }

    /// The value of `Allow`.
    pub(crate) fn allow(self) -> HeaderValue {
        HeaderValue::from_static(self.allow)
    }

    /// What a page may use once it has asked.
    pub(crate) fn after_preflight(self) -> HeaderValue {
        HeaderValue::from_static(self.allow.strip_suffix(", OPTIONS").unwrap_or(self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_the_methods_that_allow_names() {
        for (methods, allow, after_preflight) in [
            (Methods::FORM, "POST, OPTIONS", "POST"),
            (Methods::LIST, "GET, HEAD, OPTIONS", "GET, HEAD"),
            (Methods::REMOVE, "DELETE, OPTIONS", "DELETE"),
            (Methods::READ, "GET, HEAD", "GET, HEAD"),
        ] {
            assert_eq!(
                (methods.allow(), methods.after_preflight()),
                (HeaderValue::from_static(allow), HeaderValue::from_static(after_preflight))
            );
            for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT, Method::DELETE] {
                let is_named = allow.split(", ").any(|name| name == method.as_str());
                assert_eq!(methods.take(&method), is_named, "{method} of {allow}");
            }
            assert!(!methods.take(&Method::from_bytes(b"post").unwrap()));
        }
    }
}
