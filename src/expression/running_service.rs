use std::{fmt, sync::Arc};

use minijinja::{
    Error, State, Value,
    value::{Enumerator, Object},
};

use super::{ErrorKind, ExpressionError, json};

/// `services.NAME`: what is known of a service that runs.
pub(super) struct RunningService {
    name: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl RunningService {
    pub fn new(name: &str, service: &serde_json::Value) -> Self {
        Self { name: name.to_owned(), fields: service.as_object().cloned().unwrap_or_default() }
    }

    /// The host's port for a port of the service: `port(80)`, or `port(53, 'udp')`.
    fn port(&self, args: &[Value]) -> Result<Value, Error> {
        let (number, protocol) = match args {
            [number] => (number, "tcp"),
            [number, protocol] => (number, protocol.as_str().unwrap_or_default()),
            _ => {
                return Err(ExpressionError::new(ErrorKind::Type, "write it as `port(80)` or `port(53, 'udp')`").into());
            }
        };
        let ports = self.fields.get("ports").and_then(serde_json::Value::as_object);
        let found = ports.and_then(|ports| ports.get(&format!("{number}/{protocol}")));
        found.map(json::to_value).ok_or_else(|| self.without_port(&format!("{number}/{protocol}")).into())
    }

    fn without_port(&self, port: &str) -> ExpressionError {
        let ports = self.fields.get("ports").and_then(serde_json::Value::as_object);
        let known: Vec<&str> = ports.into_iter().flat_map(|ports| ports.keys().map(String::as_str)).collect();
        let text = format!("`{}` has no port `{port}` that can be reached from the host", self.name);
        let error = ExpressionError::new(ErrorKind::Undefined, text);
        match known.is_empty() {
            true => error.hint("publish it: `ports: [\"80\"]`"),
            false => error.hint(format!("it has {}", known.join(", "))),
        }
    }
}

impl fmt::Debug for RunningService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("service")
    }
}

impl Object for RunningService {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let value = self.fields.get(key)?;
        if value.is_null() {
            let text = format!("`{}` has no `{key}`: it does not run, or cannot be reached from here", self.name);
            return Some(Value::from(Error::from(ExpressionError::new(ErrorKind::Undefined, text))));
        }
        Some(match (key, value) {
            ("ports", serde_json::Value::Object(_)) => Value::from_object(Ports(self.clone())),
            _ => json::to_value(value),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.fields.keys().map(Value::from).collect())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "port" => self.port(args),
            _ => {
                let text = format!("a service has no method `{method}`");
                Err(ExpressionError::new(ErrorKind::Unknown, text).hint("it has `port(80)`").into())
            }
        }
    }
}

/// `services.NAME.ports`: by the service's own port, as `80/tcp`.
struct Ports(Arc<RunningService>);

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports")
    }
}

impl Object for Ports {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let port = key.as_str()?;
        let found = self.0.fields.get("ports").and_then(|ports| ports.get(port));
        Some(found.map_or_else(|| Value::from(Error::from(self.0.without_port(port))), json::to_value))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let ports = self.0.fields.get("ports").and_then(serde_json::Value::as_object);
        Enumerator::Values(ports.into_iter().flat_map(|ports| ports.keys()).map(Value::from).collect())
    }
}
