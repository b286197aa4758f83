use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering},
    },
};

use minijinja::{
    Error, State, Value,
    value::{Enumerator, Object, ObjectRepr},
};

use super::{ErrorKind, ExpressionError, Scope, Variable, json, running_service::RunningService};
use crate::secret::Secret;

/// What one render may take in and make, in bytes of text; other values have a price in bytes. With
/// a value of 24 bytes and a map's entry of about 100, this keeps a render below 64 MB.
const BUDGET: i64 = 8 << 20;
/// The price of an entry of a list or map.
const ENTRY: usize = 64;
/// The price of any value, so that many small ones are not free.
const VALUE: usize = 8;
/// Walking, printing and dropping values is recursive.
const DEEPEST: usize = 64;

/// The context's name for the run itself. No template can write it.
const RUN: &str = "\u{1}run";

/// One render: its root context, its budget, and what it touched.
///
/// minijinja wants objects that could be shared between threads, so what is recorded is in atomics
/// and mutexes, although one thread renders.
pub(super) struct Run {
    pub place: String,
    vars: Arc<BTreeMap<String, Variable>>,
    secrets: Arc<BTreeMap<String, Secret>>,
    env: Arc<BTreeMap<String, String>>,
    environment: Value,
    plan: Value,
    service: Value,
    services: Option<Arc<BTreeMap<String, serde_json::Value>>>,
    budget: AtomicI64,
    is_secret: AtomicBool,
    random_strings: AtomicU32,
    /// Variables that were read, as they were given out: converted, and paid for, once.
    variables: Mutex<BTreeMap<String, Value>>,
}

impl Run {
    pub fn new(scope: &Scope, place: &str) -> Arc<Self> {
        Arc::new(Self {
            place: place.to_owned(),
            vars: scope.vars.clone(),
            secrets: scope.secrets.clone(),
            env: scope.env.clone(),
            environment: scope.environment.map_or(Value::from(()), Value::from),
            plan: Value::from(scope.plan),
            service: scope.service.map_or(Value::from(()), Value::from),
            services: scope.services.cloned(),
            budget: AtomicI64::new(BUDGET),
            is_secret: AtomicBool::new(false),
            random_strings: AtomicU32::new(0),
            variables: Mutex::new(BTreeMap::new()),
        })
    }

    /// The run that a filter or function is called in.
    pub fn of(state: &State) -> Arc<Self> {
        let run = state.lookup(RUN).and_then(|value| value.downcast_object::<Self>());
        run.expect("every state's root context is a run")
    }

    pub fn is_secret(&self) -> bool {
        self.is_secret.load(Ordering::Relaxed)
    }

