//! What callers may do: rules over predicates, decided once for each credential.
//!
//! A configuration names a number of distinct rules. When a credential is opened, each of them is decided, and what is
//! remembered is one bit for each; a credential seen before costs a bit test. One more bit for each distinct predicate says
//! what was missing, for the log.
//!
//! `not` turns false into true, and a claim that is missing makes its predicate false: `{"not": {"claim": "amr",
//! "contains": "pwd"}}` holds for those who have no `amr` at all, for API keys and for anonymous callers.

use policy::ConfigError;

use crate::claim::Path;
use crate::predicate::{Predicate, Test};
use crate::subject::Subject;
use policy::fields::Fields;
use policy::json::Json;

/// So many distinct rules, and so many distinct predicates in all of them.
pub const RULES_MAX: usize = 128;
/// Rules are nested no deeper.
pub const DEPTH_MAX: usize = 8;
/// What the log says is missing is cut after this.
const TEXT_BYTES_MAX: usize = 256;

/// The distinct rules of a configuration.
#[derive(Default)]
pub struct Permissions {
    predicates: Vec<Predicate>,
    rules: Vec<Rule>,
    named: Vec<Demand>,
    /// As they were written, each at the place of its rule.
    written: Vec<Json>,
}

enum Rule {
    /// The predicate at this place.
    Is(usize),
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
}

/// What a member of a rule's object turned out to be.
enum Part {
    Rule(Rule),
    Path(Path),
    Test(Test),
}

/// What a route demands of its callers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Demand {
    /// The permission's name; of a rule without a name, where it stands.
    pub name: String,
    /// Whether it is only tried: decided, counted and logged, and let pass.
    pub shadow: bool,
    rule: usize,
}

/// Which rules hold for a caller, and which predicates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Granted {
    rules: u128,
    predicates: u128,
}

impl Granted {
    /// Whether a demand is met.
    pub const fn meets(self, demand: &Demand) -> bool {
        self.rules >> demand.rule & 1 == 1
    }
}

impl Permissions {
    /// Reads `permissions`, a rule for each name.
    pub(crate) fn read(fields: Fields) -> Result<Self, ConfigError> {
        let mut permissions = Self::default();
        for (name, json) in fields.rest() {
            let demand = permissions.rule(&json, &name).map_err(|mistake| mistake.inside(&name))?;
            permissions.named.push(demand);
        }
        Ok(permissions)
    }

    /// Reads what the route at `place` demands: a rule, the name of one, or a list of which all must hold.
    pub(crate) fn demands(&mut self, json: &Json, place: &str) -> Result<Vec<Demand>, ConfigError> {
        let Json::List(list) = json else { return Ok(vec![self.demand(json, place)?]) };
        let mut demands = Vec::new();
        for (index, json) in list.iter().enumerate() {
            let demand = self.demand(json, place).map_err(|mistake| at_index(index, mistake))?;
            demands.push(demand);
        }
        if demands.is_empty() { Err(ConfigError::at("", "must not be empty")) } else { Ok(demands) }
    }

    /// Decides all rules for a caller.
    pub fn decide(&self, subject: &Subject<'_>) -> Granted {
        let mut predicates = 0;
        for (index, predicate) in self.predicates.iter().take(RULES_MAX).enumerate() {
            predicates |= u128::from(predicate.holds(subject)) << index;
        }
        let mut rules = 0;
        for (index, rule) in self.rules.iter().take(RULES_MAX).enumerate() {
            rules |= u128::from(rule.holds(predicates)) << index;
        }
        Granted { rules, predicates }
    }

    /// What a caller lacks to meet a demand, in the words of the configuration.
    pub fn lacking(&self, demand: &Demand, granted: Granted) -> String {
        let mut text = String::new();
        if let Some(rule) = self.rules.get(demand.rule) {
            self.describe(rule, Some(granted.predicates), &mut text);
        }
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text
    }

    fn demand(&mut self, json: &Json, place: &str) -> Result<Demand, ConfigError> {
        let Json::Text(name) = json else { return self.rule(json, place) };
        let found = self.named.iter().find(|demand| demand.name == *name).cloned();
        found.ok_or_else(|| ConfigError::at("", format!("must be a rule or the name of a permission, got {name:?}")))
    }

