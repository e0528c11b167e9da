/** The first line of what Playwright says, without what a page may have put into it. */
export const sanitised = (message: string): string =>
  message
    .split('\n')[0]!
    .replace(/(["'`]).*?\1/g, '…')
    .slice(0, 300);
