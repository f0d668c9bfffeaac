// Packages from elsewhere sometimes ship their TypeScript under the condition `source`, as ours do;
// Node strips no types below node_modules. They are loaded as everybody else loads them.

import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, next) {
    const foreign = context.parentURL?.includes("/node_modules/") ?? false;
    if (!foreign) return next(specifier, context);
    const conditions = context.conditions.filter((name) => name !== "source");
    return next(specifier, { ...context, conditions });
  },
});
