//! A value held against a schema: at most so many steps, whatever both say.

use policy::json::{Json, Members};

use crate::schema::order;
use crate::schema::{Bound, Id, Misfit, Node, Pattern, Properties, Rule, Schema};

/// What a body may cost: one for each part of a schema that meets a value, for each eight bytes or so of a text that a pattern
/// is held against, for each comparison. A body of 60 KiB costs a tenth of it, where its schema names no alternatives.
const STEPS_MAX: u32 = 500_000;
/// Parts of a schema within each other while a value is checked; no deeper than a reader of JSON goes, and then some.
const DEPTH_MAX: u32 = 256;
/// Characters of a name in a place.
const NAME_LENGTH_MAX: usize = 64;
/// Bytes of a place.
const PLACE_BYTES_MAX: usize = 512;

/// Why a value is not let pass.
enum Fault {
    /// It does not fit.
    Misfit(Misfit),
    /// There is no telling: it would take too long.
    Spent,
}

type Outcome = Result<(), Fault>;

/// Checks a value.
pub(super) fn check(schema: &Schema, value: &Json) -> Result<(), Misfit> {
    let mut checker = Checker { schema, steps: STEPS_MAX, depth: 0 };
    checker.part(0, value).map_err(|fault| match fault {
        Fault::Misfit(misfit) => misfit,
        Fault::Spent => Misfit { place: String::new(), reason: "takes too long to be checked".to_owned() },
    })
}

struct Checker<'s> {
    schema: &'s Schema,
    steps: u32,
    depth: u32,
}

fn misfit(reason: impl Into<String>) -> Outcome {
    Err(Fault::Misfit(Misfit { place: String::new(), reason: reason.into() }))
}

fn expect(is_met: bool, reason: &str) -> Outcome {
    if is_met { Ok(()) } else { misfit(reason) }
}

/// The same fault, seen from outside: what is wrong with a member is wrong at its name.
fn within(outcome: Outcome, name: &str) -> Outcome {
    outcome.map_err(|fault| match fault {
        Fault::Misfit(Misfit { place, reason }) if place.len() < PLACE_BYTES_MAX => {
            let name: String = name.chars().take(NAME_LENGTH_MAX).collect();
            let name = name.replace('~', "~0").replace('/', "~1");
            Fault::Misfit(Misfit { place: ["/", &name, &place].concat(), reason })
        }
        fault => fault,
    })
}

