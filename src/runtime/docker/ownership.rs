use super::labels::{self, Labels};
use crate::{
    name::{DeploymentId, ProjectName},
    observed::Identity,
};

pub(super) const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const COMPOSE_SERVICE: &str = "com.docker.compose.service";
const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
const COMPOSE_ONE_OFF: &str = "com.docker.compose.oneoff";

/// Stands for the deployment of what no deployment made. None ever has this id: they are random.
const NO_DEPLOYMENT: &str = "00000000";

/// Whose an object is: by our labels, or by Compose's, if its project was taken over. Nothing else
/// says that an object may be changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Ownership {
    /// The project that Compose's project of the same name belongs to.
    adopted: Option<ProjectName>,
}

impl Ownership {
    /// What Compose calls the project's is the project's.
    pub fn adopting(project: ProjectName) -> Self {
        Self { adopted: Some(project) }
    }

    /// Whether something may carry Compose's labels and be the project's.
    pub fn adopts(&self, project: &ProjectName) -> bool {
        self.adopted.as_ref() == Some(project)
    }

    /// The project that an object belongs to.
    pub fn project(&self, found: Option<&Labels>) -> Option<ProjectName> {
        labels::project(found).or_else(|| {
            let adopted = self.adopted.as_ref()?;
            let is_one_off = found?.get(COMPOSE_ONE_OFF).is_some_and(|word| word.eq_ignore_ascii_case("true"));
            (found?.get(COMPOSE_PROJECT)? == adopted.as_str() && !is_one_off).then(|| adopted.clone())
        })
    }

    /// Whether an object may be changed.
    pub fn is_ours(&self, found: Option<&Labels>) -> bool {
        self.project(found).is_some()
    }

    /// Whether it is only ours because its project was taken over.
    pub fn is_adopted(&self, found: &Labels) -> bool {
        labels::project(Some(found)).is_none() && self.is_ours(Some(found))
    }

    /// Whose an instance is; `None` if that is not written on it, or damaged.
    pub fn identity(&self, found: &Labels) -> Option<Identity> {
        if !self.is_adopted(found) {
            return labels::identity(found);
        }
        Some(Identity {
            project: self.project(Some(found))?,
            service: found.get(COMPOSE_SERVICE)?.parse().ok()?,
            number: found.get(COMPOSE_NUMBER)?.parse().ok()?,
            environment: None,
            deployment: no_deployment(),
        })
    }
}

fn no_deployment() -> DeploymentId {
    NO_DEPLOYMENT.parse().expect("it is eight digits")
}

/// Whether a label says something about Compose or its surroundings, not about the service.
pub(super) fn is_of_compose(label: &str) -> bool {
    label.starts_with("com.docker.compose.") || label.starts_with("desktop.docker.io/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn compose_says_whose_it_is_only_where_that_was_asked_for() {
        let web = [(COMPOSE_PROJECT, "shop"), (COMPOSE_SERVICE, "web"), (COMPOSE_NUMBER, "2")];
        let with = |more: &[(&'static str, &'static str)]| labels(&[&web[..], more].concat());
        let adopting = Ownership::adopting("shop".parse().unwrap());
        let other = Ownership::adopting("other".parse().unwrap());
        let table = [
            ("nobody adopts", Ownership::default(), with(&[]), None),
            ("its project is adopted", adopting.clone(), with(&[]), Some("shop web 2 00000000")),
            ("another project is adopted", other, with(&[]), None),
            ("a service", adopting.clone(), with(&[(COMPOSE_ONE_OFF, "False")]), Some("shop web 2 00000000")),
            ("a one-off", adopting.clone(), with(&[(COMPOSE_ONE_OFF, "True")]), None),
            ("no number", adopting.clone(), labels(&web[..2]), None),
            (
                "our labels count more",
                adopting.clone(),
                with(&[
                    ("io.orchestrate.project", "own"),
                    ("io.orchestrate.service", "api"),
                    ("io.orchestrate.instance", "1"),
                    ("io.orchestrate.deployment", "0123abcd"),
                ]),
                Some("own api 1 0123abcd"),
            ),
        ];
        for (case, ownership, found, expected) in table {
            let identity = ownership.identity(&found);
            let text = identity.map(|identity| {
                let Identity { project, service, number, deployment, .. } = identity;
                format!("{project} {service} {number} {deployment}")
            });
            assert_eq!(text.as_deref(), expected, "{case}");
        }
        assert!(!adopting.is_ours(None) && !adopting.is_ours(Some(&labels(&[]))));
    }
}
