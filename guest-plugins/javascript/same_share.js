/**
 * The plugin `same_share`: two events are as alike as the share of their properties that agree. It shows how little a
 * scorer takes; `property_similarity` is the one to use.
 */

import { CHANGED, SAME, exportSimilarityScorer, splitPointers } from "./dedup-plugin.js";

class SameShare {
  static info = { name: "same_share", version: "0.1.0" };

  configure(config) {
    const pointers = splitPointers(config);
    return pointers.length ? pointers : [""];
  }

  compare(pair) {
    const same = pair.same();
    const pointers = pair.pointers();
    const inside = same.filter((_, row) => pointers[row].startsWith("/properties/"));
    const verdicts = same.map((isSame) => (isSame ? SAME : CHANGED));
    return { similarity: share(same), propertySimilarity: share(inside), verdicts };
  }
}

function share(same) {
  return same.length ? same.filter(Boolean).length / same.length : 1;
}

export const similarityScorer = exportSimilarityScorer(SameShare);
