use std::fmt;
use std::sync::Arc;

use crate::boundary::document::PublicDocument;
use crate::conductor::purpose::Purpose;
use crate::protocol::wire::methods::Methods;

/// What stands for an id at the end of a path.
const ID: &str = "{id}";

/// What is served at a path.
pub(crate) enum Target {
    Document(Arc<dyn PublicDocument>),
    Endpoint(Purpose),
}

impl Target {
    /// What its path takes.
    pub(super) fn methods(&self) -> Methods {
        match self {
            Self::Document(_) => Methods::READ,
            Self::Endpoint(purpose) => purpose.methods(),
        }
    }
}

/// A path of the layer and what is served there.
pub(crate) struct Route {
    /// All of the path, or what stands before the id.
    fixed: String,
    ends_in_id: bool,
    served: Target,
}

impl Route {
    /// A path that ends in `/{id}` stands for all that have another segment in its place.
    pub(super) fn new(path: &str, served: Target) -> Self {
        let before = path.strip_suffix(ID).filter(|before| before.ends_with('/'));
        Self { fixed: before.unwrap_or(path).to_owned(), ends_in_id: before.is_some(), served }
    }

    /// Whether `path` is this one: its id, which is empty where there is none.
    fn id_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        if !self.ends_in_id {
            return (path == self.fixed).then_some("");
        }
        path.strip_prefix(self.fixed.as_str()).filter(|id| !id.is_empty() && !id.contains('/'))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = if self.ends_in_id { ID } else { "" };
        write!(f, "{}{id}: {:?}", self.fixed, self.served.methods())
    }
}

/// The paths of a layer. They are compared byte by byte: no decoding, no case folding, no trailing slash. An id is handed on as
/// it was sent.
pub(crate) struct Routes {
    table: Vec<Route>,
    /// The path of a lone route, as most layers have it: every passing request pays for what is looked at.
    lone: Option<String>,
}

impl Routes {
    /// Of several routes that fit a path the first one counts.
    pub(super) fn new(table: Vec<Route>) -> Self {
        let lone = match &table[..] {
            [Route { fixed, ends_in_id: false, .. }] => Some(fixed.clone()),
            _ => None,
        };
        Self { table, lone }
    }

    /// What is served at a path, with the id in it. Nothing if requests for it go to the inner service.
    #[inline]
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<(&Target, &'p str)> {
        match &self.lone {
            Some(lone) if lone != path => None,
            Some(_) => self.table.first().map(|route| (&route.served, "")),
            None => self.look_up(path),
        }
    }

    #[inline(never)]
    fn look_up<'p>(&self, path: &'p str) -> Option<(&Target, &'p str)> {
        self.table.iter().find_map(|route| route.id_in(path).map(|id| (&route.served, id)))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(paths: &[(&str, Purpose)]) -> Routes {
        Routes::new(paths.iter().map(|(path, purpose)| Route::new(path, Target::Endpoint(*purpose))).collect())
    }

    fn found<'p>(routes: &Routes, path: &'p str) -> Option<(Purpose, &'p str)> {
        match routes.find(path)? {
            (Target::Endpoint(purpose), id) => Some((*purpose, id)),
            (Target::Document(_), _) => None,
        }
    }

    #[test]
    fn a_path_is_compared_byte_by_byte() {
        let routes = routes(&[("/oauth/token", Purpose::Token), ("/oauth/revoke", Purpose::Revocation)]);
        assert_eq!(found(&routes, "/oauth/revoke"), Some((Purpose::Revocation, "")));
        let lone = self::routes(&[("/oauth/token", Purpose::Token)]);
        for routes in [routes, lone] {
            assert_eq!(found(&routes, "/oauth/token"), Some((Purpose::Token, "")));
            for other in ["/", "", "/oauth/toke", "/oauth/tokens", "/oauth/token/", "/OAuth/token", "/oauth/%74oken"] {
                assert_eq!(found(&routes, other), None, "{other}");
            }
        }
    }

    #[test]
    fn a_path_may_end_in_an_id_which_is_one_segment_and_handed_on_as_it_was_sent() {
        let routes = routes(&[
            ("/mfa/authenticators/all", Purpose::Introspection),
            ("/mfa/authenticators/{id}", Purpose::Revocation),
        ]);
        for id in ["1", "push%7Cdev_1", "sms|dev_2", "{id}", "..", "all%20"] {
            let path = format!("/mfa/authenticators/{id}");
            assert_eq!(found(&routes, &path), Some((Purpose::Revocation, id)));
        }
        for other in
            ["/mfa/authenticators", "/mfa/authenticators/", "/mfa/authenticators/1/", "/mfa/authenticators/1/2"]
        {
            assert_eq!(found(&routes, other), None, "{other}");
        }
        assert_eq!(found(&routes, "/mfa/authenticators/all"), Some((Purpose::Introspection, "")));
    }

    #[test]
    fn only_a_whole_last_segment_is_an_id() {
        let routes = routes(&[("/a{id}", Purpose::Token), ("/{id}/b", Purpose::Revocation)]);
        assert_eq!(found(&routes, "/ab"), None);
        assert_eq!(found(&routes, "/a/b"), None);
        assert_eq!(found(&routes, "/a{id}"), Some((Purpose::Token, "")));
    }

    #[test]
    fn each_route_says_which_methods_it_takes() {
        struct Keys;
        impl PublicDocument for Keys {
            fn content_type(&self) -> http::HeaderValue {
                http::HeaderValue::from_static("application/json")
            }

            fn body(&self) -> bytes::Bytes {
                bytes::Bytes::new()
            }

            fn max_age(&self) -> std::time::Duration {
                std::time::Duration::ZERO
            }
        }
        let allow = |served: Target| served.methods().allow();
        assert_eq!(allow(Target::Document(Arc::new(Keys))), "GET, HEAD");
        for purpose in [Purpose::Token, Purpose::Revocation, Purpose::Introspection] {
            assert_eq!(allow(Target::Endpoint(purpose)), "POST, OPTIONS");
        }
    }
}
