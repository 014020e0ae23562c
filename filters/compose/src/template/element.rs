//! What is known of one value of the list that a template becomes.

use policy::ConfigError;

use super::{Known, Names, Template};
use crate::shape::Shape;
use crate::value::Value;

impl Template {
    /// What each item of it is, as far as that is known before there is one; `names` are those that it was read with.
    ///
    /// # Errors
    /// It is known to be no list.
    pub fn item<'a>(&self, names: &Names<'a>) -> Result<Known<'a>, ConfigError> {
        let no_list = || Err(ConfigError::at("", "must be a list"));
        match self {
            Self::Place(place) => {
                let known = names.iter().find(|(name, _)| *name == place.name).map(|(_, known)| *known);
                let is_elsewhere = place.default.as_ref().is_some_and(|other| *other != Value::List(Vec::new()));
                match known {
                    Some(Known::Members(_)) => no_list(),
                    Some(Known::Shaped(shape)) if !is_elsewhere => match shape.find(&place.tokens) {
                        Ok(Shape::List(item, ..)) => Ok(Known::Shaped(item)),
                        _ => no_list(),
                    },
                    _ => Ok(Known::Open),
                }
            }
            Self::List(_) | Self::Zip(_) | Self::Same(..) => Ok(Known::Open),
            Self::Constant(_) | Self::Text(_) | Self::Object(_) | Self::Merge(_) | Self::Sum(..) => no_list(),
        }
    }
}
