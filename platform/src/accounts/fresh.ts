/**
 * How long what the database says of a key, a session or a membership is taken for current, milliseconds: what another
 * process takes away works on so long, and no longer. The promise is a second; the rest of it is for asking anew.
 */
export const freshMs = 800

/**
 * How long the database may take to say it anew, milliseconds. After that, while it does not answer, what it said last
 * holds: nobody can take anything away meanwhile, and what runs in sandboxes must not stand still with it.
 */
export const patienceMs = 500
