/** The version of every package of this house: they are released together. */
export const version = "0.1.0";
