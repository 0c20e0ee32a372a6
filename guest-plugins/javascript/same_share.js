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
    const pointers = pair.pointers();
    const [all, properties] = [new Share(), new Share()];
    const verdicts = [];
    for (const isSame of pair.same()) {
      all.count(isSame);
      if (pointers[verdicts.length].startsWith("/properties/")) {
        properties.count(isSame);
      }
      verdicts.push(isSame ? SAME : CHANGED);
    }
    return { similarity: all.share(), propertySimilarity: properties.share(), verdicts };
  }
}

class Share {
  rows = 0;
  same = 0;

  count(isSame) {
    this.rows++;
    this.same += isSame ? 1 : 0;
  }

  share() {
    return this.rows ? this.same / this.rows : 1;
  }
}

export const similarityScorer = exportSimilarityScorer(SameShare);