impl<'s> Checker<'s> {
    fn spend(&mut self, steps: usize) -> Outcome {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps.checked_sub(steps));
        self.steps = left.ok_or(Fault::Spent)?;
        Ok(())
    }

    fn part(&mut self, id: Id, value: &Json) -> Outcome {
        self.spend(1)?;
        if self.depth >= DEPTH_MAX {
            return Err(Fault::Spent);
        }
        let schema: &'s Schema = self.schema;
        let Some(Node(rules)) = schema.nodes.get(id) else { return Ok(()) };
        self.depth += 1;
        let outcome = rules.iter().try_for_each(|rule| self.rule(rule, value));
        self.depth -= 1;
        outcome
    }

    /// Whether a value fits; to be spent is no answer.
    fn fits(&mut self, id: Id, value: &Json) -> Result<bool, Fault> {
        match self.part(id, value) {
            Ok(()) => Ok(true),
            Err(Fault::Misfit(_)) => Ok(false),
            Err(Fault::Spent) => Err(Fault::Spent),
        }
    }

    fn rule(&mut self, rule: &'s Rule, value: &Json) -> Outcome {
        match rule {
            Rule::Never => misfit("is not known here"),
            Rule::Type { allowed, told } => expect(kind(value) & allowed != 0, told),
            Rule::Enum(values) => self.one_of(values, value),
            Rule::All(parts) => parts.iter().try_for_each(|part| self.part(*part, value)),
            Rule::Any(parts) => self.any(parts, value),
            Rule::One(parts) => self.one(parts, value),
            Rule::Not(part) => {
                let is_met = !self.fits(*part, value)?;
                expect(is_met, "is of a form that is not allowed here")
            }
            Rule::If { condition, met, unmet } => {
                let next = if self.fits(*condition, value)? { met } else { unmet };
                next.map_or(Ok(()), |next| self.part(next, value))
            }
            rule => match value {
                Json::Number(number) => of_number(rule, *number),
                Json::Text(text) => self.of_text(rule, text),
                Json::List(list) => self.of_list(rule, list),
                Json::Object(members) => self.of_object(rule, members, value),
                Json::Null | Json::Bool(_) => Ok(()),
            },
        }
    }

    fn one_of(&mut self, values: &[Json], value: &Json) -> Outcome {
        self.spend(values.len())?;
        if values.iter().any(|known| known == value) {
            return Ok(());
        }
        let texts: Option<Vec<&str>> =
            values.iter().map(|known| if let Json::Text(text) = known { Some(text.as_str()) } else { None }).collect();
        match texts {
            Some(texts) if (1..=8).contains(&texts.len()) => misfit(["must be ", &texts.join(" or ")].concat()),
            _ => misfit("must be one of the values that are allowed here"),
        }
    }

    fn any(&mut self, parts: &[Id], value: &Json) -> Outcome {
        for part in parts {
            if self.fits(*part, value)? {
                return Ok(());
            }
        }
        misfit("is of none of the forms that are allowed here")
    }

    fn one(&mut self, parts: &[Id], value: &Json) -> Outcome {
        let mut found = 0;
        for part in parts {
            found += u32::from(self.fits(*part, value)?);
        }
        match found {
            0 => misfit("is of none of the forms that are allowed here"),
            1 => Ok(()),
            _ => misfit("is of more than one form, and must be of exactly one"),
        }
    }

    fn matches(&mut self, pattern: &Pattern, text: &str) -> Result<bool, Fault> {
        self.spend(pattern.cost(text))?;
        Ok(pattern.is_in(text))
    }

    fn of_text(&mut self, rule: &Rule, text: &str) -> Outcome {
        match rule {
            Rule::Length { least, most } => within_range(text.chars().count(), *least, *most, "character"),
            Rule::Format(format) => expect(format.fits(text), format.reason()),
            Rule::Pattern(pattern) => {
                let is_met = self.matches(pattern, text)?;
                expect(is_met, "must match the pattern that is asked for here")
            }
            _ => Ok(()),
        }
    }

    fn of_list(&mut self, rule: &Rule, list: &[Json]) -> Outcome {
        match rule {
            Rule::Size { least, most } => within_range(list.len(), *least, *most, "element"),
            Rule::Items { first, rest } => {
                for (index, value) in list.iter().enumerate() {
                    if let Some(part) = first.get(index).or(rest.as_ref()) {
                        within(self.part(*part, value), &index.to_string())?;
                    }
                }
                Ok(())
            }
            Rule::Contains { item, least, most } => {
                let mut found = 0;
                for value in list {
                    found += usize::from(self.fits(*item, value)?);
                }
                let is_met = (*least..=*most).contains(&found);
                expect(is_met, "has too few or too many elements of the form that is asked for here")
            }
            Rule::Unique => {
                let mut sorted: Vec<&Json> = list.iter().collect();
                self.spend(sorted.len() * 16)?;
                sorted.sort_unstable_by(|one, other| order::compare(one, other));
                let is_met = sorted.windows(2).all(|pair| pair.first() != pair.last());
                expect(is_met, "must not have an element twice")
            }
            _ => Ok(()),
        }
    }

    fn of_object(&mut self, rule: &'s Rule, members: &Members, value: &Json) -> Outcome {
        match rule {
            Rule::Members { least, most } => within_range(members.iter().len(), *least, *most, "member"),
            Rule::Required(names) => self.required(names, members),
            Rule::DependentRequired(all) => {
                let of_those_there = all.iter().filter(|(name, _)| members.find(name).is_some());
                of_those_there.map(|(_, names)| names).try_for_each(|names| self.required(names, members))
            }
            Rule::DependentSchemas(all) => {
                let of_those_there = all.iter().filter(|(name, _)| members.find(name).is_some());
                of_those_there.map(|(_, part)| *part).try_for_each(|part| self.part(part, value))
            }
            Rule::Names(part) => {
                for (name, _) in members {
                    within(self.part(*part, &Json::Text(name.clone())), name)?;
                }
                Ok(())
            }
            Rule::Properties(own) => {
                for (name, value) in members {
                    within(self.member(own, name, value), name)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn required(&mut self, names: &[String], members: &Members) -> Outcome {
        self.spend(names.len())?;
        match names.iter().find(|name| members.find(name).is_none()) {
            None => Ok(()),
            Some(name) => within(misfit("is missing"), name),
        }
    }

    fn member(&mut self, own: &'s Properties, name: &str, value: &Json) -> Outcome {
        let mut is_known = false;
        if let Ok(at) = own.named.binary_search_by(|(known, _)| known.as_str().cmp(name))
            && let Some((_, part)) = own.named.get(at)
        {
            is_known = true;
            self.part(*part, value)?;
        }
        for (pattern, part) in &own.patterns {
            if self.matches(pattern, name)? {
                is_known = true;
                self.part(*part, value)?;
            }
        }
        match own.rest {
            Some(part) if !is_known => self.part(part, value),
            _ => Ok(()),
        }
    }
}

/// The bits of a value's types.
fn kind(value: &Json) -> u8 {
    match value {
        Json::Null => 1,
        Json::Bool(_) => 2,
        Json::Number(number) if number.fract() == 0.0 => 4 | 8,
        Json::Number(_) => 8,
        Json::Text(_) => 16,
        Json::List(_) => 32,
        Json::Object(_) => 64,
    }
}

fn of_number(rule: &Rule, number: f64) -> Outcome {
    match rule {
        Rule::Number(bound, limit) => {
            let (is_met, words) = match bound {
                Bound::Least => (number >= *limit, "must be at least "),
                Bound::Above => (number > *limit, "must be above "),
                Bound::Most => (number <= *limit, "must be at most "),
                Bound::Below => (number < *limit, "must be below "),
            };
            if is_met { Ok(()) } else { misfit([words, &shown(*limit)].concat()) }
        }
        Rule::MultipleOf(step) => {
            let quotient = number / step;
            let is_met = if quotient.is_finite() {
                // What no double is exactly, a hundredth say, leaves a rest of its own.
                (quotient - quotient.round()).abs() <= quotient.abs().max(1.0) * f64::EPSILON * 4.0
            } else {
                number % step == 0.0
            };
            expect(is_met, &["must be a multiple of ", &shown(*step)].concat())
        }
        _ => Ok(()),
    }
}

/// A number as somebody wrote it, where it is whole; code that writes any other would be larger than all of this.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
fn shown(number: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        (number as i64).to_string()
    } else {
        "what is asked for here".to_owned()
    }
}

fn within_range(length: usize, least: usize, most: usize, unit: &str) -> Outcome {
    let (words, limit) = match length {
        _ if length < least => ("must have at least ", least),
        _ if length > most => ("must have at most ", most),
        _ => return Ok(()),
    };
    misfit([words, &limit.to_string(), " ", unit, if limit == 1 { "" } else { "s" }].concat())
}
