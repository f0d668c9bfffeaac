/** A store that may not be used as it is: `message` says why and what to do. */
export class StoreRefused extends Error {}
