//! One part of a schema: its keywords, each read into what it asks.

use policy::ConfigError;
use policy::json::{Json, Members};

use crate::schema::compile::{Compiler, unescaped};
use crate::schema::{Bound, Format, Id, Pattern, Properties, Rule, format};

/// The keywords that are offered, and those that say nothing.
pub const KEYWORDS: [&str; 47] = [
    "$comment",
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "default",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// The types, each with its bit; every whole number is a number.
const TYPES: [(&str, u8, &str); 7] = [
    ("null", 1, "null"),
    ("boolean", 2, "true or false"),
    ("integer", 4, "a whole number"),
    ("number", 12, "a number"),
    ("string", 16, "a string"),
    ("array", 32, "a list"),
    ("object", 64, "an object"),
];

/// One part while it is compiled.
pub(super) struct Part<'c, 'j> {
    pub(super) compiler: &'c mut Compiler,
    pub(super) members: &'j Members,
    pub(super) pointer: &'j str,
    pub(super) depth: usize,
    pub(super) id: Id,
}

impl<'j> Part<'_, 'j> {
    pub(super) fn rules(&mut self) -> Result<Vec<Rule>, ConfigError> {
        if let Some((unknown, _)) = self.members.iter().find(|(name, _)| !KEYWORDS.contains(&name.as_str())) {
            let reason = ["unknown field `", unknown, "`, expected one of `", &KEYWORDS.join("`, `"), "`"].concat();
            return Err(ConfigError::at(unknown, reason));
        }
        if let Some(json) = self.members.find("$schema")
            && !matches!(json, Json::Text(uri) if uri.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema")
        {
            return wrong("$schema", "must be https://json-schema.org/draft/2020-12/schema");
        }
        self.named("$defs")?;
        self.reference()?;
        let mut rules = Vec::new();
        // The cheapest first, and those with the plainest reasons.
        self.kinds(&mut rules)?;
        self.values(&mut rules)?;
        self.numbers(&mut rules)?;
        self.texts(&mut rules)?;
        self.lists(&mut rules)?;
        self.objects(&mut rules)?;
        self.choices(&mut rules)?;
        Ok(rules)
    }

    /// The schema under a keyword.
    fn one(&mut self, keyword: &str) -> Result<Option<Id>, ConfigError> {
        let Some(json) = self.members.find(keyword) else { return Ok(None) };
        let pointer = [self.pointer, "/", keyword].concat();
        let part = self.compiler.part(json, &pointer, self.depth + 1);
        part.map(Some).map_err(|mistake| mistake.inside(keyword))
    }

    /// The schemas of a keyword's list, which must not be empty.
    fn several(&mut self, keyword: &str) -> Result<Vec<Id>, ConfigError> {
        match self.members.find(keyword) {
            None => Ok(Vec::new()),
            Some(Json::List(list)) if !list.is_empty() => {
                let mut parts = Vec::new();
                for (index, json) in list.iter().enumerate() {
                    let pointer = format!("{}/{keyword}/{index}", self.pointer);
                    let part = self.compiler.part(json, &pointer, self.depth + 1);
                    parts.push(part.map_err(|mistake| mistake.inside(format_args!("{keyword}[{index}]")))?);
                }
                Ok(parts)
            }
            Some(_) => wrong(keyword, "must be a list of schemas"),
        }
    }

    /// The members of a keyword's object.
    fn entries(&self, keyword: &str) -> Result<&'j [(String, Json)], ConfigError> {
        match self.members.find(keyword) {
            None => Ok(&[]),
            Some(Json::Object(members)) => Ok(members.iter().as_slice()),
            Some(_) => wrong(keyword, "must be an object"),
        }
    }

    /// The schemas of a keyword's object, by name.
    fn named(&mut self, keyword: &str) -> Result<Vec<(String, Id)>, ConfigError> {
        let mut parts = Vec::new();
        for (name, json) in self.entries(keyword)? {
            let pointer = [self.pointer, "/", keyword, "/", &name.replace('~', "~0").replace('/', "~1")].concat();
            let part = self.compiler.part(json, &pointer, self.depth + 1);
            let part = part.map_err(|mistake| mistake.inside(name).inside(keyword))?;
            parts.push((name.clone(), part));
        }
        Ok(parts)
    }

    /// A number of things.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
    fn count(&self, keyword: &str) -> Result<Option<usize>, ConfigError> {
        match self.members.find(keyword) {
            None => Ok(None),
            Some(Json::Number(number)) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number) => {
                Ok(Some(*number as u32 as usize))
            }
            Some(_) => wrong(keyword, "must be a whole number from 0 to 4294967295"),
        }
    }

    /// Two counts, where there is one.
    fn range(&self, least: &str, most: &str) -> Result<Option<(usize, usize)>, ConfigError> {
        let (least, most) = (self.count(least)?, self.count(most)?);
        Ok((least.is_some() || most.is_some()).then(|| (least.unwrap_or(0), most.unwrap_or(usize::MAX))))
    }

    fn flag(&self, keyword: &str) -> Result<bool, ConfigError> {
        match self.members.find(keyword) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => wrong(keyword, "must be true or false"),
        }
    }

    fn reference(&mut self) -> Result<(), ConfigError> {
        let Some(json) = self.members.find("$ref") else { return Ok(()) };
        let pointer = match json {
            Json::Text(text) => text.strip_prefix('#').and_then(unescaped),
            _ => None,
        };
        let Some(pointer) = pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/')) else {
            return wrong("$ref", "must be a place in the same schema, like \"#/$defs/name\"");
        };
        let path = if self.pointer.is_empty() { "$ref".to_owned() } else { self.path() };
        self.compiler.references.push((self.id, pointer, path));
        Ok(())
    }

    /// This part's place in the notation of configurations.
    fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment.parse::<usize>().is_ok() {
                path.push_str(&["[", &segment, "]"].concat());
            } else {
                path.push_str(&segment);
            }
            path.push('.');
        }
        path.replace(".[", "[") + "$ref"
    }

    fn kinds(&self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        let names = match self.members.find("type") {
            None => return Ok(()),
            Some(Json::List(names)) if !names.is_empty() => names.as_slice(),
            Some(Json::List(_)) => return wrong("type", "must name at least one type"),
            Some(name) => std::slice::from_ref(name),
        };
        let (mut allowed, mut told) = (0, String::from("must be "));
        for (index, name) in names.iter().enumerate() {
            let known = TYPES.iter().find(|(known, ..)| matches!(name, Json::Text(name) if name == known));
            let Some((_, bit, words)) = known else {
                let names: Vec<_> = TYPES.iter().map(|(name, ..)| *name).collect();
                return wrong("type", &["must be one of ", &names.join(", ")].concat());
            };
            allowed |= bit;
            if index > 0 {
                told.push_str(" or ");
            }
            told.push_str(words);
        }
        rules.push(Rule::Type { allowed, told });
        Ok(())
    }

    fn values(&self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        if let Some(value) = self.members.find("const") {
            rules.push(Rule::Enum(vec![value.clone()]));
        }
        match self.members.find("enum") {
            None => Ok(()),
            Some(Json::List(values)) => {
                rules.push(Rule::Enum(values.clone()));
                Ok(())
            }
            Some(_) => wrong("enum", "must be a list"),
        }
    }

    fn numbers(&self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        for (keyword, bound) in [
            ("minimum", Bound::Least),
            ("exclusiveMinimum", Bound::Above),
            ("maximum", Bound::Most),
            ("exclusiveMaximum", Bound::Below),
        ] {
            match self.members.find(keyword) {
                None => {}
                Some(Json::Number(number)) => rules.push(Rule::Number(bound, *number)),
                Some(_) => return wrong(keyword, "must be a number"),
            }
        }
        match self.members.find("multipleOf") {
            None => Ok(()),
            Some(Json::Number(number)) if *number > 0.0 => {
                rules.push(Rule::MultipleOf(*number));
                Ok(())
            }
            Some(_) => wrong("multipleOf", "must be a number above 0"),
        }
    }

    fn texts(&self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        if let Some((least, most)) = self.range("minLength", "maxLength")? {
            rules.push(Rule::Length { least, most });
        }
        match self.members.find("format") {
            None => {}
            Some(Json::Text(name)) => {
                let Some(format) = Format::find(name) else {
                    let reason = format!("unknown format `{name}`, expected one of `{}`", format::names());
                    return wrong("format", &reason);
                };
                rules.push(Rule::Format(format));
            }
            Some(_) => return wrong("format", "must be a string"),
        }
        match self.members.find("pattern") {
            None => Ok(()),
            Some(Json::Text(text)) => {
                rules.push(Rule::Pattern(Pattern::parse(text).map_err(|mistake| mistake.inside("pattern"))?));
                Ok(())
            }
            Some(_) => wrong("pattern", "must be a string"),
        }
    }

    fn lists(&mut self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        if let Some((least, most)) = self.range("minItems", "maxItems")? {
            rules.push(Rule::Size { least, most });
        }
        let (first, rest) = (self.several("prefixItems")?, self.one("items")?);
        if !first.is_empty() || rest.is_some() {
            rules.push(Rule::Items { first, rest });
        }
        let bounds = self.range("minContains", "maxContains")?;
        if let Some(item) = self.one("contains")? {
            let (least, most) = bounds.unwrap_or((1, usize::MAX));
            let least = if self.members.find("minContains").is_some() { least } else { 1 };
            rules.push(Rule::Contains { item, least, most });
        }
        if self.flag("uniqueItems")? {
            rules.push(Rule::Unique);
        }
        Ok(())
    }

    fn objects(&mut self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        if let Some((least, most)) = self.range("minProperties", "maxProperties")? {
            rules.push(Rule::Members { least, most });
        }
        if let Some(json) = self.members.find("required") {
            rules.push(Rule::Required(names(json).map_err(|mistake| mistake.inside("required"))?));
        }
        let mut dependent = Vec::new();
        for (name, json) in self.entries("dependentRequired")? {
            let needed = names(json).map_err(|mistake| mistake.inside(name).inside("dependentRequired"))?;
            dependent.push((name.clone(), needed));
        }
        if !dependent.is_empty() {
            rules.push(Rule::DependentRequired(dependent));
        }
        if let Some(name) = self.one("propertyNames")? {
            rules.push(Rule::Names(name));
        }
        let named = self.named("properties")?;
        let mut patterns = Vec::new();
        for (text, part) in self.named("patternProperties")? {
            let pattern = Pattern::parse(&text).map_err(|mistake| mistake.inside(&text).inside("patternProperties"))?;
            patterns.push((pattern, part));
        }
        let rest = self.one("additionalProperties")?;
        if !named.is_empty() || !patterns.is_empty() || rest.is_some() {
            rules.push(Rule::Properties(Properties { named, patterns, rest }));
        }
        let dependent = self.named("dependentSchemas")?;
        if !dependent.is_empty() {
            rules.push(Rule::DependentSchemas(dependent));
        }
        Ok(())
    }

    fn choices(&mut self, rules: &mut Vec<Rule>) -> Result<(), ConfigError> {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let parts = self.several(keyword)?;
            if !parts.is_empty() {
                rules.push(match keyword {
                    "allOf" => Rule::All(parts),
                    "anyOf" => Rule::Any(parts),
                    _ => Rule::One(parts),
                });
            }
        }
        if let Some(not) = self.one("not")? {
            rules.push(Rule::Not(not));
        }
        let (condition, met, unmet) = (self.one("if")?, self.one("then")?, self.one("else")?);
        if let Some(condition) = condition {
            rules.push(Rule::If { condition, met, unmet });
        }
        Ok(())
    }
}

/// A mistake under a keyword.
pub(super) fn wrong<T>(keyword: &str, reason: &str) -> Result<T, ConfigError> {
    Err(ConfigError::at(keyword, reason))
}

fn names(json: &Json) -> Result<Vec<String>, ConfigError> {
    let Json::List(list) = json else { return wrong("", "must be a list of names") };
    let name = |json: &Json| match json {
        Json::Text(name) => Some(name.clone()),
        _ => None,
    };
    let names: Option<Vec<_>> = list.iter().map(name).collect();
    names.map_or_else(|| wrong("", "must be a list of names"), Ok)
}
