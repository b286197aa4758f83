use std::time::Duration;

/// Waiting times between attempts that double from `initial` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub initial: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The wait after failed attempt number `attempt` (from 1). `jitter` in 0..=1 takes away up to
    /// half of it, so that many clients do not come back at once.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        // 2^20 times any sensible start is beyond any sensible maximum.
        let doublings = attempt.saturating_sub(1).min(20);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let backoff = Backoff { initial: Duration::from_millis(500), max: Duration::from_secs(3) };
        let delays: Vec<u128> = (1..6).map(|n| backoff.delay(n, 0.0).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 3000, 3000]);
        assert_eq!(backoff.delay(1, 1.0).as_millis(), 250);
        assert_eq!(backoff.delay(u32::MAX, 0.0).as_millis(), 3000);
    }
}