    fn rule(&mut self, json: &Json, name: &str) -> Result<Demand, ConfigError> {
        let shadow = match json {
            Json::Object(members) => members.find("shadow"),
            _ => None,
        };
        let shadow = match shadow {
            None => false,
            Some(Json::Bool(shadow)) => *shadow,
            Some(_) => return Err(ConfigError::at("shadow", "must be true or false")),
        };
        let known = self.written.iter().position(|written| written == json);
        let rule = known.unwrap_or(self.rules.len());
        if known.is_none() {
            let node = self.node(json, DEPTH_MAX)?;
            self.rules.push(node);
            self.written.push(json.clone());
        }
        if self.rules.len() > RULES_MAX || self.predicates.len() > RULES_MAX {
            return Err(ConfigError::at(
                "",
                "is too much: there may be 128 different rules, and as much in all of them",
            ));
        }
        Ok(Demand { name: name.to_owned(), shadow, rule })
    }

    fn node(&mut self, json: &Json, depth: usize) -> Result<Rule, ConfigError> {
        let Json::Object(members) = json else { return Err(ConfigError::at("", "must be an object")) };
        let (mut rule, mut path, mut test, mut count) = (None, None, None, 0);
        for (name, json) in members.iter().filter(|(name, _)| depth < DEPTH_MAX || name != "shadow") {
            count += 1;
            match self.part(name, json, depth).map_err(|mistake| mistake.inside(name))? {
                Part::Rule(found) => rule = Some(found),
                Part::Path(found) => path = Some(found),
                Part::Test(found) => test = Some(found),
            }
        }
        match (rule, path, test, count) {
            (Some(rule), None, None, 1) => Ok(rule),
            (None, Some(path), Some(test), 2) => Ok(self.is(Predicate::Claim(path, test))),
            // Two things side by side leave open whether both must hold.
            _ => Err(ConfigError::at("", "must say one thing, or all or any of several; a claim needs one test")),
        }
    }

    fn part(&mut self, name: &str, json: &Json, depth: usize) -> Result<Part, ConfigError> {
        let wrong = |reason: &'static str| ConfigError::at("", reason);
        match (name, json, depth.checked_sub(1)) {
            ("all" | "any" | "not", _, None) => Err(wrong("is nested more than 8 levels deep")),
            ("all", Json::List(list), Some(depth)) => Ok(Part::Rule(Rule::All(self.nodes(list, depth)?))),
            ("any", Json::List(list), Some(depth)) => Ok(Part::Rule(Rule::Any(self.nodes(list, depth)?))),
            ("all" | "any", ..) => Err(wrong("must be a list")),
            ("not", json, Some(depth)) => Ok(Part::Rule(Rule::Not(Box::new(self.node(json, depth)?)))),
            ("claim", json, _) => Path::read(json.clone()).map(Part::Path),
            _ => {
                if let Some(predicate) = Predicate::read(name, json).map_err(wrong)? {
                    return Ok(Part::Rule(self.is(predicate)));
                }
                let test = Test::read(name, json).and_then(|test| test.ok_or("is not known here"));
                test.map(Part::Test).map_err(wrong)
            }
        }
    }

    fn nodes(&mut self, list: &[Json], depth: usize) -> Result<Vec<Rule>, ConfigError> {
        let mut rules = Vec::new();
        for (index, json) in list.iter().enumerate() {
            rules.push(self.node(json, depth).map_err(|mistake| at_index(index, mistake))?);
        }
        if rules.is_empty() { Err(ConfigError::at("", "must not be empty")) } else { Ok(rules) }
    }

    fn is(&mut self, predicate: Predicate) -> Rule {
        self.predicates.push(predicate);
        Rule::Is(self.predicates.len() - 1)
    }

    /// Writes a rule out; of those of which all must hold, only what does not, where that is known.
    fn describe(&self, rule: &Rule, held: Option<u128>, text: &mut String) {
        let (rules, between) = match rule {
            Rule::Is(place) => {
                if let Some(predicate) = self.predicates.get(*place) {
                    predicate.describe(text);
                }
                return;
            }
            Rule::Not(rule) => {
                text.push_str("not ");
                return self.describe(rule, None, text);
            }
            Rule::All(rules) => (rules, " and "),
            Rule::Any(rules) => (rules, " or "),
        };
        let unmet = rules.iter().filter(|rule| held.is_none_or(|held| !rule.holds(held)));
        text.push('(');
        for (index, rule) in unmet.enumerate() {
            if text.len() > TEXT_BYTES_MAX {
                return;
            }
            text.push_str(if index > 0 { between } else { "" });
            self.describe(rule, held, text);
        }
        text.push(')');
    }
}

impl Rule {
    fn holds(&self, predicates: u128) -> bool {
        match self {
            Self::Is(place) => predicates >> place & 1 == 1,
            Self::All(rules) => rules.iter().all(|rule| rule.holds(predicates)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(predicates)),
            Self::Not(rule) => !rule.holds(predicates),
        }
    }
}

fn at_index(index: usize, mistake: ConfigError) -> ConfigError {
    mistake.inside(format!("[{index}]"))
}

#[cfg(test)]
mod tests;