    /// A name for an error's text: it may have been made from a secret.
    pub fn shown<'n>(&self, name: &'n str) -> &'n str {
        if self.is_secret() { "***" } else { name }
    }

    pub fn variables(&self) -> BTreeSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// The number of random strings that were made before this one.
    pub fn count_random_string(&self) -> u32 {
        self.random_strings.fetch_add(1, Ordering::Relaxed)
    }

    pub fn charge(&self, price: usize) -> Result<(), Error> {
        let price = i64::try_from(price).unwrap_or(i64::MAX);
        if price > BUDGET || self.budget.fetch_sub(price, Ordering::Relaxed) < price {
            return Err(ExpressionError::new(ErrorKind::Limit, "this template makes more than 8 MiB of values").into());
        }
        Ok(())
    }

    /// Pays for a value, with all that is in it.
    pub fn pay(&self, value: &Value) -> Result<(), Error> {
        self.walk(value, 0)
    }

    /// Pays for a value that was made. What would be made item by item when it is looked at is made
    /// now, once: such values can be nested without end at no cost.
    pub fn settle(&self, value: Value) -> Result<Value, Error> {
        if value.as_object().is_none_or(|object| object.repr() != ObjectRepr::Iterable) {
            self.pay(&value)?;
            return Ok(value);
        }
        let mut items = Vec::new();
        for item in value.try_iter()?.checked() {
            let item = item?;
            self.charge(ENTRY)?;
            self.walk(&item, 1)?;
            items.push(item);
        }
        Ok(Value::from(items))
    }

    /// Pays for the search of a value; the names in scope are looked up, not searched.
    pub fn pay_search(&self, container: &Value) -> Result<(), Error> {
        if container.downcast_object_ref::<Names>().is_some() {
            return self.charge(VALUE);
        }
        self.pay(container)
    }

    fn walk(&self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            let text = format!("this template makes values that are nested more than {DEEPEST} deep");
            return Err(ExpressionError::new(ErrorKind::Limit, text).into());
        }
        self.charge(VALUE)?;
        if let Some(text) = value.as_str() {
            return self.charge(text.len());
        }
        let Some(object) = value.as_object() else { return Ok(()) };
        if let Some(names) = object.downcast_ref::<Names>() {
            names.check_whole()?;
        }
        match object.repr() {
            ObjectRepr::Plain => self.charge(ENTRY),
            ObjectRepr::Map => {
                for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                    self.charge(2 * ENTRY)?;
                    self.walk(&key, depth + 1)?;
                    self.walk(&value, depth + 1)?;
                }
                Ok(())
            }
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                for item in object.try_iter().into_iter().flatten() {
                    self.charge(ENTRY)?;
                    self.walk(&item, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(ExpressionError::new(ErrorKind::Type, "this kind of value cannot be used here").into()),
        }
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let variable = self.vars.get(name)?;
        if let Some(value) = self.lock().get(name) {
            return Some(value.clone());
        }
        if variable.sensitive {
            self.is_secret.store(true, Ordering::Relaxed);
        }
        let value = match self.charge(json::size(&variable.value)) {
            Ok(()) => json::to_value(&variable.value),
            Err(error) => return Some(Value::from(error)),
        };
        self.lock().insert(name.to_owned(), value.clone());
        Some(value)
    }

    fn secret(&self, name: &str) -> Option<Value> {
        let secret = self.secrets.get(name)?;
        self.is_secret.store(true, Ordering::Relaxed);
        Some(Value::from(secret.expose()))
    }

    fn running_service(self: &Arc<Self>, name: &str) -> Option<Value> {
        let service = self.services.as_ref()?.get(name)?;
        match self.charge(json::size(service)) {
            Ok(()) => Some(Value::from_object(RunningService::new(name, service))),
            Err(error) => Some(Value::from(error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.variables.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Says nothing: it holds secrets.
impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scope")
    }
}

impl Object for Run {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let names = |kind| Some(Value::from_object(Names { kind, run: self.clone() }));
        match key {
            "vars" | "config" => names(NamesKind::Variables),
            "secrets" => names(NamesKind::Secrets),
            "env" => names(NamesKind::Environment),
            "environment" => Some(self.environment.clone()),
            "plan" => Some(self.plan.clone()),
            "service" => Some(self.service.clone()),
            "services" if self.services.is_some() => names(NamesKind::Services),
            RUN => Some(Value::from_dyn_object(self.clone())),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NamesKind {
    Variables,
    Secrets,
    Environment,
    Services,
}

/// `vars`, `secrets`, `env` or `services`: records what is read.
struct Names {
    kind: NamesKind,
    run: Arc<Run>,
}

impl Names {
    /// Secrets, and what else the environment holds, have to be asked for by name.
    fn check_whole(&self) -> Result<(), Error> {
        let name = match self.kind {
            NamesKind::Variables | NamesKind::Services => return Ok(()),
            NamesKind::Secrets => "secrets",
            NamesKind::Environment => "env",
        };
        let text = format!("`{name}` cannot be used as a whole");
        Err(ExpressionError::new(ErrorKind::Secret, text).hint(format!("name one: `{name}.NAME`")).into())
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names")
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match self.kind {
            NamesKind::Variables => self.run.variable(key),
            NamesKind::Secrets => self.run.secret(key),
            NamesKind::Environment => self.run.env.get(key).map(Value::from),
            NamesKind::Services => self.run.running_service(key),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.kind {
            NamesKind::Variables => Enumerator::Values(self.run.vars.keys().map(Value::from).collect()),
            NamesKind::Services => {
                Enumerator::Values(self.run.services.iter().flat_map(|all| all.keys()).map(Value::from).collect())
            }
            NamesKind::Secrets | NamesKind::Environment => Enumerator::NonEnumerable,
        }
    }

    /// `env('NAME', default)`.
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (name, default) = match (self.kind, args) {
            (NamesKind::Environment, [name]) => (name, None),
            (NamesKind::Environment, [name, default]) => (name, Some(default)),
            _ => return Err(ExpressionError::new(ErrorKind::Type, "write it as `env('NAME', 'default')`").into()),
        };
        let Some(name) = name.as_str() else {
            return Err(ExpressionError::new(ErrorKind::Type, "the name for `env` is not a text").into());
        };
        let value = self.run.env.get(name).map(Value::from).or_else(|| default.cloned());
        let name = self.run.shown(name);
        value.ok_or_else(|| {
            let text = format!("the environment variable `{name}` is not set");
            let hint = format!("set it, or give a default: `env('{name}', 'default')`");
            ExpressionError::new(ErrorKind::Undefined, text).hint(hint).into()
        })
    }
}
