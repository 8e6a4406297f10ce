//! Random order (`load_balance_hosts=random`).

/// Shuffles, each order being as likely as any other (Fisher and Yates).
///
/// Where the system gives no random numbers the order stays; the login, which needs some, fails.
pub(super) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        if let Some(chosen) = below(last + 1) {
            items.swap(last, chosen);
        }
    }
}

/// A random number below `bound`; the remainder's bias is beyond notice with a handful of hosts.
fn below(bound: usize) -> Option<usize> {
    let random = getrandom::u64().ok()?;
    usize::try_from(random % u64::try_from(bound).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_up_and_nothing_is_lost() {
        let mut orders = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let mut items = [1, 2, 3];
            shuffle(&mut items);
            orders.insert(items);
        }
        let all = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
        assert_eq!(orders, all.into());
    }

    #[test]
    fn what_has_one_order_keeps_it() {
        let mut items: [u8; 0] = [];
        shuffle(&mut items);
        let mut items = [1];
        shuffle(&mut items);
        assert_eq!(items, [1]);
    }
}
