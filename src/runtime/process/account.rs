use std::fs;

use crate::{diagnostic::Class, observed::Fault};

/// A user of this host that a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// What `/etc/passwd` says of the uid, where it says something.
    pub(super) login: Option<Login>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) home: String,
    pub(super) shell: String,
}

/// The account that `user:` names: `name`, `uid`, either with `:group` or `:gid`.
///
/// # Errors
/// If there is no such user or group, or we may not become it.
pub(super) fn account(user: &str) -> Result<Account, Fault> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let account = parse(user, &read("/etc/passwd"), &read("/etc/group"))?;
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if uid != 0 && (account.uid, account.gid) != (uid, gid) {
        let text = format!("only root can run a process as user `{user}`");
        return Err(Fault::new(Class::Permission, "user-not-permitted", text)
            .hint("run orchestrate as root, or leave `user` out"));
    }
    Ok(account)
}

/// What this host calls whoever runs this process, if it has a name for the uid.
pub fn own_name() -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    parse(&rustix::process::geteuid().as_raw().to_string(), &passwd, "").ok()?.login.map(|login| login.name)
}

fn parse(user: &str, passwd: &str, groups: &str) -> Result<Account, Fault> {
    let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let number: Option<u32> = name.parse().ok();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 7 && number.map_or(fields[0] == name, |uid| fields[2].parse() == Ok(uid)));
    let login = entry.as_ref().map(|fields| Login {
        name: fields[0].to_owned(),
        home: fields[5].to_owned(),
        shell: fields[6].to_owned(),
    });
    let of_entry = |field: usize| entry.as_ref().and_then(|fields| fields[field].parse().ok());
    let uid = number.or_else(|| of_entry(2)).ok_or_else(|| unknown("user", name))?;
    let gid = match group {
        None => of_entry(3).unwrap_or(uid),
        Some(group) => group_id(group, groups).ok_or_else(|| unknown("group", group))?,
    };
    Ok(Account { uid, gid, login })
}

fn group_id(group: &str, groups: &str) -> Option<u32> {
    let named = || groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == group);
    group.parse().ok().or_else(|| named()?.get(2)?.parse().ok())
}

fn unknown(what: &str, name: &str) -> Fault {
    Fault::new(Class::Configuration, "user-not-found", format!("there is no {what} `{name}` on this host"))
        .hint("create it, or write a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/false\nbroken\n";
        let groups = "root:x:0:\nstaff:x:50:web\n";
        let told = |user: &str| match parse(user, passwd, groups) {
            Ok(Account { uid, gid, login }) => {
                format!("{uid}:{gid} {}", login.map_or("-".to_owned(), |login| login.home))
            }
            Err(fault) => fault.text,
        };
        let table = [
            ("web", "33:34 /srv"),
            ("33", "33:34 /srv"),
            ("web:staff", "33:50 /srv"),
            ("web:7", "33:7 /srv"),
            ("1234", "1234:1234 -"),
            ("nobody-here", "there is no user `nobody-here` on this host"),
            ("web:nogroup", "there is no group `nogroup` on this host"),
        ];
        for (user, expected) in table {
            assert_eq!(told(user), expected);
        }
    }
}
