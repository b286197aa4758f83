use super::{ahead::look_ahead, open::open_plans};
use crate::ops::{Context, OpsError, Preview, PreviewRequest};

/// Says what applying several plans would change, each as the world will be by its turn. Changes
/// nothing. In the order in which they would go.
///
/// # Errors
/// As [`preview`](crate::ops::preview()), with what is wrong with all of them.
pub async fn preview_plans(context: &Context, requests: &[PreviewRequest]) -> Result<Vec<Preview>, OpsError> {
    let state = context.state()?;
    let plan_requests: Vec<_> = requests.iter().map(|request| request.plan.clone()).collect();
    let plans = open_plans(context, &plan_requests, Some(&state))?;
    let mut previews = look_ahead(context, &plans, requests, |_| false).await?;
    Ok(plans.order.sequence().iter().filter_map(|position| previews[*position].take()).collect())
}
