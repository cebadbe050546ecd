//! Flat JSON objects as `serde_json` reads them: what the reader of JSON bodies is held to, in its tests and by fuzzing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

/// The parameters of a body that is a flat object of texts and nulls, none of which stands twice.
pub(crate) fn parameters(body: &[u8]) -> Option<Vec<(String, String)>> {
    serde_json::from_slice(body).ok().map(|Parameters(parameters)| parameters)
}

struct Parameters(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Listing)
    }
}

struct Listing;

impl<'de> Visitor<'de> for Listing {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom("a name stands twice"));
            }
            // Null is as good as nothing.
            parameters.push((name, value.unwrap_or_default()));
        }
        Ok(Parameters(parameters))
    }
}
