/** Where programs of the system lie, as PATH for those we start without an environment of ours. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
