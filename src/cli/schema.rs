use super::{Exit, SchemaArguments, SchemaKind, Terminal};
use crate::load::{environment_schema, plan_schema};

/// `orchestrate schema`.
pub fn run(arguments: &SchemaArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    let schema = match arguments.document {
        SchemaKind::Plan => plan_schema(),
        SchemaKind::Environment => environment_schema(),
    };
    terminal.print(&format!("{schema:#}\n"))?;
    Ok(Exit::Ok)
}
