/* Where things are. The pages may stand below any path; the API stands at the root of their origin. */

export const root = new URL('..', import.meta.url).href;

export const api = new URL('/', import.meta.url).href;
