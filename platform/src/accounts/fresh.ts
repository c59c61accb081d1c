/**
 * How long what the database says of a key, a session or a membership is taken for current, milliseconds: what another
 * process takes away works on so long, and no longer.
 */
export const freshMs = 1000
