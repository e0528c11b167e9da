/** What Nest injects the running engine under. */
export const ENGINE = Symbol('ENGINE');
