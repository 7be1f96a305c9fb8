// What eslint asks of web/ (python dev.py check). ComfyUI serves "../../scripts/app.js" and "api.js": they are no files
// of this repository, so imports are not resolved here (tests/browser/test_web_files.py looks after the others).
import { createRequire } from "node:module";

// check.py installs the packages there, and not beside this file.
const require = createRequire(new URL("../../.cache/lint/", import.meta.url));
const js = require("@eslint/js");
const globals = require("globals");

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-unused-vars": ["error", { args: "after-used", caughtErrors: "none" }],
      "prefer-const": "error",
      "no-var": "error",
      "no-shadow": "error",
      "no-implicit-globals": "error",
      "object-shorthand": "error",
      "prefer-template": "error",
      "no-eval": "error",
      // All packs share one page: nothing of ours may lie on its window.
      "no-restricted-syntax": [
        "error",
        "AssignmentExpression[left.type='MemberExpression'][left.object.name=/^(window|globalThis)$/]",
      ],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Texts come from users' files: build nodes and set textContent." },
      ],
    },
  },
];
