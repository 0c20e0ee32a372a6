/**
 * All plugins of the gallery in one component, because each would hold an engine of its own: the configuration says which.
 * Only for tests.
 */
import email from "./gallery-email.js";
import geo from "./gallery-geo.js";
import money from "./gallery-money.js";
import tags from "./gallery-tags.js";
import time from "./gallery-time.js";
import url from "./gallery-url.js";

const RECIPES = { email, url, time, money, geo, tags };
let chosen = null;

export const keyExtractor = {
  describe: () => ({ name: "gallery", version: "0.1.0", keyVersion: 1 }),
  configure(config) {
    if (!Object.hasOwn(RECIPES, config)) {
      throw { message: `${JSON.stringify(config)} is none of ${Object.keys(RECIPES).join(", ")}` };
    }
    chosen = RECIPES[config];
    return chosen.configure("");
  },
  extract: (batch) => chosen.extract(batch),
};
