/**
 * Whether transactional producers are served. The parts of it (log, coordinator, groups, partitions) are of use only together: until all of
 * them are here, `transactional.id` is refused where a producer asks first, and nothing of it is announced.
 */
export const servesTransactions: boolean = false;
