// @ts-check
/** The pack's version, as in pyproject.toml (a test compares). */
export const VERSION = "0.2.0";
