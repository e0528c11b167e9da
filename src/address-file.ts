import { join } from 'node:path';

/** Where a server says under which address it listens, and the command line of the same home finds it. */
export const addressFile = (home: string): string => join(home, 'server.json');
